"""What the commands of `kubedeb repo` have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

repository_option = click.option(
    "--repository", "-r", type=click.Path(path_type=Path, file_okay=False), help="The repository's folder.",
)  # fmt: skip
strict_option = click.option("--strict", is_flag=True, help="Fail, too, when a key expires within 180 days.")
suite_option = click.option("--suite", "-s", required=True, help="The suite to work on.")


def root_of(repository: Path | None) -> Path:
    """Return the repository's folder: the option, else the setting."""
    from kubedeb.config import path_setting

    return path_setting("repository", repository)


def open_root(repository: Path | None, *, strict: bool = False) -> Any:
    """Open the repository that the option or the setting names."""
    from repo.place import Terms, open_repository

    return open_repository(root_of(repository), Terms(strict))


def say(text: str) -> None:
    """Tell how far a command is."""
    from kubedeb.progress import progress

    progress().say(text)
