"""`kubedeb repo search`: packages by words."""

from __future__ import annotations

from pathlib import Path

import click

from kubedeb.output import json_option, plain, print_json, print_table
from repo.commands.options import open_root, repository_option


@click.command()
@repository_option
@click.option("--suite", "-s", "suites", multiple=True, help="Only this suite; repeat.")
@click.argument("words", nargs=-1, required=True)
@json_option
def search(*, repository: Path | None, suites: tuple[str, ...], words: tuple[str, ...], as_json: bool) -> None:
    """List the packages that have all WORDS in their name or description."""
    from repo.queries import search as search_packages

    found = search_packages(open_root(repository), suites, words)
    if as_json:
        print_json([{"suite": one.row.suite, **plain(one.row.member), "state": one.row.state.value, "summary": one.summary}
                    for one in found])  # fmt: skip
        return
    rows = [(one.row.suite, one.row.member.name, one.row.member.version, one.row.state.value, one.summary) for one in found]
    print_table(("suite", "package", "version", "state", "summary"), rows)
