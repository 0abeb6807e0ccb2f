"""The tables behind the steps: how each change is made (`procedures.yaml`), what is written when (`configuration.yaml`)."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, Field

from kubedeb.errors import ExitCode
from kubedeb.files import sha256_bytes
from kubedeb.knowledge.conditions import Condition, VersionRange
from kubedeb.knowledge.ranges import Range
from kubedeb.yamlfile import StrictModel, load_model
from upgrade_plans.models.constraints import Moment
from upgrade_plans.models.surroundings import ManagersReach
from upgrade_plans.models.upgrade import Verify
from upgrade_plans.models.upgradekinds import Check, Service, StepKind, Store, When
from upgrade_plans.planner.stack import Move

HERE = Path(__file__).parent


class Row(StrictModel):
    """A row of a table, with ranges of versions in it."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class On(StrEnum):
    """What a step of a procedure takes."""

    NOTHING = "nothing"
    MEMBERS = "members"
    ONE_MEMBER = "one-member"
    FOLLOWERS = "followers"
    """All members but the last."""
    LAST_MEMBER = "last-member"
    APISERVERS = "apiservers"
    FIRST_APISERVER = "first-apiserver"
    OTHER_APISERVERS = "other-apiservers"
    MANAGERS = "managers"
    WORKERS = "workers"
    NETWORKED = "networked"
    TILLERS = "tillers"
    CLIENTS = "clients"


class Undoing(Row):
    """How a step is taken back, in words; `{from}` is the version gone back to, unless `keeps` says that none changes."""

    how: str
    loss: str = ""
    pre: tuple[Check, ...] = ()
    keeps: bool = False


class Blocking(Row):
    """What a step puts out of reach: the state before this phase, or before the phase of `group` to the line `line`.

    `left`: before the phase of `group` that came to the version which is left now. Only a step that enters a version in `to`
    does, and only where a rule of `seen` concerns the cluster.
    """

    to: VersionRange = Range("any")
    seen: tuple[str, ...] = ()
    by: str
    loss: str
    group: str | None = None
    line: VersionRange | None = None
    left: bool = False
    backup: bool = False


class Stop(Row):
    """A declared stop, ending with the step whose id ends in `until`."""

    stops: tuple[Service, ...]
    scope: tuple[str, ...]
    until: str


class Template(Row):
    """A step of a procedure, with `{from}`, `{to}`, `{node}` and the like to be filled in.

    `each`: one step for each host; neighbours with `each` are written host by host. It is there only when `when` holds for the
    facts, a rule of `seen` concerns the cluster, managers reach what `reach` says, and the cluster file has what `has` names
    (`elsewhere`: the data centre is to be depooled).
    `brief`: a pass without soaks and questions between its batches. `cold`: a backup of every member while all are stopped.
    `stores`: what a backup holds, where it is not what is in use.
    """

    id: str
    kind: StepKind
    title: str
    on: On = On.NOTHING
    each: bool = False
    component: str | None = None
    reason: str
    rules: tuple[str, ...] = ()
    pre: tuple[Check, ...] = ()
    post: tuple[Check, ...] = ()
    undo: Undoing | None = None
    blocks: tuple[Blocking, ...] = ()
    verify: tuple[Verify, ...] = ()
    outage: Stop | None = None
    cold: bool = False
    stores: tuple[Store, ...] = ()
    moment: Moment | None = None
    soak: str | None = None
    store: Store | None = None
    prefix: str | None = None
    resources: tuple[str, ...] = ()
    changes: When | None = None
    moves: tuple[str, ...] = ()
    bgp: bool = False
    at_once: bool = False
    brief: bool = False
    when: Condition | None = None
    seen: tuple[str, ...] = ()
    reach: ManagersReach | None = None
    has: str | None = None


class Use(Row):
    """A step that stands among the shared ones."""

    use: str


class Procedure(Row):
    """How a group goes from one range of versions to another. The first that fits is taken.

    `handles` are rules that the procedure obeys as a whole, so that no step by hand is needed for them.
    """

    id: str
    group: str
    from_: VersionRange = Field(default=Range("any"), alias="from")
    to: VersionRange = Range("any")
    title: str
    reason: str
    handles: tuple[str, ...] = ()
    steps: tuple[Template | Use, ...] = Field(min_length=1)


