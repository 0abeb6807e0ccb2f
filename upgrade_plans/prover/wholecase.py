"""A whole stack's plan, compiled: what is where at each boundary between two steps, and what each step takes.

`docs/model.md`, 11. Nothing here depends on the way to a boundary: a step taken back leaves what was before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from kubedeb.knowledge import Knowledge
from kubedeb.versions import Version
from upgrade_plans.models.nodesets import expand
from upgrade_plans.models.upgrade import Change, Step, Upgrade
from upgrade_plans.models.upgradekinds import Service, Store
from upgrade_plans.models.upgradekinds import StepKind as Kind
from upgrade_plans.prover.verdict import Violation
from upgrade_plans.prover.wholeend import short_of
from upgrade_plans.prover.wholekinds import GROUPS, HANDLED, MOVERS, components

Key = tuple[str, str]
"""A daemon and where it is: a host's node, a group of workers or of Tillers."""
Lines = tuple[tuple[str, str], ...]
ETCD3_DEFAULT = "kube-apiserver-etcd3-default"


class Record(NamedTuple):
    """A daemon: what runs, what is installed, whether a reboot starts nothing, its settings on disk.

    Of an API server: the store that it uses, and the one that it would use after a reboot.
    """

    run: Version | None
    disk: Version | None
    masked: bool = False
    lines: Lines = ()
    store: Store | None = None
    boot: Store | None = None

    @property
    def starts(self) -> Version | None:
        """Return what a reboot would start."""
        return None if self.masked else self.disk

    @property
    def versions(self) -> tuple[Version, ...]:
        """Return what runs, and what a reboot would start."""
        starts = None if self.masked or self.disk == self.run else self.disk
        return tuple(version for version in (self.run, starts) if version is not None)


@dataclass(frozen=True)
class Boundary:
    """The world between two steps, as far as it is the same whichever way led there."""

    hosts: Mapping[Key, Record]
    fleet: frozenset[tuple[str, Record]] = frozenset()
    depooled: frozenset[str] = frozenset()
    held: bool = False
    frozen: bool = False
    closed: bool = False
    outages: tuple[int, ...] = ()
    calico: str = "before"
    away: bool = False


@dataclass(frozen=True)
class Part:
    """What of a step goes together: a host's daemons, before and after, or all that is counted."""

    name: str
    hosts: Mapping[Key, tuple[Record, Record]] = field(default_factory=dict)
    fleet: bool = False


@dataclass(frozen=True)
class Compiled:
    """A step: its phase, its parts (none: one act), and the boundary below which its blocks let nobody go back."""

    step: Step
    phase: int
    parts: tuple[Part, ...]
    floor: int = 0


@dataclass(frozen=True)
class WholeCase:
    """A compiled plan: `boundaries[i]` is what lies before step i."""

    plan: Upgrade
    steps: tuple[Compiled, ...]
    boundaries: tuple[Boundary, ...]
    wrong: tuple[Violation, ...]

    @cached_property
    def index(self) -> dict[str, int]:
        """Return the place of each step."""
        return {one.step.id: number for number, one in enumerate(self.steps)}

    @cached_property
    def members(self) -> tuple[Key, ...]:
        """Return the etcd members."""
        return tuple(key for key in self.boundaries[0].hosts if key[0] == "etcd")

    def stopped(self, here: Boundary) -> frozenset[Service]:
        """Return what the outages that are open at a boundary stop."""
        outages = (self.steps[number].step.outage for number in here.outages)
        return frozenset(service for outage in outages if outage is not None for service in outage.stops)

    @cached_property
    def apiservers(self) -> tuple[Key, ...]:
        """Return the API servers."""
        return tuple(key for key in self.boundaries[0].hosts if key[0] == "kube-apiserver")

    @cached_property
    def watchers(self) -> dict[Key, int]:
        """Return how many there are of each daemon that watches, by where it is."""
        counts = {group.id: group.count for group in self.plan.workers if not group.down}
        keys = [(name, group.id) for group in self.plan.workers if not group.down for name in group.daemons]
        keys += [key for key in self.boundaries[0].hosts if key[1] not in counts]
        return {key: counts.get(key[1], 1) for key in keys if key[0] in ("kubelet", "kube-proxy")}


