"""The plan of a whole stack (format 2 of a plan file): who is there, phases of steps, what is written where, what it costs.

Its phases are carried out one after the other, and their steps too: no two kinds of change overlap. `docs/planning.md` says how
to read one, `docs/upgrade.schema.json` is its schema.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kubedeb.yamlfile import StrictModel
from upgrade_plans.models.constraints import Moment, Window
from upgrade_plans.models.plan import DAY, Duration, PackagePin
from upgrade_plans.models.plan import Inputs as EtcdInputs
from upgrade_plans.models.surroundings import BalancerKind, ManagersReach
from upgrade_plans.models.upgradekinds import Check, Mode, Service, StepKind, Store, When
from upgrade_plans.models.words import Identifier, IdentifierOrNone, Name, NodeName, NodeSetText, PackageName, VersionText

FORMAT = 2


# Who is there.


class Daemon(StrictModel):
    """A daemon as it was found: what runs, and what would start."""

    running: VersionText | None = None
    installed: VersionText | None = None


class Host(StrictModel):
    """A node that is taken by its own name: an etcd member, a control-plane host, a client."""

    node: NodeName
    row: IdentifierOrNone = ""
    rack: str = ""
    member_id: Identifier | None = None
    daemons: dict[Identifier, Daemon] = {}
    frozen: bool = False
    """The operators froze something on it: the target does not ask for it."""


class Workers(StrictModel):
    """Workers between which nothing that a plan looks at differs. `nodes` in the order in which steps take them."""

    id: Identifier
    nodes: NodeSetText
    count: int = Field(ge=1)
    row: Identifier
    rack: str = ""
    taints: str = ""
    hardware: Identifier = "default"
    architecture: Identifier = "amd64"
    frozen: bool = False
    down: bool = False
    daemons: dict[Identifier, Daemon] = {}


class Tillers(StrictModel):
    """Tillers of one version, by their namespaces."""

    id: Identifier
    namespaces: tuple[str, ...]
    version: VersionText


class Balancer(StrictModel):
    """The pool of the API servers."""

    kind: BalancerKind
    version: str | None = None
    threshold: float = Field(ge=0, le=1)


class Where(StrictModel):
    """The datastores at the start: in which store of etcd Kubernetes and Calico keep their data; None: no etcd of ours."""

    kubernetes: Store | None = None
    calico: Store | None = None


class Settings(StrictModel):
    """With what a daemon would start on every node of `nodes`, as it was found: flags and environment by name."""

    component: Identifier
    nodes: NodeSetText
    file: str
    arguments: dict[str, str] = {}
    environment: dict[str, str] = {}


# What is written.


class Line(StrictModel):
    """A setting in a file: without `old` it is added, without `new` it is taken out. A flag alone has the value `true`."""

    setting: str
    old: str | None = None
    new: str | None = None


class Change(StrictModel):
    """A change of a daemon's configuration, on every node of `nodes`: `lines` of `file`, when, and the rule behind it."""

    component: Identifier
    nodes: NodeSetText
    file: str
    when: When
    lines: tuple[Line, ...] = Field(min_length=1)
    reason: str
    rules: tuple[Identifier, ...] = ()


# What is done.


class Undo(StrictModel):
    """How a step is taken back: to which version, in words, asking what first; `loss` says what that costs, if anything."""

    to: VersionText | None = None
    how: str
    pre: tuple[Check, ...] = ()
    loss: str = ""


class Block(StrictModel):
    """What can no longer be reached once the step is over (a step of several units: once its last unit has begun).

    `state` is the id of a phase: the rest state before that phase, and every earlier one. `backup` names the step whose backup
    brings it back at that loss; without one nothing does.
    """

    state: Identifier
    by: str
    loss: str
    backup: Identifier | None = None


class Outage(StrictModel):
    """A declared stop: what does not serve, for how long at most (seconds), and the step with which it ends.

    `stops` is what the proof excuses while it lasts; `scope` says it to people.
    """

    stops: tuple[Service, ...] = Field(min_length=1)
    scope: tuple[str, ...] = Field(min_length=1)
    longest: int = Field(ge=1)
    until: Identifier


class Backup(StrictModel):
    """What a backup holds, and how it is taken."""

    stores: tuple[Store, ...] = Field(min_length=1)
    cold: bool = False
    how: str


class Verify(StrictModel):
    """Work for a person: what to do, how it is looked at, and what must be seen then."""

    do: str
    look: str
    expect: str


class Bound(StrictModel):
    """At most `allowed` units of a domain in hand at once, and why."""

    kind: str
    domain: str
    allowed: int = Field(ge=1)
    why: str