class Place(StrEnum):
    """Where a chore stands: before all changes, right before the phase that it is about, after it, at the end."""

    START = "start"
    BEFORE = "before"
    AFTER = "after"
    END = "end"


class Chore(Row):
    """A step around the phase in which `group` goes to a version in `to` (from one that is not); see `Template`."""

    group: str
    to: VersionRange = Range("any")
    place: Place
    step: Template


class Setting(Row):
    """A change of a daemon's configuration, made when it crosses from a version in `from` to one in `to`.

    It is made only where all of `needs` and none of `lacks` are set, and where a rule of `seen` concerns the cluster. `words`
    replaces words in a list; `rotate` lets each host begin its list with another item; `environment`: it is about variables.
    """

    id: str
    component: str
    from_: VersionRange = Field(default=Range("any"), alias="from")
    to: VersionRange = Range("any")
    when: When
    needs: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    store: Store | None = None
    switch: bool = False
    drop: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    set: dict[str, str] = {}
    words: dict[str, dict[str, str]] = {}
    rotate: tuple[str, ...] = ()
    environment: bool = False
    reason: str
    rules: tuple[str, ...] = ()


class Files(Row):
    """Where a component's settings lie, and the packages that it is made of."""

    component: str
    file: str
    packages: tuple[str, ...] = ()


class Saving(Row):
    """How a backup of some stores is taken."""

    stores: tuple[Store, ...]
    cold: bool = False
    how: str
    source: str


class Tool(Row):
    """The version of a tool that belongs to a line of its product."""

    tool: str
    of: VersionRange
    version: str
    source: str


class Refusal(Row):
    """A rule that, where it concerns the cluster, forbids every plan that moves its component."""

    rule: str


class Procedures(Row):
    """The table of procedures."""

    preparation: tuple[Template, ...]
    download: Template
    watch: Template
    go: Template
    shared: dict[str, Template]
    procedures: tuple[Procedure, ...]
    configuring: tuple[Procedure, ...]
    chores: tuple[Chore, ...]
    closing: tuple[Template, ...]
    backups: tuple[Saving, ...]
    tools: tuple[Tool, ...]
    refusals: tuple[Refusal, ...]

    def of(self, move: Move) -> Procedure:
        """Return the procedure of a move, the first that fits."""
        return next(one for one in self.procedures if one.group == move.group and move.old in one.from_ and move.new in one.to)

    def blocks(self, move: Move) -> bool:
        """Say whether a move blocks the way back on every cluster."""
        templates = (step for step in self.written(self.of(move)) if step.blocks)
        return any(move.new in one.to and not one.seen for step in templates for one in step.blocks)

    def written(self, procedure: Procedure) -> tuple[Template, ...]:
        """Return a procedure's steps, the shared ones in their places. Raises `KeyError`."""
        return tuple(self.shared[step.use] if isinstance(step, Use) else step for step in procedure.steps)


class Configuration(Row):
    """The table of configuration."""

    files: tuple[Files, ...]
    changes: tuple[Setting, ...]


class Duration(Row):
    """How long a step of a kind takes, in seconds; for each unit it takes where `each` says so."""

    kind: StepKind
    p50: float
    p95: float
    each: bool = False
    source: str


class Durations(Row):
    """The table of durations."""

    durations: tuple[Duration, ...]


@cache
def procedures() -> Procedures:
    """Return the table of procedures."""
    return load_model(HERE / "procedures.yaml", Procedures, code=ExitCode.KNOWLEDGE)


@cache
def configuration() -> Configuration:
    """Return the table of configuration."""
    return load_model(HERE / "configuration.yaml", Configuration, code=ExitCode.KNOWLEDGE)


@cache
def durations() -> dict[StepKind, Duration]:
    """Return how long steps take, by kind; every kind has a row."""
    table = load_model(HERE / "durations.yaml", Durations, code=ExitCode.KNOWLEDGE)
    return {row.kind: row for row in table.durations}


@cache
def digest() -> str:
    """Return the sha256 of all tables."""
    names = ("configuration.yaml", "durations.yaml", "procedures.yaml")
    return sha256_bytes(b"".join(name.encode() + b"\0" + (HERE / name).read_bytes() + b"\0" for name in names))