class Compiler:
    """Walks a plan's steps once and notes what each changes."""

    def __init__(self, plan: Upgrade, knowledge: Knowledge) -> None:
        self.plan = plan
        self.default = knowledge.by_id.get(ETCD3_DEFAULT)
        self.wrong: list[Violation] = []
        self._nodes: dict[str, frozenset[str]] = {}
        self._made: dict[tuple[str, str, tuple[str, ...], Record], Record] = {}
        self.first = {host.node: host.node for host in plan.hosts} | {
            group.id: group.nodes.split(",")[0] if "[" not in group.nodes else expand(group.nodes)[0] for group in plan.workers
        }
        self.counted: dict[Key, Counter[Record]] = {}
        self.fleet: Counter[tuple[str, Record]] = Counter()
        self.here = Boundary(self._start())

    def _start(self) -> dict[Key, Record]:
        hosts: dict[Key, Record] = {}
        for host in self.plan.hosts:
            for name, daemon in host.daemons.items():
                hosts[name, host.node] = self._record(name, host.node, daemon.running, daemon.installed)
        for group in self.plan.workers:
            for name, daemon in group.daemons.items():
                running = None if group.down else daemon.running
                self._count((name, group.id), self._record(name, group.id, running, daemon.installed), group.count)
        for tiller in self.plan.tillers:
            version = Version.parse(tiller.version)
            self._count(("tiller", tiller.id), Record(version, version), len(tiller.namespaces))
        self.here = Boundary({})
        return hosts

    def _record(self, name: str, where: str, running: str | None, installed: str | None) -> Record:
        run = Version.parse(running) if running else None
        store = self.plan.stores.kubernetes if name == "kube-apiserver" else None
        disk, lines = Version.parse(installed) if installed else run, self._settings(name, where)
        return Record(run, disk, lines=lines, store=store, boot=self._store(name, disk, lines))

    def _settings(self, name: str, where: str) -> Lines:
        found: dict[str, str] = {}
        for one in self.plan.settings:
            if one.component == name and self._holds(one.nodes, where):
                found |= {**one.arguments, **one.environment}
        return tuple(sorted(found.items()))

    def _holds(self, nodes: str, where: str) -> bool:
        if nodes not in self._nodes:
            self._nodes[nodes] = frozenset(expand(nodes))
        return self.first.get(where, where) in self._nodes[nodes]

    def _count(self, key: Key, record: Record, count: int) -> None:
        self.counted.setdefault(key, Counter())[record] += count
        self.fleet[key[0], record] += count

    # A step.

    def compile(self) -> WholeCase:
        """Return the compiled plan."""
        starts = self._phases()
        self.here = replace(self.here, fleet=frozenset(+self.fleet))
        boundaries: list[Boundary] = [self.here]
        steps: list[Compiled] = []
        for phase, one in enumerate(self.plan.phases):
            for step in one.steps:
                parts = tuple(self._parts(step)) if step.kind in HANDLED else ()
                hosts = {key: after for part in parts for key, (_, after) in part.hosts.items()}
                self.here = replace(
                    self._context(step, len(steps)), hosts={**self.here.hosts, **hosts} if hosts else self.here.hosts
                )
                if any(part.fleet for part in parts):
                    self.here = replace(self.here, fleet=frozenset(+self.fleet))
                steps.append(Compiled(step, phase, parts, self._floor(step, len(steps), starts)))
                boundaries.append(self.here)
        self.wrong += short_of(self.plan, self.here.hosts, self.counted)
        return WholeCase(self.plan, tuple(steps), tuple(boundaries), tuple(self.wrong))

    def _phases(self) -> dict[str, tuple[int, int]]:
        found, number = {}, 0
        for phase in self.plan.phases:
            found[phase.id] = (number, number + len(phase.steps))
            number += len(phase.steps)
        return found

    def _floor(self, step: Step, number: int, phases: dict[str, tuple[int, int]]) -> int:
        """Return the first boundary that can still be reached once the step's blocks hold: 0 when it blocks nothing."""
        ends = [min(phases[block.state][1], number + 1) for block in step.blocks if block.state in phases]
        return max(ends, default=0)

    def _bad(self, step: Step, what: str) -> None:
        self.wrong.append(Violation("plan", "static", f"step {step.id} {what}", step.id))

    def _parts(self, step: Step) -> Iterator[Part]:
        counted = False
        for where, count in step.takes.items():
            names = components(step)
            if any((name, where) in self.counted for name in names):
                counted = True
                for name in names:
                    self._move(step, (name, where), count)
                continue
            pairs = {}
            for name in names:
                before = self.here.hosts.get((name, where))
                if before is None and step.kind in MOVERS and step.from_ is not None:
                    before = Record(Version.parse(step.from_), Version.parse(step.from_))
                if before is None:
                    self._bad(step, f"takes {name} of {where}, which the plan does not know")
                    continue
                if count != 1:
                    self._bad(step, f"takes {count} of {where}, which is one")
                if step.kind in MOVERS and step.from_ is not None and before.disk != Version.parse(step.from_):
                    self._bad(step, f"takes {name} of {where} from {step.from_}, where {before.disk} is installed")
                pairs[name, where] = before, self._after(step, name, where, before)
            yield Part(where, pairs)
        if counted:
            yield Part("", fleet=True)

    def _move(self, step: Step, key: Key, count: int) -> None:
        """Move `count` units of a group; those that the step has nothing to do on come last."""
        there = self.counted.get(key)
        if there is None:
            self._bad(step, f"takes {key[0]} of {key[1]}, which the plan does not know")
            return
        begins = Version.parse(step.from_) if step.kind in MOVERS and step.from_ is not None else None
        able = [record for record, number in there.items() if number > 0 and begins in (None, record.disk)]
        if len(able) > 1:
            able.sort(key=lambda record: self._after(step, *key, record) == record)
        if count > sum(there[record] for record in able):
            self._bad(step, f"takes {count} {key[0]} of {key[1]} from {step.from_}, where {sum(there[r] for r in able)} are")
        left = count
        for record in able:
            some = min(left, there[record])
            if some and (after := self._after(step, *key, record)) != record:
                self._count(key, record, -some)
                self._count(key, after, some)
            left -= some

    def _after(self, step: Step, name: str, where: str, before: Record) -> Record:
        """Return what a step makes of a daemon; worked out once for all that are alike and that the same changes concern."""
        changes = self.plan.changes
        mine = tuple(one for one in step.changes if one in changes and self._concerns(changes[one], name, where))
        key = step.id, name, mine, before
        if key not in self._made:
            self._made[key] = self._changed_by(step, name, [changes[one] for one in mine], before)
        return self._made[key]

    def _changed_by(self, step: Step, name: str, changes: list[Change], before: Record) -> Record:
        lines = self._changed(before.lines, changes)
        match step.kind:
            case Kind.STOP:
                return before._replace(run=None, masked=True)
            case Kind.SWITCH_STORE:
                return before._replace(lines=lines, boot=self._store(name, before.disk, lines))
            case Kind.MIGRATE:
                return before
            case Kind.CONFIG | Kind.RESTART | Kind.START:
                version = before.disk
            case _:
                version = Version.parse(step.to) if step.to else before.disk
        store = self._store(name, version, lines)
        return Record(version, version, lines=lines, store=store, boot=store)

    def _concerns(self, change: Change, name: str, where: str) -> bool:
        return name in GROUPS.get(change.component, (change.component,)) and self._holds(change.nodes, where)

    @staticmethod
    def _changed(lines: Lines, changes: list[Change]) -> Lines:
        found = dict(lines)
        for change in changes:
            for line in change.lines:
                if line.new is None:
                    found.pop(line.setting, None)
                else:
                    found[line.setting] = line.new
        return tuple(sorted(found.items()))

    def _store(self, name: str, version: Version | None, lines: Lines) -> Store | None:
        """Return the store that an API server uses: as it is told, else etcd3 where a row says that this is the default."""
        if name != "kube-apiserver" or version is None or self.plan.stores.kubernetes is None:
            return None
        told = dict(lines).get("--storage-backend")
        if told is not None:
            return Store.V2 if told == "etcd2" else Store.V3
        since = self.default is not None and not any(
            version < bound for sign, bound in self.default.to.terms if sign in (">=", ">")
        )
        return Store.V3 if since else Store.V2

    def _context(self, step: Step, number: int) -> Boundary:
        here = self.here
        names = frozenset(step.takes)
        ended = tuple(one for one in here.outages if self._until(one) != step.id)
        here = replace(here, outages=ended) if ended != here.outages else here
        match step.kind:
            case Kind.DEPOOL:
                return replace(here, depooled=here.depooled | names)
            case Kind.REPOOL:
                return replace(here, depooled=here.depooled - names)
            case Kind.HOLD_CONFIG | Kind.RELEASE_CONFIG:
                return replace(here, held=step.kind is Kind.HOLD_CONFIG)
            case Kind.FREEZE | Kind.UNFREEZE:
                return replace(here, frozen=step.kind is Kind.FREEZE)
            case Kind.CLOSE_CLIENTS | Kind.OPEN_CLIENTS:
                return replace(here, closed=step.kind is Kind.CLOSE_CLIENTS)
            case Kind.DEPOOL_DC | Kind.REPOOL_DC:
                return replace(here, away=step.kind is Kind.DEPOOL_DC)
            case Kind.OUTAGE:
                return replace(here, outages=(*here.outages, number))
            case Kind.CALICO_START | Kind.CALICO_COMPLETE:
                return replace(here, calico="open" if step.kind is Kind.CALICO_START else "after")
            case _:
                return here

    def _until(self, number: int) -> str:
        outage = self.plan.steps[number].outage
        return outage.until if outage is not None else ""


def compile_whole(plan: Upgrade, knowledge: Knowledge) -> WholeCase:
    """Compile a plan whose versions can be read; what it says that cannot be is in `wrong`."""
    return Compiler(plan, knowledge).compile()
