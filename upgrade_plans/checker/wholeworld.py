"""A whole stack's plan, replayed from its start: what is where before each step, and after the last (docs/semantics.md, 11)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from kubedeb.knowledge import Knowledge
from kubedeb.versions import Version
from upgrade_plans.checker.wholewords import CARRY, GROUPS, HANDLE, acted_on, meant
from upgrade_plans.models.nodesets import expand
from upgrade_plans.models.upgrade import Change, Step, Upgrade
from upgrade_plans.models.upgradekinds import Service, Store
from upgrade_plans.models.upgradekinds import StepKind as Kind

Key = tuple[str, str]
"""A daemon's component and where it is."""
Settings = tuple[tuple[str, str], ...]
SERVER, DEFAULT = "kube-apiserver", "kube-apiserver-etcd3-default"


class Unit(NamedTuple):
    """One daemon: what runs, what is on disk, whether it is masked, its settings there; the store it uses and the next one."""

    runs: Version | None
    disk: Version | None
    masked: bool = False
    settings: Settings = ()
    uses: Store | None = None
    boots: Store | None = None

    @property
    def would(self) -> Version | None:
        """Return what a reboot starts."""
        return None if self.masked else self.disk

    @property
    def either(self) -> set[Version]:
        """Return what runs, and what a reboot starts."""
        return {version for version in (self.runs, self.would) if version is not None}


@dataclass(frozen=True)
class World:
    """What lies between two steps. `crowd`: every unit that is there among those that are only counted, by component."""

    hosts: Mapping[Key, Unit]
    crowd: frozenset[tuple[str, Unit]] = frozenset()
    out: frozenset[str] = frozenset()
    held: bool = False
    frozen: bool = False
    closed: bool = False
    outages: tuple[Step, ...] = ()
    calico: str = "before"
    away: bool = False

    @property
    def rests(self) -> bool:
        """Say whether nothing is masked, out of the pool, closed, in an outage or in Calico's window."""
        masked = any(unit.masked for unit in self.hosts.values()) or any(unit.masked for _, unit in self.crowd)
        return not (masked or self.out or self.closed or self.outages or self.calico == "open")

    def excused(self, service: Service) -> bool:
        """Say whether an open outage says that this is stopped."""
        return any(step.outage is not None and service in step.outage.stops for step in self.outages)


@dataclass(frozen=True)
class Part:
    """What goes together: a host's daemons, each before and after, or (`crowd`) all counted units of the step."""

    pairs: Mapping[Key, tuple[Unit, Unit]] = field(default_factory=dict)
    crowd: bool = False


@dataclass
class Replay:
    """The replayed plan: `worlds[n]` lies before step n; `floors[n]` is how far back one may go once step n blocks, or 0."""

    plan: Upgrade
    steps: tuple[Step, ...]
    worlds: list[World]
    parts: list[tuple[Part, ...]]
    floors: list[int]
    sound: bool = True
    """Whether every step finds what it says that it takes, and the end is the target's."""

    def named(self, component: str) -> list[Key]:
        """Return where the hosts' daemons of a component are at the start."""
        return [key for key in self.worlds[0].hosts if key[0] == component]

    @cached_property
    def misled(self) -> frozenset[tuple[Key, Unit]]:
        """Return the API servers that would come back on another store than the one in use already before the plan."""
        used, first = self.plan.stores.kubernetes, self.worlds[0].hosts
        servers = [(key, first[key]) for key in self.named(SERVER)] if used is not None else []
        return frozenset((key, unit) for key, unit in servers if unit.would is not None and unit.boots not in (used, None))

    @property
    def watching(self) -> dict[Key, int]:
        """Return how many kubelets and kube-proxies there are, by where they are; not on nodes that are down."""
        groups = {group.id: group for group in self.plan.workers if not group.down}
        found = {(name, group.id): group.count for group in groups.values() for name in group.daemons}
        found |= {key: 1 for key in self.worlds[0].hosts if key[1] not in groups}
        return {key: count for key, count in found.items() if key[0] in ("kubelet", "kube-proxy")}


def replay(plan: Upgrade, knowledge: Knowledge) -> Replay:
    """Replay a plan whose versions can be read."""
    return _Replayer(plan, knowledge).run()


