"""`kubedeb repo explain`: cause and cure of what apt printed, and of which generation it speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kubedeb.output import json_option, plain, print_json
from repo.commands.options import repository_option, root_of


@click.command()
@repository_option
@click.option("--lists", type=click.Path(path_type=Path, file_okay=False), default="/var/lib/apt/lists", show_default=True,
              help="The client's lists, when this runs on the client.")  # fmt: skip
@click.argument("text", type=click.File(errors="replace"), default="-")
@json_option
def explain(*, repository: Path | None, lists: Path, text: Any, as_json: bool) -> None:
    """Say cause and cure of what apt printed, read from a file or stdin, and which generation it is about."""
    from repo.explain import explain as explain_text
    from repo.sightings import in_lists, in_repository

    said = text.read()
    found = explain_text(said)
    opened = _opened(repository)
    sightings = [*(in_repository(opened, said) if opened else []), *in_lists(lists, said)]
    if as_json:
        print_json({"rules": [plain(rule) for rule in found], "generations": [plain(one) for one in sightings]})
        return
    for rule in found:
        click.echo(f"cause: {rule.cause}\ncure:  {rule.cure}")
    for one in sightings:
        live = f" ({one.live} is live)" if one.live else ""
        click.echo(f"generation: {one.suite} {one.generation}{live}: {one.how}")
    if not found:
        click.echo("nothing in this is known; `kubedeb repo verify` reads the repository as apt does")


def _opened(repository: Path | None) -> Any:
    """Open the repository that was named, or the setting's where there is one: a client has none."""
    from repo.place import open_repository

    root = root_of(repository)
    return open_repository(root) if repository is not None or (root / "repository.json").is_file() else None
