"""`kubedeb repo fsck`, `stats`, `metrics` and `page`: what keeps a repository well."""

from __future__ import annotations

from pathlib import Path

import click

from kubedeb.output import counted, json_option, plain, print_json, print_table
from repo.commands.options import open_root, repository_option, say


@click.command()
@repository_option
@click.option("--repair", is_flag=True, help="Remake what others tell: indices, the package list, signatures, copies.")
@click.option(
    "--rebuild-catalog", "rebuild", is_flag=True, help="Make the catalog anew from what is published; drafts are lost."
)
@json_option
def fsck(*, repository: Path | None, repair: bool, rebuild: bool, as_json: bool) -> None:
    """Read every object against the digest that names it, and mend what can be mended."""
    from repo.fsck import fsck as check
    from repo.rebuild import rebuild_catalog

    opened = open_root(repository)
    done = check(opened, say, repair=repair)
    known = rebuild_catalog(opened, say) if rebuild else None
    if as_json:
        print_json({**plain(done), "catalog": known})
    else:
        if done.faults:
            rows = [(fault.path, fault.problem, "yes" if fault.repaired else "no") for fault in done.faults]
            print_table(("file", "what is wrong", "repaired"), rows)
        click.echo(f"{counted(done.objects, 'object')} read, {counted(len(done.faults), 'fault')}")
        if known is not None:
            click.echo(f"the catalog knows {counted(known, 'package')}")
    done.stop()


@click.command()
@repository_option
@json_option
def stats(*, repository: Path | None, as_json: bool) -> None:
    """Show what each suite holds, and how it grew by generation."""
    from repo.stats import stats as figures

    found = figures(open_root(repository))
    if as_json:
        print_json([plain(one) for one in found])
        return
    for one in found:
        kinds = ", ".join(f"{count} {name}" for name, count in one.architectures.items())
        click.echo(f"{one.suite} generation {one.generation}: {counted(one.packages, 'package')} ({kinds}), {one.bytes} bytes")
        print_table(("generation", "packages"), [(str(past.generation), str(past.packages)) for past in one.growth])


@click.command()
@repository_option
def metrics(*, repository: Path | None) -> None:
    """Print the repository's figures in Prometheus' text format, for a textfile collector."""
    import time

    from repo.stats import key_expiries, metrics_text
    from repo.stats import stats as figures

    opened = open_root(repository)
    click.echo(metrics_text(figures(opened), key_expiries(opened), time.time()), nl=False)


@click.command()
@repository_option
@click.argument("suite")
@json_option
def page(*, repository: Path | None, suite: str, as_json: bool) -> None:
    """Write a web page of a published suite, dists/SUITE/index.html: one file, searchable without a server."""
    from repo.page import write_page

    name, changed = write_page(open_root(repository), suite)
    if as_json:
        print_json({"name": name, "changed": changed})
    else:
        click.echo(f"wrote {name}" if changed else f"nothing to do: {name} is as it should be")
