"""The plainest reading of docs/semantics.md, part two: every unit by itself, every state, every move. Slow, and meant to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from kubedeb.versions import Version
from upgrade_plans.models.stackplan import Server, StackCheck, StackKind, StackPlan, StackStep, Via, Workers

Release = tuple[str, str]
"""kubelet and kube-proxy; what has one daemon only has it twice."""


class Unit(NamedTuple):
    """A unit: disk, run (None: nothing), in hand."""

    disk: Release
    run: Release | None
    hand: bool = False


class World(NamedTuple):
    """A state: direction, step, every unit, the fault and the units that it froze."""

    way: str
    step: int
    units: tuple[Unit, ...]
    fault: str = ""
    frozen: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Named:
    """Who a unit is: its kind, its class, its number in the class, and the server or the group that it comes from."""

    kind: str
    of: str
    row: str
    taints: str = ""
    down: bool = False


@dataclass
class StackJudgement:
    """What the oracle finds: None for states when the static checks refuse."""

    states: int | None
    violated: set[str]
    levels: Counter[str] = field(default_factory=Counter)
    exposures: Counter[tuple[str, str]] = field(default_factory=Counter)


def minor(version: str) -> int:
    """Return the minor of a version of Kubernetes 1.x."""
    return Version.parse(version).minor


class Oracle:
    """Judges one plan."""

    def __init__(self, plan: StackPlan) -> None:
        self.plan = plan
        self.names: list[Named] = []
        units: list[Unit] = []
        for one in plan.servers:
            self.names.append(Named("apiserver", one.node, one.row))
            units.append(Unit(both(one.installed or one.version), both(one.version)))
        for one in plan.servers:
            if one.managers is not None:
                self.names.append(Named("managers", one.node, one.row))
                units.append(Unit(both(one.managers), both(one.managers)))
        for group in plan.workers:
            run = (group.version, group.proxy or group.version)
            for _ in range(group.count):
                self.names.append(Named("workers", group.id, group.row, group.taints, group.down))
                units.append(Unit(both(group.installed) if group.installed else run, None if group.down else run))
        self.begin = World("forward", 0, tuple(units))

    def judge(self) -> StackJudgement:
        """Visit every state."""
        result = StackJudgement(None, set(static(self.plan)))
        if result.violated:
            return result
        reached, waiting = {self.begin}, [self.begin]
        leads: dict[World, list[tuple[str, World]]] = {}
        while waiting:
            world = waiting.pop()
            self.note(world, result)
            leads[world] = list(self.moves(world))
            for _, after in leads[world]:
                if after not in reached:
                    reached.add(after)
                    waiting.append(after)
        result.states = len(reached)
        own = {world for world in reached if world.fault in ("", "executor")}
        ends = {world for world in own if self.finished(world)}
        if own - self.coming(ends, leads, "EBWZ"):
            result.violated.add("no-dead-end")
        if self.begin not in self.coming({world for world in ends if world.way == "forward"}, leads, "EW"):
            result.violated.add("reaches-end")
        return result

    @staticmethod
    def coming(ends: set[World], leads: dict[World, list[tuple[str, World]]], whose: str) -> set[World]:
        """Return the states with a way to the ends by moves of these letters."""
        earlier: dict[World, list[World]] = {}
        for world, ways in leads.items():
            for who, after in ways:
                if who in whose:
                    earlier.setdefault(after, []).append(world)
        found, waiting = set(ends), list(ends)
        while waiting:
            new = [world for world in earlier.get(waiting.pop(), ()) if world not in found]
            found.update(new)
            waiting += new
        return found

    # Words.

    def finished(self, world: World) -> bool:
        return world.way == "rolled-back" or world.step == len(self.plan.steps)

    def of_class(self, step: StackStep, name: str) -> list[int]:
        """Return the units of a class that a step names."""
        return [n for n, named in enumerate(self.names) if named.kind == step.kind.value and named.of == name]

    def to(self, step: StackStep) -> Release:
        return (step.to, step.proxy or step.to) if step.kind is StackKind.WORKERS else both(step.to)

    def old(self, step: StackStep) -> Release:
        """Return the release that a step goes back to."""
        name = next(iter(step.takes))
        group = next((one for one in self.plan.workers if one.id == name), None)
        if step.kind is StackKind.WORKERS and group is not None and group.version == step.from_:
            return step.from_, group.proxy or group.version
        return both(step.from_)

    def before(self, world: World, name: str) -> int:
        """Return how many units of a class earlier steps took to the current step's `to`."""
        step = self.plan.steps[world.step]
        earlier = self.plan.steps[: world.step]
        return sum(one.takes.get(name, 0) for one in earlier if one.kind is step.kind and self.to(one) == self.to(step))

    def target(self, world: World, name: str) -> tuple[Release, int]:
        step = self.plan.steps[world.step]
        if world.way == "forward":
            return self.to(step), self.before(world, name) + step.takes[name]
        return self.old(step), len(self.of_class(step, name)) - self.before(world, name)

    def at(self, world: World, units: list[int], release: Release) -> int:
        return sum(world.units[n] == Unit(release, release) and n not in world.frozen for n in units)

    def held(self, world: World, units: list[int]) -> int:
        return sum(world.units[n].hand for n in units)

    def available(self, world: World, units: list[int]) -> int:
        return sum(world.units[n].run is not None and not world.units[n].hand for n in units)

    def group(self, taints: str) -> list[int]:
        return [n for n, named in enumerate(self.names) if named.kind == "workers" and named.taints == taints]

    def servers(self) -> list[int]:
        return [n for n, named in enumerate(self.names) if named.kind == "apiserver"]

    def whole(self, world: World) -> bool:
        step = self.plan.steps[world.step]
        if step.kind is StackKind.DOWNLOAD:
            return True
        for name in step.takes:
            units = self.of_class(step, name)
            target, quota = self.target(world, name)
            if self.held(world, units) or self.at(world, units, target) != quota:
                return False
        return True

    def begun(self, world: World) -> bool:
        step = self.plan.steps[world.step]
        if step.kind is StackKind.DOWNLOAD:
            return False
        named = [(name, self.of_class(step, name)) for name in step.takes]
        return any(
            self.held(world, units) or sum(world.units[n].disk == self.to(step) for n in units) > self.before(world, name)
            for name, units in named
        )

    # Moves.

    def moves(self, world: World) -> Iterator[tuple[str, World]]:
        """Yield every move with whose it is."""
        if not self.finished(world):
            if world.fault != "executor":
                yield from self.executor(world)
            yield from self.world(world)
        if world.fault:
            units = tuple(u._replace(run=u.disk) if n in world.frozen else u for n, u in enumerate(world.units))
            yield "Z" if world.fault == "executor" else "H", world._replace(units=units, fault="", frozen=frozenset())
        else:
            yield from self.faults(world)

    def executor(self, world: World) -> Iterator[tuple[str, World]]:
        step = self.plan.steps[world.step]
        for name in step.takes if step.kind is not StackKind.DOWNLOAD else ():
            target, _ = self.target(world, name)
            for n in self.of_class(step, name):
                unit = world.units[n]
                if n in world.frozen:
                    continue
                if unit == Unit(target, target, hand=True):
                    yield "E", put(world, n, Unit(target, target))
                if not unit.hand and unit.run is not None and unit != Unit(target, target) and self.may_begin(world, n, name):
                    yield "E", put(world, n, unit._replace(hand=True))
        if self.whole(world):
            yield "E", world._replace(step=world.step + 1) if world.way == "forward" else self.below(world)
        if world.way == "forward":
            if not self.begun(world):
                yield "B", self.below(world)
            elif step.undo:
                yield "B", world._replace(way="back")

    def below(self, world: World) -> World:
        if world.step > 0:
            lower = self.plan.steps[world.step - 1]
            if lower.undo or lower.kind is StackKind.DOWNLOAD:
                return world._replace(way="back", step=world.step - 1)
        return world._replace(way="rolled-back")

    def may_begin(self, world: World, n: int, name: str) -> bool:
        step = self.plan.steps[world.step]
        units = self.of_class(step, name)
        target, quota = self.target(world, name)
        taken = [m for other in step.takes for m in self.of_class(step, other)]
        row = [m for m in taken if self.names[m].row == self.names[n].row]
        return (
            sum(world.units[m].hand or world.units[m].disk == target for m in units) < quota
            and self.held(world, taken) < step.window
            and (step.per_row is None or self.held(world, row) < step.per_row)
            and all(self.holds(world, n, check) for check in step.pre)
        )

    def holds(self, world: World, n: int, check: StackCheck) -> bool:
        kind = self.names[n].kind
        if check is StackCheck.HEALTHY:
            return not world.fault
        if check is StackCheck.FLOOR and kind == "workers":
            group = self.group(self.names[n].taints)
            left = self.available(world, group) - 1 - (1 if self.held(world, group) else 0)
            return left >= self.plan.needed.get(self.names[n].taints, 0)
        if check is StackCheck.BALANCER and kind == "apiserver":
            left = self.available(world, self.servers()) - 1 - (1 if self.held(world, self.servers()) else 0)
            return left / len(self.servers()) >= self.plan.pool.threshold
        return True

    def world(self, world: World) -> Iterator[tuple[str, World]]:
        step = self.plan.steps[world.step]
        for name in step.takes if step.kind is not StackKind.DOWNLOAD else ():
            target, _ = self.target(world, name)
            for n in self.of_class(step, name):
                unit = world.units[n]
                if not unit.hand or n in world.frozen:
                    continue
                if unit.disk != target:
                    yield "W", put(world, n, unit._replace(disk=target))
                elif unit.run is not None and unit.run != target:
                    yield "W", put(world, n, unit._replace(run=None))
                if unit.run is None:
                    yield "W", put(world, n, unit._replace(run=unit.disk))

    def faults(self, world: World) -> Iterator[tuple[str, World]]:
        yield "F", world._replace(fault="executor")
        alive = [n for n, named in enumerate(self.names) if not named.down]
        for n in alive:
            if self.names[n].kind == "workers":
                yield "F", strike(world, "node", [n])
        for server in self.plan.servers:
            yield "F", strike(world, f"host {server.node}", [n for n in alive if self.names[n].of == server.node])
        for row in sorted({self.names[n].row for n in alive}):
            yield "F", strike(world, f"row {row}", [n for n in alive if self.names[n].row == row])

    # Invariants.

    def note(self, world: World, result: StackJudgement) -> None:
        held = any(unit.hand for unit in world.units)
        level = "F" if world.fault else "N" if held else "R"
        result.levels[level] += 1
        result.violated |= set(self.skewed(world, level))
        differ = [unit for unit in world.units if unit.run is not None and unit.run != unit.disk]
        if any(not unit.hand for unit in differ):
            result.violated.add("installed-running")
        if level != "F":
            result.violated |= set(self.spared(world, result))

    def skewed(self, world: World, level: str) -> Iterator[str]:
        apis = {n: present(world.units[n], 0) for n in self.servers()}
        every = {version for versions in apis.values() for version in versions}
        by_node = {self.names[n].of: versions for n, versions in apis.items()}
        if max(map(minor, every)) - min(map(minor, every)) > 1:
            yield "skew-apiserver"
        for n, named in enumerate(self.names):
            unit = world.units[n]
            if named.kind == "workers":
                if any(not 0 <= minor(a) - minor(k) <= lag(k) for k in present(unit, 0) for a in every):
                    yield "skew-kubelet"
                if any(not 0 <= minor(a) - minor(p) <= lag(p) for p in present(unit, 1) for a in every):
                    yield "skew-proxy"
                if level == "R" and unit.run is not None and minor(unit.run[0]) != minor(unit.run[1]):
                    yield "skew-proxy"
            if named.kind == "managers":
                via = next(server.via for server in self.plan.servers if server.node == named.of)
                spoken = by_node[named.of] if via is Via.BESIDE else every
                if any(not 0 <= minor(a) - minor(m) <= 1 for m in present(unit, 0) for a in spoken):
                    yield "skew-managers"

    def spared(  # noqa: C901 - the page's rows, one after the other
        self, world: World, result: StackJudgement
    ) -> Iterator[str]:
        step = self.plan.steps[world.step] if not self.finished(world) else None
        taints = {named.taints for named in self.names if named.kind == "workers"} | set(self.plan.needed)
        for name in taints:
            group, needed = self.group(name), self.plan.needed.get(name, 0)
            left, held = self.available(world, group), self.held(world, group)
            if left < needed:
                yield "capacity"
            if held > 0 and left > 0 and left - 1 < needed:
                if held > 1:
                    yield "capacity"
                elif step is not None:
                    result.exposures[step.id, "node"] += 1
        left, held, count = self.available(world, self.servers()), self.held(world, self.servers()), len(self.servers())
        if left / count < self.plan.pool.threshold:
            yield "lb-threshold"
        if held > 0 and left > 0 and (left - 1) / count < self.plan.pool.threshold:
            if held > 1:
                yield "lb-threshold"
            elif step is not None:
                result.exposures[step.id, "host"] += 1
        if step is not None and step.bgp and self.plan.bgp is not None:
            rows = Counter(named.row for n, named in enumerate(self.names) if named.kind == "workers" and world.units[n].hand)
            if any(count > self.plan.bgp for count in rows.values()):
                yield "bgp-up"


