"""Everything that is asked of a build's packages after they are what their recipe declares: is it safe to upgrade to them?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kubedeb import __version__
from kubedeb.errors import ExitCode, KubedebError
from pkgbuild import lintian
from pkgbuild.finding import Finding, Judge, LintVerdict, graves
from pkgbuild.rootcheck import OpenRoot, try_out
from pkgbuild.upgradechecks import read_subject
from pkgbuild.upgradelint import RULES, lint

NOT_ASKED = "not asked for"


@dataclass(frozen=True)
class Inspector:
    """Who is asked: lintian or not, and what opens clean roots (None: `why_no_root` says why the root tests do not run).

    `previous` are packages to upgrade from; without any, the store's newest older version is taken, else the packages
    themselves.
    """

    lintian: bool = False
    open_root: OpenRoot | None = None
    why_no_root: str = NOT_ASKED
    previous: tuple[Path, ...] = ()


NOBODY = Inspector()
"""Only the upgrade-safety lint is asked, which costs nothing."""


@dataclass(frozen=True)
class Inspected:
    """The verdict, and the seconds that each judge took, by name; they are no part of the verdict."""

    verdict: LintVerdict
    seconds: dict[str, float]


def inspect_build(packages: Sequence[Path], previous: Sequence[Path], inspector: Inspector) -> Inspected:
    """Ask every judge of the packages of one build. Raises `KubedebError` when one cannot be asked."""
    seconds: dict[str, float] = {}
    began = time.monotonic()
    findings: list[Finding] = [finding for path in packages for finding in lint(read_subject(path))]
    judges = [Judge("kubedeb-lint", __version__)]
    seconds["lint"], began = _since(began)

    overridden: tuple[str, ...] = ()
    if inspector.lintian:
        said = lintian.ask(packages)
        overridden = said.overridden
        findings += said.findings
        judges.append(Judge("lintian", said.version))
        seconds["lintian"], began = _since(began)
    else:
        judges.append(Judge("lintian", "", NOT_ASKED))

    if inspector.open_root is not None:
        tried = try_out(packages, previous, inspector.open_root)
        findings += tried.findings
        judges.append(Judge("root-tests", __version__, against=tried.previous))
        seconds["root-tests"], _ = _since(began)
    else:
        judges.append(Judge("root-tests", "", inspector.why_no_root))
    rules = tuple(rule.id for rule in RULES)
    return Inspected(LintVerdict(tuple(judges), rules, overridden, tuple(sorted(findings))), seconds)


def refuse(title: str, verdict: LintVerdict) -> None:
    """Raise `KubedebError` (LINT) with every error and warning of a verdict, when there are any."""
    if found := graves(verdict.findings):
        raise KubedebError(
            f"the packages of {title} are not fit for a node that serves", details="\n".join(map(str, found)),
            hint="docs/lint.md says of each rule why and what to do, lintian-explain-tags TAG of those of lintian. What does "
            "not concern a package goes into debian/PACKAGE.lintian-overrides, with a comment.",
            code=ExitCode.LINT,
        )  # fmt: skip


def _since(began: float) -> tuple[float, float]:
    now = time.monotonic()
    return round(now - began, 2), now
