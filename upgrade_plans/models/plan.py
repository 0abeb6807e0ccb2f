"""The plan file: a tree of phases and steps, each with its reason, its checks, its undo and what it blocks."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from pydantic import Field

from kubedeb.yamlfile import StrictModel
from upgrade_plans.models.words import (
    DebianText,
    DigestOrNone,
    Identifier,
    Name,
    NodeName,
    PackageName,
    VersionText,
)

FORMAT = 1
DAY = 86_400
"""Seconds; no plan may accept the loss of more than a day."""


class StepKind(StrEnum):
    """What a step does."""

    DOWNLOAD = "download"
    """Put the packages of `from` and `to` on the nodes, ready; installs nothing."""
    BACKUP = "backup"
    """Save a snapshot of the store on the step's one node, and a copy with the operator."""
    DRILL = "drill"
    """Restore that backup in a scratch cluster and compare it, key by key, with the live store at the backup's revision."""
    MOVE_LEADER = "move-leader"
    """Move leadership to the step's one node."""
    CHANGE = "change"
    """Install `to` and restart the daemon, on all nodes of the step at once."""
    AWAIT_VERSION = "await-version"
    """Wait until every member reports the cluster version of `to`."""


class Act(StrEnum):
    """One thing done to one node, between two boundaries at which the executor may die."""

    DOWNLOAD = "download"
    SAVE = "save"
    COMPARE = "compare"
    TRANSFER = "transfer"
    INSTALL = "install"
    RESTART = "restart"
    OBSERVE = "observe"


ACTS: dict[StepKind, tuple[Act, ...]] = {
    StepKind.DOWNLOAD: (Act.DOWNLOAD,),
    StepKind.BACKUP: (Act.SAVE,),
    StepKind.DRILL: (Act.COMPARE,),
    StepKind.MOVE_LEADER: (Act.TRANSFER,),
    StepKind.CHANGE: (Act.INSTALL, Act.RESTART),
    StepKind.AWAIT_VERSION: (Act.OBSERVE,),
}
"""What each kind of step consists of; each act is taken on all nodes of the step before the next one begins."""


class Check(StrEnum):
    """What must hold before an act is issued, or before a step counts as done."""

    MEMBERS_HEALTHY = "members-healthy"
    """Every member answers, is healthy and has a leader (issued again or undone: every member outside the step)."""
    CAUGHT_UP = "caught-up"
    """No member's raft index lags the highest by more than 1,000 entries."""
    NO_ALARM = "no-alarm"
    """No member reports an alarm."""
    CLUSTER_VERSION = "cluster-version"
    """Every member that answers reports the cluster version of the step's `from` (in an undo: of the version gone back to)."""
    CACHED = "packages-cached"
    """The packages of `from` and of `to` are in the cache of each of the step's nodes, with the sha256 of the plan."""
    BACKUP_PROVEN = "backup-proven"
    """A backup made at the present cluster version was restored and compared equal."""


class PackagePin(StrictModel):
    """An exact package: Debian version and sha256."""

    version: DebianText
    sha256: DigestOrNone


class Release(StrictModel):
    """The packages that make up one upstream version of etcd, by name: `etcd-server` among them, each of that version."""

    packages: dict[PackageName, PackagePin]


class Undo(StrictModel):
    """How a step is taken back: a `change` to the version `to`, guarded by `pre`."""

    to: VersionText
    pre: tuple[Check, ...] = ()


class Block(StrictModel):
    """An earlier state that can no longer be reached once the step is begun: which, through what, at what loss."""

    state: str
    by: str
    loss: str


class Duration(StrictModel):
    """How long a step takes, in seconds: the median and the 95th percentile."""

    p50: float = Field(ge=0, allow_inf_nan=False)
    p95: float = Field(ge=0, allow_inf_nan=False)


class Step(StrictModel):
    """One step. `from` and `to` are upstream versions, keys of the plan's `releases`; `requires` names earlier steps.

    `max_backup_age`, in seconds from the snapshot's moment, stands on each step with `blocks`: how old the proven backup
    may be when the step begins, and so how much is lost at most by restoring it (invariant `snapshot`).
    """

    id: Identifier
    kind: StepKind
    component: Identifier = "etcd"
    nodes: tuple[NodeName, ...]
    from_: VersionText = Field(alias="from")
    to: VersionText
    reason: str
    rules: tuple[Identifier, ...] = ()
    requires: tuple[Identifier, ...] = ()
    pre: tuple[Check, ...] = ()
    post: tuple[Check, ...] = ()
    undo: Undo | None = None
    blocks: tuple[Block, ...] = ()
    max_backup_age: int | None = Field(default=None, ge=1, le=DAY)
    duration: Duration = Duration(p50=1, p95=5)


class Phase(StrictModel):
    """A group of steps that is turned back as one: a hop, or the preparation."""

    id: Identifier
    title: str
    reason: str
    steps: tuple[Step, ...]


class Member(StrictModel):
    """A member as the plan was made for it: what drift is measured against."""

    node: NodeName
    row: str
    member_id: Identifier
    running: VersionText
    installed: VersionText


class Inputs(StrictModel):
    """What the plan was made from: sha256 of the canonical facts, of the cluster file and of the knowledge rows."""

    facts: str
    cluster_file: str
    knowledge: str


class Plan(StrictModel):
    """A whole plan: the cluster it is for, where it starts and ends, and its phases in the order they are carried out."""

    format: int = FORMAT
    cluster: Name
    cluster_id: Identifier
    cluster_version: VersionText
    target: dict[Identifier, VersionText]
    inputs: Inputs
    members: tuple[Member, ...]
    releases: dict[VersionText, Release]
    phases: tuple[Phase, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return all steps in the order they are carried out."""
        return tuple(step for phase in self.phases for step in phase.steps)

    def numbered(self) -> Iterator[tuple[Phase, int, Step]]:
        """Yield (phase, index in the whole plan, step)."""
        index = 0
        for phase in self.phases:
            for step in phase.steps:
                yield phase, index, step
                index += 1
