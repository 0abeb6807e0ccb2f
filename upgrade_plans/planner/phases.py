"""Phases and steps: the packages first, then one phase for each line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from kubedeb.knowledge import Knowledge, RuleKind
from kubedeb.versions import Version
from upgrade_plans.models.plan import Block, Check, Phase, Step, StepKind, Undo
from upgrade_plans.planner.durations import backup_age, prior
from upgrade_plans.planner.start import Place, Start

HEALTHY = (Check.MEMBERS_HEALTHY, Check.CAUGHT_UP, Check.NO_ALARM)


@dataclass(frozen=True)
class Hop:
    """One phase's task: every member of `changing`, in this order, to `to`; `line` is the cluster version before it.

    `last_old` is the last of them that is still on `line`, None when the line stays. `leader` is the member that leads
    when the phase begins, None when that cannot be known.
    """

    line: tuple[int, int]
    to: Version
    members: tuple[Place, ...]
    changing: tuple[Place, ...]
    last_old: Place | None
    leader: str | None

    @property
    def name(self) -> str:
        """Return the phase's name."""
        return f"{'hop' if self.last_old else 'patch'}-{self.to.major}.{self.to.minor}"

    @property
    def lowest(self) -> Version:
        """Return the lowest version that runs when the phase begins."""
        return min(member.version for member in self.members)


@dataclass
class Builder:
    """Adds steps to a phase, each one requiring the one before it."""

    knowledge: Knowledge
    db_size: int
    before: tuple[str, ...] = ()
    steps: list[Step] = field(default_factory=list)

    def add(self, kind: StepKind, step_id: str, nodes: tuple[str, ...], way: tuple[Version, Version], **more: object) -> None:
        """Add a step on the way `way` = (from, to)."""
        rules = tuple(rule for rule in more.pop("rules", ()) if rule in self.knowledge.by_id)  # type: ignore[attr-defined]
        values = {"id": step_id, "kind": kind, "nodes": nodes, "from": str(way[0]), "to": str(way[1]), "rules": rules,
                  "requires": self.before, "duration": prior(kind, self.db_size), **more}  # fmt: skip
        self.steps.append(Step.model_validate(values))
        self.before = (step_id,)


def hops(start: Start, stops: tuple[Version, ...]) -> Iterator[Hop]:
    """Yield one hop for each stop, the members' versions moving along."""
    members, line = start.members, start.line
    leader = next((member.node for member in members if member.leader), None)
    for stop in stops:
        final = stop == stops[-1]
        changing = [member for member in members
                    if member.version.line < stop.line or (final and member.version != stop)]  # fmt: skip
        # What only changes its patch goes first, while the whole hop can still be turned back; the leader goes last.
        changing.sort(key=lambda member: (member.version.line < stop.line, member.leader, member.node))
        old = [member for member in changing if member.version.line == line and line != stop.line]
        yield Hop(line, stop, members, tuple(changing), old[-1] if old else None, leader)
        changed = {member.node for member in changing}
        # Its leader restarts last, and who leads after that is not known before it happens.
        members = tuple(replace(member, version=stop, leader=False) if member.node in changed else member for member in members)
        leader, line = None, stop.line


def prepare(all_hops: tuple[Hop, ...], builder: Builder) -> Phase:
    """Return the phase that puts every package of every step and undo into the caches; installs nothing."""
    for hop in all_hops:
        ways = sorted({(member.version, hop.to) for member in hop.changing})
        for old, new in ways:
            name = f"download-{new}" + (f"-from-{old}" if len(ways) > 1 else "")
            groups = [*_groups(sorted(member.node for member in hop.changing if member.version == old))]
            for number, nodes in enumerate(groups, 1):
                builder.add(
                    StepKind.DOWNLOAD, f"{name}-{number}" if len(groups) > 1 else name, nodes, (old, new), post=(Check.CACHED,),
                    reason=f"The packages of {new}, and of {old} for the way back, lie on the nodes before any change: "
                           "no step waits for the network or finds the repository changed.",
                )  # fmt: skip
    return Phase(
        id="prepare", title="packages of every hop and of every way back", steps=tuple(builder.steps),
        reason="Installing ahead would let a crash start the next version, so packages are downloaded, not installed.",
    )  # fmt: skip


