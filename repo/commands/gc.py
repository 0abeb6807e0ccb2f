"""`kubedeb repo gc` and `repo hold`: what must stay, and the rest deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kubedeb.output import counted, json_option, plain, print_json, print_table
from repo.commands.options import open_root, repository_option, say, terms_options


@click.command()
@repository_option
@click.option("--dry-run", is_flag=True, help="Only say what would go, and who holds what stays.")
@terms_options
@json_option
def gc(*, repository: Path | None, dry_run: bool, terms: Any, as_json: bool) -> None:
    """Delete what no suite, generation, snapshot, draft or hold needs any more."""
    from repo.gc import gc as collect

    done = collect(open_root(repository, terms), say, dry_run=dry_run)
    if as_json:
        print_json(plain(done))
        return
    would = "would leave" if dry_run else "left"
    for suite, member in done.leaving:
        click.echo(f"{member.label} {would} {suite}: newer versions are kept")
    if done.packages:
        rows = [(one.member.label, str(one.size), ", ".join(one.holders) or ("would go" if dry_run else "gone"))
                for one in done.packages]  # fmt: skip
        print_table(("package in no suite", "bytes", "held by"), rows)
    gone = sum(one.size for one in done.packages if not one.holders)
    deleted = f"{counted(len(done.objects), 'file')} {'to be ' if dry_run else ''}deleted"
    click.echo(f"{deleted}, {gone} bytes of packages among them")


@click.group()
def hold() -> None:
    """Keep gc from deleting packages: named lists of sha256, whoever made them."""


@hold.command()
@repository_option
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def add(*, repository: Path | None, name: str, file: Path, as_json: bool) -> None:
    """Add the sha256 in FILE (one a line, as sha256sum writes them) to the hold NAME."""
    from repo.holds import add_hold

    held = add_hold(open_root(repository), name, file)
    if as_json:
        print_json({"name": name, "sha256": sorted(held)})
    else:
        click.echo(f"hold {name} has {len(held)} digests")


@hold.command()
@repository_option
@click.argument("name")
@json_option
def remove(*, repository: Path | None, name: str, as_json: bool) -> None:
    """Remove the hold NAME."""
    from repo.holds import remove_hold

    remove_hold(open_root(repository), name)
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        click.echo(f"hold {name} is gone")


@hold.command(name="list")
@repository_option
@json_option
def list_(*, repository: Path | None, as_json: bool) -> None:
    """List the holds."""
    from repo.holds import read_holds

    holds = read_holds(open_root(repository).layout.store)
    if as_json:
        print_json({name: sorted(held) for name, held in holds.items()})
        return
    for name, held in holds.items():
        click.echo(f"{name}: {len(held)} digests")