def both(version: str) -> Release:
    """Return the release of a unit with one daemon."""
    return version, version


def lag(version: str) -> int:
    """Return how many minors a kubelet or kube-proxy of a version may be behind: two before 1.25, three from then on."""
    return 3 if minor(version) >= 25 else 2


def present(unit: Unit, daemon: int) -> set[str]:
    """Return the versions of a daemon that a unit runs or has on disk."""
    return {release[daemon] for release in (unit.disk, unit.run) if release is not None}


def put(world: World, n: int, unit: Unit) -> World:
    """Return the state with one unit replaced."""
    return world._replace(units=(*world.units[:n], unit, *world.units[n + 1 :]))


def strike(world: World, fault: str, hit: list[int]) -> World:
    """Return the state in which some units run nothing and are frozen."""
    units = tuple(unit._replace(run=None) if n in hit else unit for n, unit in enumerate(world.units))
    return world._replace(units=units, fault=fault, frozen=frozenset(hit))


def static(plan: StackPlan) -> Iterator[str]:
    """Yield the ids of the static checks that a plan fails."""
    if not names_sound(plan) or not all(step_sound(plan, step) for step in plan.steps):
        yield "plan"
        return
    if not order_sound(plan):
        yield "plan"
    there: set[tuple[str, str]] = set()
    for step in plan.steps:
        pairs = {(name, version) for name in step.takes for version in (step.from_, step.to)}
        if step.kind is StackKind.DOWNLOAD:
            there |= pairs
        elif pairs - there:
            yield "packages"
    moved = any(step.kind is StackKind.APISERVER for step in plan.steps)
    if (plan.apiserver_count is not None and plan.apiserver_count != len(plan.servers)) or (moved and not plan.tolerant):
        yield "apiserver-endpoints"


