"""What an inspection says: findings, and the verdict on a build that goes into its attestations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Any

from kubedeb.records import frozen, ordered

LINTIAN, ROOTS = "lintian", "root-tests"
"""The judges that a run may leave out, by their names in a verdict."""


def lacking(judged: Collection[str], *, lintian: bool, root_tests: bool) -> tuple[str, ...]:
    """Return which of the wanted judges have not judged yet; `judged`: the names of those that have."""
    wanted = ((LINTIAN, lintian), (ROOTS, root_tests))
    return tuple(name for name, asked in wanted if asked and name not in judged)


class Level(StrEnum):
    """How grave a finding is, the gravest first."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    """Said, and nothing more: it fails nothing."""


@ordered
class Finding:
    """One thing that is wrong with a package: the rule's id, the package's name, and what was found where."""

    level: Level
    rule: str
    package: str
    text: str

    def __str__(self) -> str:
        return f"{self.package}: {self.text} [{self.rule}]"


def graves(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that fail a build: errors and warnings."""
    return [finding for finding in findings if finding.level is not Level.NOTE]


@frozen
class Judge:
    """A tool that judged: its name, its version ("" when it did not run), and why it did not run ("" when it did).

    `against`: the older version that the packages were upgraded from, "" when there was none.
    """

    name: str
    version: str
    skipped: str = ""
    against: str = ""


@frozen
class LintVerdict:
    """The verdict of all judges on one build's packages: equal packages and judges give an equal verdict, byte for byte.

    `rules` are the ids of our own rules that were asked, `overridden` the lintian tags that were found and accepted, as
    `package: tag`. It holds no time, no host and no path.
    """

    judges: tuple[Judge, ...]
    rules: tuple[str, ...]
    overridden: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """Return `failed`, `passed`, or `incomplete` when nothing was found and a judge did not run."""
        if graves(self.findings):
            return "failed"
        return "incomplete" if any(judge.skipped for judge in self.judges) else "passed"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data, for an attestation."""
        return {"verdict": self.verdict, **asdict(self)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> LintVerdict:
        """Return what `as_dict` wrote. Raises `KeyError`, `TypeError` or `ValueError` when the data are not a verdict."""
        findings = tuple(Finding(**{**one, "level": Level(one["level"])}) for one in data["findings"])
        judges = tuple(Judge(**one) for one in data["judges"])
        return cls(judges, tuple(data["rules"]), tuple(data["overridden"]), findings)
