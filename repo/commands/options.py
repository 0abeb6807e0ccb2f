"""What the commands of `kubedeb repo` have in common."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from kubedeb.lazygroup import LazyGroup

repository_option = click.option(
    "--repository", "-r", type=click.Path(path_type=Path, file_okay=False), help="The repository's folder.",
)  # fmt: skip
suite_option = click.option("--suite", "-s", required=True, help="The suite to work on.")


# What the operator has to mend; whatever else the file system says is met where it is expected, or a bug.
OPERATORS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE,
             errno.EISDIR, errno.ENOTDIR, errno.ELOOP)  # fmt: skip


class Commands(LazyGroup):
    """A group of which every command tells, as its one error, what the file system refuses."""

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command that was named."""
        from kubedeb.errors import ExitCode, KubedebError

        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno not in OPERATORS:
                raise
            raise KubedebError(
                f"cannot use {error.filename or 'a file'}: {error.strerror}",
                hint="Mend the rights or make room, in the temporary folder too (TMPDIR), then run the same command again.",
                code=ExitCode.REPOSITORY_STORAGE,
            ) from error


def root_of(repository: Path | None) -> Path:
    """Return the repository's folder: the option, else the setting."""
    from kubedeb.config import path_setting

    return path_setting("repository", repository)


def terms_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command whose work goes live the options that say on which terms; it gets them as `terms`."""

    @click.option("--strict", is_flag=True, help="Fail, too, when a key expires within 180 days.")
    @click.option("--prove", type=click.Choice(["host", "all"]), default="host", show_default=True,
                  help="Who must accept it first: this machine's apt, or every Debian's in containers too.")  # fmt: skip
    @wraps(command)
    def with_terms(*, strict: bool, prove: str, **more: Any) -> None:
        from repo.place import Terms

        command(terms=Terms(strict, prove == "all"), **more)

    return with_terms


def open_root(repository: Path | None, terms: Any = None) -> Any:
    """Open the repository that the option or the setting names."""
    from repo.place import Terms, open_repository

    return open_repository(root_of(repository), terms or Terms())


def say(text: str) -> None:
    """Tell how far a command is."""
    from kubedeb.progress import progress

    progress().say(text)
