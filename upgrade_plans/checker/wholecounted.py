"""The segment of API servers, managers and workers, each step at its worst (docs/semantics.md, 8 to 10 and 16).

Written from the page apart from the prover: where that one computes how many units can be in hand, this one takes them in hand,
one crowd after the other, as long as the checks let it, and judges what it has then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from kubedeb.knowledge import Knowledge, RuleKind, Severity
from kubedeb.versions import Version
from upgrade_plans.checker.wholeworld import SERVER
from upgrade_plans.models.surroundings import ManagersReach
from upgrade_plans.models.upgrade import Daemon, Step, Upgrade
from upgrade_plans.models.upgradekinds import Check
from upgrade_plans.models.upgradekinds import StepKind as Kind

Pair = tuple[Version, Version]
"""What a unit is in: of a worker kubelet and kube-proxy, of others one version twice."""
Key = tuple[Kind, str]
MOVING = (Kind.APISERVER, Kind.MANAGERS, Kind.WORKERS)
RESPECTED = {SERVER: "skew-apiserver", "kubelet": "skew-kubelet", "kube-proxy": "skew-proxy"}
LEADING = ("kube-controller-manager", "kube-scheduler")
UNREAD = "0.0.0"


@dataclass
class Crowd:
    """Units that are alike: how many, where, and in which versions some of them may be (`runs`), how many in each."""

    count: int
    row: str
    text: str
    """The version that it begins on, as it is written."""
    taints: str = ""
    down: bool = False
    runs: Counter[Pair] = field(default_factory=Counter)
    disk: Pair | None = None
    """What lies on the disks at the start, where it is not what runs."""

    @property
    def there(self) -> set[Pair]:
        """Return what may run or would start somewhere."""
        found = {pair for pair, count in self.runs.items() if count > 0}
        if self.disk is not None:
            found = {self.disk} if self.down else found | {self.disk}
        return found


@dataclass
class Found:
    """What the segment comes to: violations (invariant, clause, the first step), exposures (step, fault class), findings."""

    violations: set[tuple[str, str, str | None]] = field(default_factory=set)
    exposures: set[tuple[str, str]] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)


def counted(plan: Upgrade, knowledge: Knowledge) -> Found | None:
    """Return what the segment comes to; None for a plan that has none."""
    steps = [step for step in plan.steps if step.kind in MOVING]
    return _Segment(plan, steps, knowledge).found() if steps else None


class _Segment:
    def __init__(self, plan: Upgrade, steps: list[Step], knowledge: Knowledge) -> None:
        self.plan, self.steps = plan, steps
        self.threshold = plan.balancer.threshold if plan.balancer is not None else 0.0
        self.beside = plan.managers_reach is ManagersReach.LOOPBACK
        self.crowds: dict[Key, Crowd] = dict(_crowds(plan))
        self.result = Found()
        self.noted: set[tuple[str, str]] = set()
        self.rows = [
            rule for rule in knowledge.rules
            if rule.kind is RuleKind.SKEW and rule.severity is Severity.FORBID and rule.skew is not None
            and rule.skew.against == SERVER and not rule.skew.on_node
        ]  # fmt: skip

    def found(self) -> Found:
        unsound = list(self._unsound()) or list(self._out_of_order())
        self.result.violations = {("plan", "static", step) for step in unsound}
        if unsound:
            return self.result
        self.result.findings = list(self._thin_rows())
        for step in self.steps:
            self._note(step.id, self._resting())
            able = [name for name in step.takes if self._room(step, name, 0) > 0]
            if able:
                old = {name: self._enter(step, name) for name in able}
                self._note(step.id, [*self._apart(), *self._worst(step, able)])
            if len(able) < len(step.takes):
                self._note(step.id, [("reaches-end", "endless")])
                if able and step.undo is None:
                    self._note(step.id, [("no-dead-end", "stuck")])
                return self.result
            for name, pair in old.items():
                self.crowds[step.kind, name].runs[pair] -= step.takes[name]
        self._note(None, self._resting())
        return self.result

    def _note(self, step: str | None, clauses: Iterable[tuple[str, str]]) -> None:
        for clause in clauses:
            if clause not in self.noted:
                self.noted.add(clause)
                self.result.violations.add((*clause, step))

    # What makes no sense.

    def _unsound(self) -> Iterator[str | None]:
        if not self._of(Kind.APISERVER):
            yield None
        for step in self.steps:
            for name, count in step.takes.items():
                crowd = self.crowds.get((step.kind, name))
                able = 0 if crowd is None or crowd.down else crowd.count
                if not 1 <= count <= able:
                    yield step.id
            if not step.takes or (step.kind is Kind.APISERVER and sum(step.takes.values()) > 1):
                yield step.id

    def _out_of_order(self) -> Iterator[str]:
        """Yield steps that do not find as many as they take on what they begin with."""
        on = {key: Counter({crowd.text: crowd.count}) for key, crowd in self.crowds.items()}
        for step in self.steps:
            old, new = str(step.from_), str(step.to)
            for name, count in step.takes.items():
                here = on[step.kind, name]
                if old == new or here[old] < count:
                    yield step.id
                here[old] -= count
                here[new] += count

    def _of(self, kind: Kind) -> dict[str, Crowd]:
        return {name: crowd for (one, name), crowd in self.crowds.items() if one is kind}

    # Versions beside each other.

    def _enter(self, step: Step, name: str) -> Pair:
        """Let what a step takes of a crowd be in its target too; return what it was in."""
        runs, begins, new = self.crowds[step.kind, name].runs, Version.parse(str(step.from_)), Version.parse(str(step.to))
        old = next(pair for pair, count in runs.items() if count > 0 and pair[0] == begins and pair != (new, new))
        runs[new, new] += step.takes[name]
        return old

    def _apart(self) -> Iterator[tuple[str, str]]:
        servers = {name: {pair[0] for pair in crowd.there} for name, crowd in self._of(Kind.APISERVER).items()}
        every = set[Version]().union(*servers.values())
        pairs = [pair for crowd in self._of(Kind.WORKERS).values() for pair in crowd.there]
        asked = {SERVER: every, "kubelet": {pair[0] for pair in pairs}, "kube-proxy": {pair[1] for pair in pairs}}
        for component, versions in asked.items():
            if self._broken(component, versions, every):
                yield RESPECTED[component], "pair"
        for name, crowd in self._of(Kind.MANAGERS).items():
            reached = servers[name] if self.beside else every
            if any(self._broken(one, {pair[0] for pair in crowd.there}, reached) for one in LEADING):
                yield "skew-managers", "pair"

    def _broken(self, component: str, versions: set[Version], servers: set[Version]) -> bool:
        return any(
            one in rule.from_ and other in rule.to and not rule.skew.allows(one, other)
            for rule in self.rows if rule.component == component and rule.skew is not None
            for one in versions for other in servers
        )  # fmt: skip

    def _resting(self) -> Iterator[tuple[str, str]]:
        """Yield what is violated while nothing is in hand."""
        yield from self._apart()
        if any(crowd.disk is not None and not crowd.down for crowd in self.crowds.values()):
            yield "installed-running", "rest"
        running = [
            pair for crowd in self._of(Kind.WORKERS).values() if not crowd.down for pair, n in crowd.runs.items() if n > 0
        ]
        if any(kubelet.line != proxy.line for kubelet, proxy in running):
            yield "skew-proxy", "node"
        if any(self._whole(taints) < self._needed(taints) for taints in self._groups()):
            yield "capacity", "floor"

    # What can be in hand.

    def _groups(self) -> list[str]:
        return list(dict.fromkeys([*sorted(self.plan.needed), *(crowd.taints for crowd in self._of(Kind.WORKERS).values())]))

    def _whole(self, taints: str) -> int:
        return sum(crowd.count for crowd in self._of(Kind.WORKERS).values() if crowd.taints == taints and not crowd.down)

    def _needed(self, taints: str) -> int:
        return self.plan.needed.get(taints, 0)

    def _room(self, step: Step, name: str, held: int) -> int:
        """Return how many more of a crowd the checks let through while `held` of its taint group (its pool) are in hand."""
        if step.kind is Kind.WORKERS and Check.FLOOR in step.pre:
            taints = self.crowds[step.kind, name].taints
            spare = self._whole(taints) - self._needed(taints)
        elif step.kind is Kind.APISERVER and Check.BALANCER in step.pre:
            servers = len(self._of(Kind.APISERVER))
            spare = sum((servers - gone) / servers >= self.threshold for gone in range(1, servers + 1))
        else:
            return step.takes[name]
        # The first is taken where it can be spared; each further one only where one more could be, too.
        return max(0, spare - 1 - held) if held else max(min(spare, 1), spare - 1)

    def _taken(self, step: Step, names: list[str]) -> int:
        """Take as many of some crowds in hand as can be, none released; return how many."""
        rows, groups, total = Counter[str](), Counter[str](), 0
        for name in names:
            crowd = self.crowds[step.kind, name]
            room = [step.takes[name], step.window - total, self._room(step, name, groups[crowd.taints])]
            if step.per_row is not None:
                room.append(step.per_row - rows[crowd.row])
            some = max(0, min(room))
            total += some
            rows[crowd.row] += some
            groups[crowd.taints] += some
        return total

    def _worst(self, step: Step, able: list[str]) -> Iterator[tuple[str, str]]:
        if step.kind is Kind.APISERVER:
            servers = len(self._of(Kind.APISERVER))
            if (servers - 1) / servers < self.threshold:
                yield "lb-threshold", "below"
            if servers > 1 and (servers - 2) / servers < self.threshold:
                self.result.exposures.add((step.id, "host"))
        if step.kind is not Kind.WORKERS:
            return
        crowds = {name: self.crowds[step.kind, name] for name in able}
        for taints in dict.fromkeys(crowd.taints for crowd in crowds.values()):
            yield from self._spent(step, taints, self._taken(step, [name for name in able if crowds[name].taints == taints]))
        limit = self.plan.bgp_per_row
        for row in dict.fromkeys(crowd.row for crowd in crowds.values()) if step.bgp and limit is not None else ():
            if limit is not None and self._taken(step, [name for name in able if crowds[name].row == row]) > limit:
                yield "bgp-up", "row"

    def _spent(self, step: Step, taints: str, most: int) -> Iterator[tuple[str, str]]:
        """Yield what is violated while 1 … `most` nodes of a taint group are in hand; with one it is an exposure."""
        whole, needed = self._whole(taints), self._needed(taints)
        if whole - most < needed:
            yield "capacity", "floor"
        lost = [held for held in (1, min(most, whole - 1)) if 0 < whole - held <= needed]
        if 1 in lost:
            self.result.exposures.add((step.id, "node"))
        if any(held > 1 for held in lost):
            yield "capacity", "spare"

    def _thin_rows(self) -> Iterator[str]:
        """Yield rows whose loss leaves a taint group below what it needs."""
        for taints in self._groups():
            rows: Counter[str] = Counter()
            for crowd in self._of(Kind.WORKERS).values():
                rows[crowd.row] += crowd.count if crowd.taints == taints and not crowd.down else 0
            needed = self._needed(taints)
            for row, count in sorted(rows.items()):
                if needed and count and rows.total() - count < needed:
                    whose = f"taint group {taints}" if taints else "the untainted nodes"
                    held = f"row {row} holds {count} of {rows.total()} of {whose}"
                    yield f"{held}: its loss leaves fewer than the {needed} needed"


# The start.


def _crowds(plan: Upgrade) -> Iterator[tuple[Key, Crowd]]:
    for host in plan.hosts:
        row = host.row or host.node
        server, manager = host.daemons.get(SERVER), host.daemons.get(LEADING[0])
        if server is not None:
            yield (Kind.APISERVER, host.node), _crowd(server, server, 1, row)
        if server is not None and manager is not None and (manager.running or manager.installed):
            alone = Daemon(running=manager.running or manager.installed)
            yield (Kind.MANAGERS, host.node), _crowd(alone, alone, 1, row)
    for group in plan.workers:
        kubelet = group.daemons.get("kubelet")
        if kubelet is not None:
            crowd = _crowd(kubelet, group.daemons.get("kube-proxy", kubelet), group.count, group.row or group.id)
            crowd.taints, crowd.down = group.taints, group.down
            if crowd.down and crowd.disk is None:
                crowd.disk = next(iter(crowd.runs))
            yield (Kind.WORKERS, group.id), crowd


def _crowd(first: Daemon, second: Daemon, count: int, row: str) -> Crowd:
    runs = Version.parse(_text(first)), Version.parse(_text(second))
    disk = (Version.parse(first.installed),) * 2 if first.installed else runs
    return Crowd(count, row, _text(first), runs=Counter({runs: count}), disk=disk if disk != runs else None)


def _text(daemon: Daemon) -> str:
    return daemon.running or daemon.installed or UNREAD