class Step(StrictModel):
    """One step.

    `takes` maps what it is about (a host's node, a group of workers, a group of Tillers) to how many units of it; of a group
    the first that no earlier step of the same `from` and `to` has taken. At most `window` units are in hand at once, at most
    `per_row` of a row; `bounds` are all limits that led to that. `pre` and `post` are asked of every unit.
    `moves` is what changes on each unit where that is more than the component. `changes` are ids of the plan's `changes`.
    `undo` holds until the step's `blocks` do; without either the step changes nothing that would need undoing.
    `max_backup_age`, in seconds: how old the backup that `blocks` names may be when the step begins.
    `longest`, in seconds: when a silence, a hold of configuration, a freeze or users being led away is over, whatever became of
    the step that ends it.
    `with_ttl`: the migration copies keys with a lifetime too (etcdctl migrate without --no-ttl).
    `findings` are rules that warn about the mix of versions while the step is made or after it.
    """

    id: Identifier
    kind: StepKind
    title: str
    component: Identifier = "cluster"
    takes: dict[Identifier, int] = {}
    from_: VersionText | None = Field(default=None, alias="from")
    to: VersionText | None = None
    moves: tuple[Identifier, ...] = ()
    window: int = Field(default=1, ge=1)
    per_row: int | None = Field(default=None, ge=1)
    bounds: tuple[Bound, ...] = ()
    drains: bool = False
    bgp: bool = False
    reason: str
    rules: tuple[Identifier, ...] = ()
    requires: tuple[Identifier, ...] = ()
    pre: tuple[Check, ...] = ()
    post: tuple[Check, ...] = ()
    changes: tuple[Identifier, ...] = ()
    verify: tuple[Verify, ...] = ()
    undo: Undo | None = None
    blocks: tuple[Block, ...] = ()
    max_backup_age: int | None = Field(default=None, ge=1, le=DAY)
    longest: int | None = Field(default=None, ge=1)
    outage: Outage | None = None
    backup: Backup | None = None
    moment: Moment | None = None
    store: Store | None = None
    prefix: str | None = None
    with_ttl: bool = False
    resources: tuple[Identifier, ...] = ()
    findings: tuple[Identifier, ...] = ()
    duration: Duration


class Phase(StrictModel):
    """Steps from one rest state to the next. `group` is what moves in it (`etcd`, `apiservers` …), if one thing does."""

    id: Identifier
    title: str
    reason: str
    group: Identifier | None = None
    from_: VersionText | None = Field(default=None, alias="from")
    to: VersionText | None = None
    steps: tuple[Step, ...]


# The whole.


class Finding(StrictModel):
    """What the operator should know although it forbids nothing: how much it weighs, what, where, what to do."""

    severity: str
    what: str
    where: str = ""
    remedy: str = ""
    rule: Identifier | None = None


class Alternative(StrictModel):
    """Another plan for the same target: drains of each worker, risk, and in seconds p50, p95 and the time past no return."""

    name: Identifier
    what: str
    drains: int
    risk: int
    p50: float
    p95: float
    exposed: float


class Asked(StrictModel):
    """How the plan was asked for, beside the target: mode, limits that replace those of the cluster file, what else moves.

    `depool`: users are led to other data centres meanwhile.
    """

    mode: Mode = Mode.USUAL
    limits: dict[str, str] = {}
    via: dict[Identifier, VersionText] = {}
    also: tuple[Identifier, ...] = ()
    depool: bool = False


class Inputs(EtcdInputs):
    """What the plan was made from; `procedures`: sha256 of the tables that say how changes are made and how long they take."""

    procedures: str


class Upgrade(StrictModel):
    """A whole plan. `needed`: workers of each taint group that must stay; `bgp_per_row`: how many of a row may be without BGP.

    `windows`: when its steps may begin; none: at any time. `releases` maps a component and an upstream version to its packages,
    where the facts know them.
    """

    format: Literal[2] = 2
    cluster: Name
    cluster_uid: Identifier | None = None
    etcd_cluster_id: Identifier | None = None
    cluster_version: VersionText | None = None
    target: dict[Identifier, VersionText]
    asked: Asked = Asked()
    inputs: Inputs
    hosts: tuple[Host, ...]
    workers: tuple[Workers, ...]
    tillers: tuple[Tillers, ...] = ()
    balancer: Balancer | None = None
    managers_reach: ManagersReach = ManagersReach.LOOPBACK
    apiserver_count: int | None = None
    tolerant: bool = False
    stores: Where = Where()
    needed: dict[str, int] = {}
    bgp_per_row: int | None = None
    windows: tuple[Window, ...] = ()
    releases: dict[Identifier, dict[VersionText, dict[PackageName, PackagePin]]] = {}
    settings: tuple[Settings, ...] = ()
    changes: dict[Identifier, Change] = {}
    phases: tuple[Phase, ...]
    drains: int = 0
    risk: int = 0
    findings: tuple[Finding, ...] = ()
    alternatives: tuple[Alternative, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return all steps in the order they are carried out."""
        return tuple(step for phase in self.phases for step in phase.steps)