def names_sound(plan: StackPlan) -> bool:
    """Whether there is a server, nothing is there twice, and every version can be read."""
    names = [one.node for one in plan.servers] + [one.id for one in plan.workers]
    texts: list[str | None] = [text for one in plan.servers for text in (one.version, one.installed, one.managers)]
    texts += [text for one in plan.workers for text in (one.version, one.proxy, one.installed)]
    texts += [text for step in plan.steps for text in (step.from_, step.to, step.proxy)]
    steps = [step.id for step in plan.steps]
    return bool(plan.servers) and len(set(names)) == len(names) and len(set(steps)) == len(steps) and all(map(readable, texts))


def readable(text: str | None) -> bool:
    """Whether a text is a version."""
    try:
        return text is None or bool(Version.parse(text))
    except ValueError:
        return False


def step_sound(plan: StackPlan, step: StackStep) -> bool:
    """Whether a step takes something, and no more of anything than it can."""
    servers: dict[str, Server] = {one.node: one for one in plan.servers}
    workers: dict[str, Workers] = {one.id: one for one in plan.workers}
    for name, count in step.takes.items():
        if step.kind is StackKind.WORKERS:
            most = workers[name].count if name in workers and not workers[name].down else 0
        elif step.kind is StackKind.MANAGERS:
            most = int(name in servers and servers[name].managers is not None)
        elif step.kind is StackKind.APISERVER:
            most = int(name in servers)
        else:
            most = 1 if name in servers else workers[name].count if name in workers else 0
        if not 1 <= count <= most:
            return False
    return bool(step.takes) and (step.kind is not StackKind.APISERVER or sum(step.takes.values()) == 1)


def order_sound(plan: StackPlan) -> bool:
    """Whether each step finds what it takes on its `from`, and goes somewhere else."""
    where: dict[tuple[StackKind, str], Counter[str]] = {}
    for one in plan.servers:
        where[StackKind.APISERVER, one.node] = Counter({one.version: 1})
        if one.managers is not None:
            where[StackKind.MANAGERS, one.node] = Counter({one.managers: 1})
    for group in plan.workers:
        where[StackKind.WORKERS, group.id] = Counter({group.version: group.count})
    for step in plan.steps:
        for name, count in step.takes.items() if step.kind is not StackKind.DOWNLOAD else ():
            here = where[step.kind, name]
            if here[step.from_] < count or step.from_ == step.to:
                return False
            here[step.from_] -= count
            here[step.to] += count
    return True


def judge_stack(plan: StackPlan) -> StackJudgement:
    """Judge a plan."""
    return Oracle(plan).judge()
