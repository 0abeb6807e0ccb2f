"""The shape of a row: a rule about versions, or a flag that a daemon accepts."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from kubedeb.knowledge.ranges import Range
from kubedeb.versions import Version
from kubedeb.yamlfile import StrictModel

SOURCE = re.compile(r"https?://\S+|[\w.-]+/[\w.-]+:\S+@[0-9a-f]{7,40}|measured: .+")


class RuleKind(StrEnum):
    """What a rule does to a plan."""

    HOP = "hop"
    """The line `to` is what follows the line `from`; both are lines (`3.4.x`)."""
    BLOCKED = "blocked"
    """No member may start a version in `to`."""
    MINIMUM = "minimum"
    """A version in `to` is older than what its makers recommend for production."""
    CAPABILITY = "capability"
    """Versions in `to` can do `capability`."""
    PROCEDURE = "procedure"
    """How a change must be made: order, backups, waiting, the way back."""
    TRAP = "trap"
    """What goes wrong on the way from `from` to `to`, under a condition that `detect` finds."""


class Severity(StrEnum):
    """How much a rule weighs."""

    FORBID = "forbid"
    """No plan may break it."""
    FORCE = "force"
    """A plan may break it when the operator says so by name."""
    WARN = "warn"
    """The operator is told."""
    NOTE = "note"
    """Good to know."""


class Confidence(StrEnum):
    """Whether the source says it, or we conclude it."""

    VERBATIM = "verbatim"
    INFERRED = "inferred"


class DetectMode(StrEnum):
    """Who finds out whether a rule applies."""

    AUTO = "auto"
    MANUAL = "manual"


def _range(value: Any) -> Any:
    return Range.parse(value) if isinstance(value, str) else value


VersionRange = Annotated[Range, BeforeValidator(_range), PlainSerializer(str)]


class Detect(StrictModel):
    """How it is found out on a live cluster that a rule applies."""

    mode: DetectMode
    how: str


def _check_source(source: str) -> str:
    if SOURCE.fullmatch(source) is None:
        raise ValueError("a source is a URL, owner/repository:path@commit, or 'measured: ' and what was measured")
    return source


class Rule(StrictModel):
    """One rule, one source. `from` and `to` are ranges of the versions left and reached."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    component: str
    kind: RuleKind
    from_: VersionRange = Field(default=Range("any"), alias="from")
    to: VersionRange = Range("any")
    capability: str | None = None
    what: str
    detect: Detect
    remedy: str
    severity: Severity
    confidence: Confidence
    source: str

    @model_validator(mode="after")
    def _consistent(self) -> Rule:
        """A forbid is verbatim; a hop joins two lines; a capability has its name; the source is one."""
        _check_source(self.source)
        if self.severity is Severity.FORBID and self.confidence is not Confidence.VERBATIM:
            raise ValueError(f"rule {self.id} forbids, so its source must say it verbatim; make it a warn or find the source")
        if self.kind is RuleKind.HOP and (self.from_.line is None or self.to.line is None):
            raise ValueError(f"rule {self.id} is a hop: from and to are lines, as in 3.4.x")
        if (self.kind is RuleKind.CAPABILITY) != (self.capability is not None):
            raise ValueError(f"rule {self.id}: capability is there for a rule of kind capability, and only there")
        return self


class Flag(StrictModel):
    """A flag of a daemon: the first and the last version known to accept it (None: older, newer than what was looked at)."""

    flag: str = Field(pattern=r"^--[a-z0-9][a-z0-9-]*$")
    component: str
    first: str | None = None
    last: str | None = None
    remedy: str = ""
    source: str

    @model_validator(mode="after")
    def _consistent(self) -> Flag:
        """The versions are versions, in order; the source is one."""
        _check_source(self.source)
        bounds = [Version.parse(text) for text in (self.first, self.last) if text is not None]
        if bounds != sorted(bounds):
            raise ValueError(f"flag {self.flag}: first is newer than last")
        return self

    def accepted_by(self, version: Version) -> bool:
        """Say whether `version` accepts the flag."""
        after = self.first is None or version >= Version.parse(self.first)
        return after and (self.last is None or version <= Version.parse(self.last))


class Rows(StrictModel):
    """A file of rows."""

    rules: tuple[Rule, ...] = ()
    flags: tuple[Flag, ...] = ()
