"""The shape of a row: a rule about versions, or a flag that a daemon accepts."""

from __future__ import annotations

import re
from enum import StrEnum

from pydantic import ConfigDict, Field, model_validator

from kubedeb.knowledge.conditions import Condition, VersionRange
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
    SKEW = "skew"
    """How far `component`, in a version of `from`, may be from `skew.against`, in a version of `to`."""
    WINDOW = "window"
    """`component`, in a version of `from`, is made to work with `window.against` from `oldest` to `newest`."""
    STONE = "stone"
    """The patch version, `version`, that a way through the line `to` stops at."""
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

    @property
    def rank(self) -> int:
        """Return the place among all: 0 weighs most."""
        return list(Severity).index(self)


class Confidence(StrEnum):
    """Whether the source says it, or we conclude it."""

    VERBATIM = "verbatim"
    INFERRED = "inferred"


class DetectMode(StrEnum):
    """Who finds out whether a rule applies."""

    AUTO = "auto"
    MANUAL = "manual"


class Detect(StrictModel):
    """How it is found out on a live cluster that a rule applies; `when` says it of the facts."""

    mode: DetectMode
    how: str
    when: Condition | None = None


class Skew(StrictModel):
    """How many minor versions a component may be behind or ahead of another; `on_node`: of the one on its own node."""

    against: str
    on_node: bool = False
    behind: int = Field(ge=0)
    ahead: int = Field(ge=0)

    def allows(self, version: Version, against: Version) -> bool:
        """Say whether `version` may run with the other component in version `against`."""
        return version.major == against.major and -self.behind <= version.minor - against.minor <= self.ahead


class Window(StrictModel):
    """The lines (`1.8.x`) of another component that one works with, both ends included; no `newest`: no end is known."""

    against: str
    oldest: VersionRange
    newest: VersionRange | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Window:
        """Both ends are lines, in order."""
        newest = self.oldest if self.newest is None else self.newest
        if self.oldest.line is None or newest.line is None or self.oldest.line > newest.line:
            raise ValueError("a window goes from one line to another, as in 1.7.x and 1.8.x")
        return self

    def allows(self, against: Version) -> bool:
        """Say whether the other component may be in version `against`."""
        after = self.oldest.line is not None and self.oldest.line <= against.line
        return after and (self.newest is None or self.newest.line is None or against.line <= self.newest.line)


# Of the other kinds the versions alone say whether they concern a cluster.
SEEN = (RuleKind.TRAP, RuleKind.PROCEDURE)
# What only rules of one kind have.
OF_KIND = {"capability": RuleKind.CAPABILITY, "skew": RuleKind.SKEW, "window": RuleKind.WINDOW, "version": RuleKind.STONE}


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
    skew: Skew | None = None
    window: Window | None = None
    version: str | None = None
    what: str
    detect: Detect
    remedy: str
    severity: Severity
    confidence: Confidence
    source: str

    @model_validator(mode="after")
    def _consistent(self) -> Rule:
        """A forbid is verbatim; a hop joins two lines; what a kind needs is there; the source is one."""
        _check_source(self.source)
        if self.severity is Severity.FORBID and self.confidence is not Confidence.VERBATIM:
            raise ValueError(f"rule {self.id} forbids, so its source must say it verbatim; make it a warn or find the source")
        if self.kind is RuleKind.HOP and (self.from_.line is None or self.to.line is None):
            raise ValueError(f"rule {self.id} is a hop: from and to are lines, as in 3.4.x")
        if self.version is not None and Version.parse(self.version) not in self.to:
            raise ValueError(f"rule {self.id}: {self.version} is not in {self.to}")
        if self.kind in SEEN and self.detect.mode is DetectMode.AUTO and self.detect.when is None:
            raise ValueError(f"rule {self.id} is detected automatically, so detect.when must say by what")
        if self.detect.when is not None and (self.kind not in SEEN or self.detect.mode is DetectMode.MANUAL):
            raise ValueError(f"rule {self.id}: detect.when is for traps and procedures that are detected automatically")
        for name, kind in OF_KIND.items():
            if (self.kind is kind) != (getattr(self, name) is not None):
                raise ValueError(f"rule {self.id}: {name} is there for a rule of kind {kind}, and only there")
        return self


class Flag(StrictModel):
    """A flag of a daemon: the first and the last version known to accept it (None: older, newer than what was looked at).

    `gone` is the version that took it away, where its notes say so: it and all later ones refuse it.
    """

    flag: str = Field(pattern=r"^--[a-z0-9][a-z0-9-]*$")
    component: str
    first: str | None = None
    last: str | None = None
    gone: str | None = None
    remedy: str = ""
    source: str

    @model_validator(mode="after")
    def _consistent(self) -> Flag:
        """The versions are versions, in order; the source is one."""
        _check_source(self.source)
        bounds = [Version.parse(text) for text in (self.first, self.last, self.gone) if text is not None]
        if bounds != sorted(bounds):
            raise ValueError(f"flag {self.flag}: first, last and gone do not stand in the order of versions")
        return self

    def accepted_by(self, version: Version) -> bool:
        """Say whether `version` accepts the flag."""
        after = self.first is None or version >= Version.parse(self.first)
        return after and not self.removed_from(version) and (self.last is None or version <= Version.parse(self.last))

    def removed_from(self, version: Version) -> bool:
        """Say whether the flag was taken away in `version` or before."""
        return self.gone is not None and version >= Version.parse(self.gone)


class Rows(StrictModel):
    """A file of rows; `parts` are the components that `product` consists of and that share its versions.

    The hops and stones of the product are about the first of them: API servers, calico-node, Tillers.
    """

    product: str | None = None
    parts: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    flags: tuple[Flag, ...] = ()
