"""`kubedeb repo snapshot`: lists of packages that have a name, stay, and are served under it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kubedeb.output import counted, json_option, plain, print_json, print_table
from repo.commands.moves import moment, reason_option, show_difference
from repo.commands.options import open_root, repository_option, say, terms_options


@click.group()
def snapshot() -> None:
    """Name what a suite serves, so that it stays and can be served again."""


@snapshot.command()
@repository_option
@click.argument("name")
@click.argument("source", metavar="SUITE[@GENERATION]")
@reason_option
@terms_options
@json_option
def create(*, repository: Path | None, name: str, source: str, reason: str, terms: Any, as_json: bool) -> None:
    """Name what a suite serves, or served as a generation; apt finds it for ever as `Suites: snapshots/NAME`."""
    from repo.naming import create as create_snapshot

    done = create_snapshot(open_root(repository, terms), name, source, say, reason)
    if as_json:
        print_json({**plain(done.named), "apt_suite": done.apt_suite, "judges": done.judges})
        return
    click.echo(f"snapshot {name} is {done.named.snapshot}: {counted(done.named.packages, 'package')}, {source} as it is now"
               f"\nserved for ever as: Suites: {done.apt_suite}")  # fmt: skip


@snapshot.command()
@repository_option
@click.argument("old")
@click.argument("new")
@json_option
def diff(*, repository: Path | None, old: str, new: str, as_json: bool) -> None:
    """Show what NEW has more than OLD, and what it lacks; each is a named snapshot, SUITE, SUITE@GENERATION or an id."""
    from repo.live import chunk_loader
    from repo.points import resolve
    from repo.snapshots import difference

    opened = open_root(repository)
    before, after = resolve(opened, old), resolve(opened, new)
    added, removed = difference(before.snapshot, after.snapshot, chunk_loader(opened))
    if as_json:
        document = {"added": [plain(member) for member in added], "removed": [plain(member) for member in removed]}
        print_json({"old": before.snapshot.id, "new": after.snapshot.id, **document})
        return
    show_difference(added, removed)
    if not added and not removed:
        click.echo(f"{old} and {new} have the same packages")


@snapshot.command(name="list")
@repository_option
@json_option
def list_(*, repository: Path | None, as_json: bool) -> None:
    """List the named snapshots."""
    from repo.snapshotlist import every_named

    found = every_named(open_root(repository))
    if as_json:
        print_json([plain(one) for one in found])
        return
    rows = [
        (one.name, moment(one.made), f"{one.suite}@{one.generation}", str(one.packages), one.who, one.reason) for one in found
    ]
    print_table(("snapshot", "made", "of", "packages", "who", "why"), rows)
