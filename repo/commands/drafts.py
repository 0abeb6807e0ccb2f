"""`kubedeb repo add` and `remove`: what changes a suite's draft, and publishes it at once when that is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import click

from kubedeb.output import json_option, plain, print_json
from repo.commands.options import open_root, repository_option, say, suite_option, terms_options


@click.command()
@repository_option
@suite_option
@click.option("--publish", "publish_too", is_flag=True, help="Publish the suite afterwards.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=False))
@terms_options
@json_option
def add(*, repository: Path | None, suite: str, publish_too: bool, files: tuple[Path, ...], terms: Any, as_json: bool) -> None:
    """Add FILES to a suite's draft, all or none: .deb, .dsc, .changes, .buildinfo, statements, or folders of them."""
    from repo.add import look, take
    from repo.transaction import transaction

    opened = open_root(repository, terms)
    looked = look(opened, suite, files)
    with transaction(opened, say) as writer:
        added = take(writer, looked)
        # A hundred thousand packages are heavy, and publishing reads them anew.
        del looked
        document: dict[str, Any] = {
            "suite": suite,
            "added": _shown(added.packages),
            "present": _shown(added.present),
            "passed_over": list(added.passed_over),
            "restored": _shown(added.restored),
        }
        if not as_json:
            for package in added.packages:
                click.echo(f"added {package.label} ({package.size} bytes, sha256 {package.sha256})")
            restored = set(added.restored)
            for package in added.present:
                back = ": what the store had lost of it is back" if package in restored else ""
                click.echo(f"{package.label} is in {suite} already{back}")
            for name in added.passed_over:
                click.echo(f"passed over {name}: no package, and nothing about one")
        waiting = bool(added.packages)
        del added
        _publish_too(writer, suite, document, asked=publish_too, waiting=waiting, as_json=as_json)
    if as_json:
        print_json(document)


@click.command()
@repository_option
@suite_option
@click.option("--publish", "publish_too", is_flag=True, help="Publish the suite afterwards.")
@click.argument("packages", metavar="QUERY...", nargs=-1, required=True)
@terms_options
@json_option
def remove(
    *, repository: Path | None, suite: str, publish_too: bool, packages: tuple[str, ...], terms: Any, as_json: bool
) -> None:
    """Let packages leave a suite with its next publish; without =VERSION, all versions: all that are named or none."""
    from repo.remove import withdraw
    from repo.transaction import transaction

    opened = open_root(repository, terms)
    opened.suite(suite)
    with transaction(opened, say) as writer:
        removed = withdraw(writer, suite, packages)
        document: dict[str, Any] = plain(removed)
        if not as_json:
            for member in removed.withdrawn:
                click.echo(f"{member.label} is no longer in the draft of {suite}")
            for member in removed.leaving:
                click.echo(f"{member.label} leaves {suite} with the next publish")
        _publish_too(writer, suite, document, asked=publish_too, waiting=bool(removed.leaving), as_json=as_json)
    if as_json:
        print_json(document)


class _Shown(NamedTuple):
    """A package as `--json` shows it: without its stanza, which would keep a hundred thousand of them in memory."""

    name: str
    version: str
    architecture: str
    size: int
    sha256: str


def _shown(packages: Iterable[Any]) -> list[_Shown]:
    return [_Shown(one.name, one.version, one.architecture, one.size, one.sha256) for one in packages]


def _publish_too(writer: Any, suite: str, document: dict[str, Any], *, asked: bool, waiting: bool, as_json: bool) -> None:
    """End a change of a draft: publish it when that was asked for, else say what waits."""
    from repo.commands.moves import tell
    from repo.publish import publish_draft

    if asked:
        done = publish_draft(writer, suite)
        document["published"] = plain(done)
        if not as_json:
            tell(done)
    elif waiting and not as_json:
        click.echo(f"not yet published: kubedeb repo publish {suite}")
