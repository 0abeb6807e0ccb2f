"""`kubedeb repo fsck`: what keeps a repository well."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from kubedeb.output import json_option, print_json, print_table
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
    from repo.fsck import rebuild_catalog

    opened = open_root(repository)
    done = check(opened, say, repair=repair)
    known = rebuild_catalog(opened, say) if rebuild else None
    if as_json:
        print_json({**asdict(done), "catalog": known})
    else:
        if done.faults:
            rows = [(fault.path, fault.problem, "yes" if fault.repaired else "no") for fault in done.faults]
            print_table(("file", "what is wrong", "repaired"), rows)
        click.echo(f"{done.objects} objects read, {len(done.faults)} faults")
        if known is not None:
            click.echo(f"the catalog knows {known} packages")
    done.stop()
