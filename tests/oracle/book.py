"""Plans by the book: what a good rolling upgrade looks like, step by step, and the pieces that cases are made of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from upgrade_plans.models.plan import (
    Block,
    Check,
    Inputs,
    Member,
    PackagePin,
    Phase,
    Plan,
    Release,
    Step,
    StepKind,
    Undo,
)

VERSIONS = ("3.2.32", "3.3.25", "3.4.23", "3.5.16")
"""One version of each line."""
CALM = (Check.MEMBERS_HEALTHY, Check.NO_ALARM, Check.CLUSTER_VERSION)
BEFORE_CHANGE = (*CALM, Check.CAUGHT_UP, Check.CACHED)
UNDO = (Check.MEMBERS_HEALTHY, Check.CLUSTER_VERSION)


def release(version: str) -> Release:
    """Return a release of both packages with made-up digests that depend on nothing but the version."""
    digest = f"{abs(sum(map(ord, version))):064x}"
    pin = PackagePin(version=f"{version}-1~deb12u1", sha256=digest)
    return Release(packages={"etcd-server": pin, "etcd-client": pin})


def step(
    kind: StepKind,
    nodes: Sequence[str],
    hop: tuple[str, str],
    *,
    pre: Sequence[Check] = (),
    post: Sequence[Check] = (),
    undo: Undo | None = None,
    blocks: Sequence[Block] = (),
    requires: Sequence[str] = (),
) -> Step:
    """Return a step whose id says what it does."""
    return Step.model_validate(
        {
            "id": f"{kind}-{hop[1]}-{'-'.join(nodes)}",
            "kind": kind,
            "nodes": tuple(nodes),
            "from": hop[0],
            "to": hop[1],
            "reason": "a case",
            "pre": tuple(pre),
            "post": tuple(post),
            "undo": undo,
            "blocks": tuple(blocks),
            "requires": tuple(requires),
        }
    )


def members(count: int, version: str, rows: Sequence[str] = ()) -> tuple[Member, ...]:
    """Return `count` members on one version, each in a row of its own unless `rows` says otherwise."""
    rows = rows or [f"row{number}" for number in range(count)]
    return tuple(
        Member(node=f"m{number}", row=rows[number], member_id=f"{number:x}", running=version, installed=version)
        for number in range(count)
    )


def plan(who: Sequence[Member], phases: Sequence[Sequence[Step]], *, cluster: str) -> Plan:
    """Return a plan of these phases for these members, with the releases of all `VERSIONS`."""
    named = tuple(
        Phase(id=f"phase{number}", title="a phase", reason="a case", steps=tuple(steps)) for number, steps in enumerate(phases)
    )
    return Plan(
        cluster="cases",
        cluster_id="cafe",
        cluster_version=cluster,
        target={"etcd": VERSIONS[-1]},
        inputs=Inputs(facts="0" * 64, cluster_file="0" * 64, knowledge="0" * 64),
        members=tuple(who),
        releases={version: release(version) for version in VERSIONS},
        phases=named,
    )


def download(nodes: Sequence[str], hop: tuple[str, str]) -> Step:
    """Return the step that puts a hop's packages on the nodes."""
    return step(StepKind.DOWNLOAD, nodes, hop)


def hop_steps(nodes: Sequence[str], hop: tuple[str, str]) -> list[Step]:
    """Return a hop by the book: backup, drill, leader to the last, one change after the other, await the version."""
    backup = step(StepKind.BACKUP, nodes[-1:], hop, pre=CALM)
    drill = step(StepKind.DRILL, nodes[-1:], hop, pre=CALM, requires=[backup.id])
    leader = step(StepKind.MOVE_LEADER, nodes[-1:], hop, pre=CALM)
    changes = [change(node, hop) for node in nodes]
    proven = (*BEFORE_CHANGE, Check.BACKUP_PROVEN)
    left = Block(state=f"etcd {hop[0]}", by="the cluster version rises", loss="writes since the backup")
    changes[-1] = changes[-1].model_copy(
        update={"pre": proven, "blocks": (left,), "max_backup_age": 600, "requires": (backup.id, drill.id)}
    )
    awaits = step(StepKind.AWAIT_VERSION, nodes, hop, post=(Check.MEMBERS_HEALTHY,))
    return [backup, drill, leader, *changes, awaits]


def change(node: str, hop: tuple[str, str]) -> Step:
    """Return the change of one member, and its undo."""
    undo = Undo(to=hop[0], pre=UNDO)
    return step(StepKind.CHANGE, [node], hop, pre=BEFORE_CHANGE, post=(Check.MEMBERS_HEALTHY,), undo=undo)


def good(count: int, versions: Sequence[str], rows: Sequence[str] = ()) -> Plan:
    """Return the rolling upgrade of `count` members through `versions` by the book."""
    who = members(count, versions[0], rows)
    nodes = [member.node for member in who]
    hops = list(pairwise(versions))
    prepare = [download(nodes, hop) for hop in hops]
    phases = [prepare, *(hop_steps(nodes, hop) for hop in hops)] if hops else []
    return plan(who, phases, cluster=versions[0])
