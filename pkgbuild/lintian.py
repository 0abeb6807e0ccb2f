"""lintian: which of its tags are accepted and why, what it says, and the one place that runs it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from kubedeb.errors import ExitCode, storage_errors
from kubedeb.process import ProcessError, run
from kubedeb.records import frozen
from kubedeb.yamlfile import StrictModel, load_model
from pkgbuild.finding import Finding, Level

ACCEPTED = Path(__file__).with_name("lintian.yaml")
LINE = re.compile(r"(?P<code>[EWO]): (?P<package>\S+)(?: (?:source|changes|buildinfo|binary))?: (?P<tag>[\w.-]+)(?P<rest>.*)")
LEVELS = {"E": Level.ERROR, "W": Level.WARNING}
UNREAD = "binaries/spelling"
"""The check that is left out: it searches every string of a binary for misspellings, half of lintian's time on a Go binary,
and its one tag, spelling-error-in-binary, is of the level info, which counts for nothing here."""
TIMEOUT = 900
HINT = "script/bootstrap installs it; --no-lintian builds without it, and the result says so."


class AcceptedTag(StrictModel):
    """A tag that is accepted in every package, and why."""

    tag: Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")]
    why: Annotated[str, Field(min_length=20)]


class AcceptedTags(StrictModel):
    """The file."""

    tags: tuple[AcceptedTag, ...]


@frozen
class Said:
    """What lintian of some version said: errors and warnings; and what the packages' own overrides took back."""

    version: str
    findings: tuple[Finding, ...]
    overridden: tuple[str, ...]


def accepted() -> dict[str, str]:
    """Return {tag: why} of the tags that are accepted everywhere."""
    return {row.tag: row.why for row in load_model(ACCEPTED, AcceptedTags, code=ExitCode.BUG).tags}


def parse(output: str, everywhere: Collection[str]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return the errors and warnings of lintian's output, and `package: tag` of those that are overridden; pure.

    Tags of `everywhere` are accepted in all packages. They are taken out here: lintian's own --suppress-tags fails for a tag
    that its version does not know.
    """
    findings, overridden = [], set()
    for line in output.splitlines():
        match = LINE.fullmatch(line)
        if match is None:
            continue
        if match["code"] == "O" or (match["code"] in LEVELS and match["tag"] in everywhere):
            overridden.add(f"{match['package']}: {match['tag']}")
        elif match["code"] in LEVELS:
            text = f"{match['tag']}{match['rest']}"
            findings.append(Finding(LEVELS[match["code"]], f"lintian:{match['tag']}", match["package"], text))
    return tuple(sorted(set(findings))), tuple(sorted(overridden))


def ask(packages: Sequence[Path], started: Callable[[int], object] | None = None) -> Said:
    """Run lintian of this machine on packages; `started` is told the process, which leads a group of its own.

    Raises `KubedebError` (LINT) when it is not installed or fails.
    """
    version = run(["lintian", "--print-version"], code=ExitCode.LINT, hint=HINT).text.strip()
    try:
        output = _answer(packages, started, "--dont-check-part", UNREAD)
    except ProcessError as error:
        if UNREAD not in error.result.stderr.decode(errors="replace"):
            raise
        output = _answer(packages, started)  # this release does not know the check by that name
    return Said(version, *parse(output, accepted()))


def _answer(packages: Sequence[Path], started: Callable[[int], object] | None, *options: str) -> str:
    command = ["lintian", "--no-cfg", "--no-user-dirs", "--show-overrides", "--fail-on", "none", *options]
    # lintian 2.116 leaves two files of its index behind for each package, and its laboratory when it is ended.
    with storage_errors(tempfile.gettempdir(), ExitCode.BUILD_STORAGE):
        own = tempfile.TemporaryDirectory(prefix="kubedeb-lintian-", ignore_cleanup_errors=True)
    with own as folder:
        return run(
            [*command, *packages], code=ExitCode.LINT, hint=HINT, timeout=TIMEOUT, started=started, env={"TMPDIR": folder}
        ).text
