"""Everything that is asked of a build's packages after they are what their recipe declares: is it safe to upgrade to them?"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field, replace
from pathlib import Path
from typing import TypeVar

from kubedeb import __version__
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from pkgbuild import lintian
from pkgbuild.finding import LINTIAN, ROOTS, Judge, LintVerdict, graves, lacking
from pkgbuild.halting import Halt
from pkgbuild.rootcheck import OpenRoot, try_out
from pkgbuild.upgradechecks import Subject, read_subject
from pkgbuild.upgradelint import RULES, lint

NOT_ASKED = "not asked for"
MARKS = {LINTIAN: "lintian:", ROOTS: "root-"}
"""What the ids of each judge's rules begin with; all others are the upgrade-safety lint's."""
T = TypeVar("T")


@frozen
class Inspector:
    """Who is asked: lintian or not, and what opens clean roots (None: `why_no_root` says why the root tests do not run).

    `previous` are packages to upgrade from; without any, the store's newest older version is taken, else the packages
    themselves. `halt` ends lintian; the opener of roots knows of it by itself.
    """

    lintian: bool = False
    open_root: OpenRoot | None = None
    why_no_root: str = NOT_ASKED
    previous: tuple[Path, ...] = ()
    halt: Halt = field(default_factory=Halt, compare=False)

    def lacking(self, judged: Collection[str]) -> tuple[str, ...]:
        """Return who is asked and has not judged yet; `judged`: the names of those that have."""
        return lacking(judged, lintian=self.lintian, root_tests=self.open_root is not None)

    def only(self, judges: Collection[str]) -> Inspector:
        """Return one who asks none but these."""
        return replace(self, lintian=LINTIAN in judges, open_root=self.open_root if ROOTS in judges else None)


NOBODY = Inspector()
"""Only the upgrade-safety lint is asked, which costs nothing."""


@frozen
class Inspected:
    """The verdict, and the seconds that each judge took, by name; they are no part of the verdict."""

    verdict: LintVerdict
    seconds: dict[str, float]


def inspect_build(
    packages: Sequence[Path], previous: Sequence[Path], inspector: Inspector, read: Callable[[Path], Subject] = read_subject
) -> Inspected:
    """Ask every judge of the packages of one build. Raises `KubedebError` when one cannot be asked.

    lintian and the root tests run side by side: one works here, the other in its container.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="lintian") as pool:
        asked = pool.submit(_timed, lambda: _ask_lintian(packages, inspector.halt)) if inspector.lintian else None
        findings, lint_seconds = _timed(lambda: [found for path in packages for found in lint(read(path))])
        tried = None
        if (open_root := inspector.open_root) is not None:
            tried = _timed(lambda: try_out(packages, previous, open_root))
        said = asked.result() if asked else None
    judges, seconds = [Judge("kubedeb-lint", __version__)], {"lint": lint_seconds}
    overridden: tuple[str, ...] = ()
    if said is not None:
        (report, seconds[LINTIAN]) = said
        findings, overridden = [*findings, *report.findings], report.overridden
    judges.append(Judge(LINTIAN, said[0].version) if said else Judge(LINTIAN, "", NOT_ASKED))
    if tried is not None:
        (life, seconds[ROOTS]) = tried
        findings = [*findings, *life.findings]
    judges.append(Judge(ROOTS, __version__, against=tried[0].previous) if tried else Judge(ROOTS, "", inspector.why_no_root))
    rules = tuple(rule.id for rule in RULES)
    return Inspected(LintVerdict(tuple(judges), rules, overridden, tuple(sorted(findings))), seconds)


def _ask_lintian(packages: Sequence[Path], halt: Halt) -> lintian.Said:
    with halt.program() as started:
        return lintian.ask(packages, started)


def merged(before: LintVerdict, now: LintVerdict) -> LintVerdict:
    """Return the verdict of all on the same packages: of a judge who was not asked now, what was said before; pure."""
    earlier = {judge.name: judge for judge in before.judges}
    judges = tuple(earlier.get(judge.name, judge) if judge.skipped else judge for judge in now.judges)
    silent = [judge.name for judge in now.judges if judge.skipped]
    marks = tuple(MARKS[name] for name in silent if name in MARKS)
    findings = {*now.findings, *(finding for finding in before.findings if finding.rule.startswith(marks))}
    overridden = before.overridden if LINTIAN in silent else now.overridden
    return LintVerdict(judges, now.rules, overridden, tuple(sorted(findings)))


def _timed(act: Callable[[], T]) -> tuple[T, float]:
    began = time.monotonic()
    return act(), round(time.monotonic() - began, 2)


def refuse(title: str, verdict: LintVerdict) -> None:
    """Raise `KubedebError` (LINT) with every error and warning of a verdict, when there are any."""
    if found := graves(verdict.findings):
        raise KubedebError(
            f"the packages of {title} are not fit for a node that serves", details="\n".join(map(str, found)),
            hint="docs/lint.md says of each rule why and what to do, lintian-explain-tags TAG of those of lintian. What does "
            "not concern a package goes into debian/PACKAGE.lintian-overrides, with a comment.",
            code=ExitCode.LINT,
        )  # fmt: skip