def _groups(nodes: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield the nodes that download at once: all of a small cluster, three at a time in a larger one.

    Each node of a step multiplies the states that the prover visits.
    """
    size = len(nodes) if len(nodes) <= 5 else 3
    yield from (tuple(nodes[begin : begin + size]) for begin in range(0, len(nodes), size))


def hop_phase(hop: Hop, builder: Builder) -> Phase:
    """Return the phase of one hop."""
    name, last = f"{hop.to.major}.{hop.to.minor}", hop.changing[-1]
    way = (hop.lowest, hop.to)
    keeper = (hop.leader or last.node,)
    _save(name, keeper, way, hop, builder)
    _lead(name, last, way, hop, builder)
    for member in hop.changing:
        _change(name, member, hop, builder)
    if hop.last_old is not None:
        builder.add(
            StepKind.AWAIT_VERSION, f"{name}-await", tuple(member.node for member in hop.members), way,
            reason=f"The members settle on {name} within seconds of the last restart; nothing else may change before that.",
            rules=("etcd-cluster-version",), post=(Check.MEMBERS_HEALTHY,),
        )  # fmt: skip
    rule = builder.knowledge.hop("etcd", hop.line)
    title = f"etcd {hop.line[0]}.{hop.line[1]} → {hop.to}" if hop.last_old else f"etcd {hop.lowest} → {hop.to}"
    reason = (rule.what if rule and hop.last_old else "A newer patch release of the same line.") + (
        " Members that are there already stay." if len(hop.changing) < len(hop.members) else ""
    )
    return Phase(id=hop.name, title=title, reason=reason, steps=tuple(builder.steps))


def _save(name: str, keeper: tuple[str, ...], way: tuple[Version, Version], hop: Hop, builder: Builder) -> None:
    whose = "the leader, which has the latest data" if hop.leader else "the member that is changed last"
    builder.add(
        StepKind.BACKUP, f"{name}-backup", keeper, way, pre=(Check.MEMBERS_HEALTHY, Check.NO_ALARM, Check.CLUSTER_VERSION),
        reason=f"A snapshot of the store, from {whose}: beyond the hop's last member it is the only way back.",
        rules=("etcd-backup-first", *(("etcd-backup-from-leader",) if hop.leader else ())),
    )  # fmt: skip
    builder.add(
        StepKind.DRILL, f"{name}-drill", keeper, way, pre=(Check.MEMBERS_HEALTHY,),
        reason="The snapshot is restored in a scratch cluster of one member and compared key by key with the live store, "
               "read at the snapshot's own revision: a backup that was never restored is none.",
        rules=("etcd-backup-drill",),
    )  # fmt: skip


def _lead(name: str, last: Place, way: tuple[Version, Version], hop: Hop, builder: Builder) -> None:
    """Hand leadership to the member that is changed last, where that changes something and the version can do it."""
    able = builder.knowledge.capability("etcd", "move-leader", hop.lowest)
    if hop.leader == last.node or able is None:
        return
    builder.add(
        StepKind.MOVE_LEADER, f"{name}-move-leader", (last.node,), way, pre=HEALTHY[:2], rules=(able.id,),
        reason=f"{last.node} is changed last: as the leader it leads on while the others restart, then leadership moves once.",
    )  # fmt: skip


def _change(name: str, member: Place, hop: Hop, builder: Builder) -> None:
    crossing = member.version.line == hop.line
    ends = member is hop.last_old
    version_check = (Check.CLUSTER_VERSION,) if crossing else ()
    undo = Undo(to=str(member.version), pre=(Check.MEMBERS_HEALTHY, *version_check, Check.CACHED))
    old = f"{hop.line[0]}.{hop.line[1]}"
    age = backup_age(builder.steps)
    block = Block(
        state=f"every member on {old}", by=f"the cluster version rises to {name} once {member.node} runs it",
        loss=f"everything written after {name}-backup, which is at most {age // 60} minutes old when this step begins: "
             f"only that backup brings {old} back",
    )  # fmt: skip
    reason = _why(member, hop) + (f" It is the last on {old}: from here on the hop cannot be turned back." if ends else "")
    builder.add(
        StepKind.CHANGE, f"{name}-change-{member.node}", (member.node,), (member.version, hop.to), reason=reason,
        rules=tuple(_rules(hop, builder.knowledge, crossing=crossing, ends=ends)),
        pre=(*HEALTHY, *version_check, Check.CACHED, *((Check.BACKUP_PROVEN,) if ends else ())),
        post=HEALTHY[:2], undo=None if ends else undo, blocks=(block,) if ends else (),
        max_backup_age=age if ends else None,
    )  # fmt: skip


def _why(member: Place, hop: Hop) -> str:
    if member is hop.changing[-1]:
        return "The leader goes last, so that leadership moves once." if len(hop.changing) > 1 else "The one member left."
    return "One member at a time: the others are a majority."


def _rules(hop: Hop, knowledge: Knowledge, *, crossing: bool, ends: bool) -> Iterator[str]:
    yield from ("etcd-rolling", "etcd-quorum", "etcd-healthy-first")
    if crossing and hop.last_old is not None:
        rule = knowledge.hop("etcd", hop.line)
        yield from ((rule.id,) if rule else ())
        yield from (trap.id for trap in knowledge.between("etcd", hop.lowest, hop.to) if trap.kind is RuleKind.TRAP)
    if ends:
        yield from ("etcd-no-downgrade", "etcd-backup-first", "etcd-backup-drill")
