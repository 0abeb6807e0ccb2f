"""The one kind of error that people see, and the exit code of each."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class ExitCode(IntEnum):
    """What a command's exit status says; stable, documented in `docs/commands.md`."""

    DONE = 0
    """Done, or nothing to do."""
    USAGE = 2
    """The command line is wrong."""

    RECIPE = 10
    """A recipe cannot be read or is not valid."""
    CLUSTER = 11
    """A cluster file cannot be read or is not valid."""
    FACTS = 12
    """Facts cannot be read, are not valid or belong to another cluster."""
    PLAN = 13
    """A plan cannot be read or is not valid."""
    CONFIG = 14
    """The configuration is not valid."""
    KNOWLEDGE = 15
    """A knowledge row is not valid."""
    INSPECT = 16
    """The cluster could not be read."""

    SOURCE_GONE = 30
    """A pinned source is on no mirror and in no cache (NOT RUN)."""
    SOURCE_MISMATCH = 31
    """A source's digest is not the pinned one."""
    FETCH = 32
    """A source could not be fetched."""
    SANDBOX = 33
    """The build sandbox is not usable (no docker daemon, no base image, build dependencies that were never locked)."""
    BUILD = 34
    """A build failed."""
    BUILD_STORAGE = 35
    """The store or cache cannot be written (disk full, read-only)."""
    BUILD_CONTENTS = 36
    """A built package is not what its recipe declares."""
    LINT = 37
    """A package has findings of the upgrade-safety lint, of lintian or of the root tests."""
    SOURCE_REFUSED = 38
    """A source is an archive that is damaged, or that would write outside of where it is unpacked."""
    NOT_REPRODUCED = 39
    """A rebuild gave other bytes than the .buildinfo records, or a package beside it is not the recorded one."""

    REPOSITORY = 40
    """There is no repository here, or it is damaged."""
    PACKAGE = 41
    """A package was refused."""
    KEY = 42
    """A key is missing, expired or cannot sign."""
    CLIENT = 43
    """The staged tree did not pass the apt client; nothing was published."""
    REPOSITORY_BUSY = 44
    """Another process holds the repository."""
    REPOSITORY_STORAGE = 45
    """The repository cannot be written (disk full, read-only)."""
    VERIFY = 46
    """The published repository does not verify."""
    FOREIGN = 47
    """Another repository, or an export, cannot be read, has expired, or is not as it was signed; nothing was taken of it."""

    NO_PLAN = 50
    """No legal plan exists."""
    REFUSED = 51
    """The prover refuses the plan; it printed a counter-example."""

    STOPPED = 60
    """The run stopped; it can be resumed or rolled back."""
    ROLLED_BACK = 61
    """The run failed and was rolled back."""
    LOCKED = 62
    """Another executor holds the cluster's lock."""
    DRIFT = 63
    """The cluster is no longer the one that the plan was made for."""
    APPROVAL = 64
    """The run waits for an approval."""
    PREFLIGHT = 65
    """Preflight has mandatory findings."""
    NO_WAY_BACK = 66
    """The way back that was asked for is blocked."""
    JOURNAL = 67
    """The journal cannot be read or written."""

    BUG = 70
    """An unexpected exception: a bug in kubedeb."""
    OUTPUT = 71
    """The output cannot be written: the disk is full; the command's work may be done."""
    INTERRUPTED = 130
    """Interrupted from the keyboard, or a build by SIGTERM."""


class KubedebError(Exception):
    """What went wrong, for a person: one line of what, the details, the way out.

    `brief` is one sentence without a full stop, `details` any number of lines, `hint` what to do next.
    """

    def __init__(self, brief: str, *, code: ExitCode, details: str = "", hint: str = "") -> None:
        super().__init__(brief)
        self.brief = brief
        self.details = details
        self.hint = hint
        self.code = code

    def with_hint(self, more: str) -> KubedebError:
        """Return the same with something more to do next."""
        hint = f"{self.hint}\n{more}" if self.hint else more
        return KubedebError(self.brief, code=self.code, details=self.details, hint=hint)

    def render(self) -> str:
        """Return the message as printed on stderr: `error:`, the indented details, `hint:`."""
        lines = [f"error: {self.brief}"]
        lines += [f"  {line}" for line in self.details.splitlines()]
        if self.hint:
            first, *more = self.hint.splitlines()
            lines += [f"hint: {first}", *(f"      {line}" for line in more)]
        return "\n".join(lines)


MEND = "Make room or mend the rights, then run the same command again; nothing half-written was left behind."
ONE_FILE_SYSTEM = "Its folders must lie on one file system: files appear in their place by a rename."


@contextmanager
def storage_errors(what: str, code: ExitCode) -> Iterator[None]:
    """Turn an `OSError` of the file system under `what` into a `KubedebError` with `code`.

    A full disk, a read-only mount or a missing right are the operator's to mend, not bugs.
    """
    try:
        yield
    except OSError as error:
        target = error.filename2 or error.filename  # of a rename, what was to be there, not the temporary file
        where = f"{target}: " if target else ""
        full = ": the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise KubedebError(
            f"cannot write {what}{full}",
            details=f"{where}{error.strerror or error}",
            hint=ONE_FILE_SYSTEM if error.errno == errno.EXDEV else MEND,
            code=code,
        ) from error


def read_text(path: Path, *, code: ExitCode) -> str:
    """Return the text of a file that people write. Raises `KubedebError` with `code`."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise KubedebError(
            f"cannot read {path}", details=str(reason), hint="Check the path and its rights.", code=code
        ) from error