class _Replayer:
    def __init__(self, plan: Upgrade, knowledge: Knowledge) -> None:
        self.plan = plan
        self.by_default = knowledge.by_id.get(DEFAULT)
        self.sound = True
        self.nodes: dict[str, frozenset[str]] = {}
        self.first = {group.id: _first(group.nodes) for group in plan.workers}
        self.groups: dict[Key, Counter[Unit]] = {}

    def run(self) -> Replay:
        plan, steps = self.plan, self.plan.steps
        world = self._start()
        worlds, parts = [world], []
        for step in steps:
            mine = tuple(self._parts(step, world.hosts)) if step.kind in HANDLE else ()
            hosts = {**world.hosts, **{key: after for part in mine for key, (_, after) in part.pairs.items()}}
            world = replace(self._around(step, world), hosts=hosts, crowd=self._crowd())
            worlds.append(world)
            parts.append(mine)
        self.sound = self.sound and not any(self._short(world))
        return Replay(plan, steps, worlds, parts, list(self._floors()), self.sound)

    # The start.

    def _start(self) -> World:
        hosts = {}
        for host in self.plan.hosts:
            for name, one in host.daemons.items():
                hosts[name, host.node] = self._found(name, host.node, one.running, one.installed)
        for group in self.plan.workers:
            for name, one in group.daemons.items():
                unit = self._found(name, group.id, None if group.down else one.running, one.installed)
                self.groups.setdefault((name, group.id), Counter())[unit] += group.count
        for tiller in self.plan.tillers:
            version = Version.parse(tiller.version)
            self.groups.setdefault(("tiller", tiller.id), Counter())[Unit(version, version)] += len(tiller.namespaces)
        return World(hosts, self._crowd())

    def _found(self, name: str, where: str, running: str | None, installed: str | None) -> Unit:
        runs = Version.parse(running) if running else None
        disk = Version.parse(installed) if installed else runs
        settings: dict[str, str] = {}
        for one in self.plan.settings:
            if one.component == name and self._on(one.nodes, where):
                settings |= {**one.arguments, **one.environment}
        listed = tuple(sorted(settings.items()))
        uses = self.plan.stores.kubernetes if name == SERVER else None
        return Unit(runs, disk, settings=listed, uses=uses, boots=self._store(name, disk, listed))

    def _on(self, nodes: str, where: str) -> bool:
        if nodes not in self.nodes:
            self.nodes[nodes] = frozenset(expand(nodes))
        return self.first.get(where, where) in self.nodes[nodes]

    def _crowd(self) -> frozenset[tuple[str, Unit]]:
        return frozenset((name, unit) for (name, _), units in self.groups.items() for unit, count in units.items() if count > 0)

    # A step.

    def _parts(self, step: Step, hosts: Mapping[Key, Unit]) -> Iterator[Part]:
        names, crowd = acted_on(step), False
        for where, count in step.takes.items():
            if any((name, where) in self.groups for name in names):
                crowd = True
                for name in names:
                    self._take(step, (name, where), count)
            else:
                yield Part({(name, where): pair for name in names for pair in self._pair(step, hosts, name, where, count)})
        if crowd:
            yield Part(crowd=True)

    def _pair(self, step: Step, hosts: Mapping[Key, Unit], name: str, where: str, count: int) -> Iterator[tuple[Unit, Unit]]:
        begins = Version.parse(step.from_) if step.from_ and step.kind in CARRY else None
        before = hosts.get((name, where), Unit(begins, begins) if begins else None)
        if before is None or count != 1 or begins not in (None, before.disk):
            self.sound = False
        if before is not None:
            yield before, self._after(step, name, where, before)

    def _take(self, step: Step, key: Key, count: int) -> None:
        """Change `count` units of a group: of those with the version that the step begins with, first those that it changes."""
        units = self.groups.get(key, Counter())
        begins = Version.parse(step.from_) if step.from_ and step.kind in CARRY else None
        able = [unit for unit, number in units.items() if number and begins in (None, unit.disk)]
        fit = [(unit, self._after(step, *key, unit)) for unit in able]
        if count > sum(units[unit] for unit, _ in fit):
            self.sound = False
        for unit, after in sorted(fit, key=lambda pair: pair[0] == pair[1]):
            some = min(count, units[unit])
            units[unit] -= some
            units[after] += some
            count -= some

    def _after(self, step: Step, name: str, where: str, before: Unit) -> Unit:
        changes = [self.plan.changes[one] for one in step.changes if one in self.plan.changes]
        mine = [one for one in changes if name in meant(one.component) and self._on(one.nodes, where)]
        settings = _written(before.settings, mine)
        if step.kind is Kind.STOP:
            return before._replace(runs=None, masked=True)
        if step.kind is Kind.MIGRATE:
            return before
        if step.kind is Kind.SWITCH_STORE:
            return before._replace(settings=settings, boots=self._store(name, before.disk, settings))
        stays = step.kind in (Kind.CONFIG, Kind.RESTART, Kind.START) or not step.to
        version = before.disk if stays else Version.parse(str(step.to))
        store = self._store(name, version, settings)
        return Unit(version, version, settings=settings, uses=store, boots=store)

    def _store(self, name: str, version: Version | None, settings: Settings) -> Store | None:
        """Return the store that an API server of a version would use with these settings."""
        if name != SERVER or version is None or self.plan.stores.kubernetes is None:
            return None
        told = dict(settings).get("--storage-backend")
        if told is not None:
            return Store.V2 if told == "etcd2" else Store.V3
        row = self.by_default
        early = row is None or any(version < bound for sign, bound in row.to.terms if sign in (">=", ">"))
        return Store.V2 if early else Store.V3

    def _around(self, step: Step, world: World) -> World:
        takes = frozenset(step.takes)
        open_ = tuple(one for one in world.outages if one.outage is not None and one.outage.until != step.id)
        world = replace(world, outages=(*open_, step) if step.kind is Kind.OUTAGE else open_)
        changed: dict[Kind, dict[str, object]] = {
            Kind.DEPOOL: {"out": world.out | takes}, Kind.REPOOL: {"out": world.out - takes},
            Kind.HOLD_CONFIG: {"held": True}, Kind.RELEASE_CONFIG: {"held": False},
            Kind.DEPOOL_DC: {"away": True}, Kind.REPOOL_DC: {"away": False},
            Kind.FREEZE: {"frozen": True}, Kind.UNFREEZE: {"frozen": False},
            Kind.CLOSE_CLIENTS: {"closed": True}, Kind.OPEN_CLIENTS: {"closed": False},
            Kind.CALICO_START: {"calico": "open"}, Kind.CALICO_COMPLETE: {"calico": "after"},
        }  # fmt: skip
        return replace(world, **changed.get(step.kind, {}))  # type: ignore[arg-type]

    def _floors(self) -> Iterator[int]:
        ends, number = {}, 0
        for phase in self.plan.phases:
            number += len(phase.steps)
            ends[phase.id] = number
        for number, step in enumerate(self.plan.steps):
            yield max((min(ends[block.state], number + 1) for block in step.blocks if block.state in ends), default=0)

    # The end.

    def _short(self, world: World) -> Iterator[Key]:
        """Yield what is not as the target says at the end, but on nodes that are frozen or down."""
        behind = {host.node for host in self.plan.hosts if host.frozen}
        behind |= {group.id for group in self.plan.workers if group.frozen or group.down}
        wanted: dict[str, str] = {}
        for target, text in sorted(self.plan.target.items(), key=lambda item: item[0] in GROUPS):
            wanted |= {name: text for name in meant(target, target=True) if text and target != "storage"}
        there = [(key, unit) for key, unit in world.hosts.items()]
        there += [(key, unit) for key, units in self.groups.items() for unit, count in units.items() if count > 0]
        names = {Store.V2: "etcd2", Store.V3: "etcd3", None: None}
        storage = self.plan.target.get("storage")
        for key, unit in there:
            wrong = key[0] in wanted and unit.disk is not None and str(unit.disk) != wanted[key[0]]
            if key[1] not in behind and (wrong or (key[0] == SERVER and storage not in (None, names[unit.boots]))):
                yield key


def _first(nodes: str) -> str:
    """Return the first node of a set as it is written."""
    return expand(nodes)[0] if "[" in nodes else nodes.split(",")[0]


def _written(settings: Settings, changes: list[Change]) -> Settings:
    """Return settings with lines written or taken out."""
    found = dict(settings)
    for line in (line for change in changes for line in change.lines):
        found.pop(line.setting, None)
        if line.new is not None:
            found[line.setting] = line.new
    return tuple(sorted(found.items()))
