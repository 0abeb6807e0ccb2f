"""A pass over the workers: which node first, how many next, what may be empty at the same time, how long it takes at least.

Nodes that are alike are counted. A batch is a set of nodes that is worked off in a rolling window: as soon as one node is back,
the next one begins, as long as no limit is exceeded. The canary is one node; batches after it grow; the last one is the rest.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import floor

Group = tuple["Nodes", int]
"""Nodes that are alike and how many of them."""


@dataclass(frozen=True, order=True)
class Nodes:
    """Nodes that are alike: where they stand, what may run on them, what they are made of, how long one takes (mean seconds).

    `load` is what one of them can carry, in the unit of `Floor`.
    """

    row: str
    rack: str
    taints: str
    hardware: str
    architecture: str
    seconds: float
    load: float = 1.0
    frozen: bool = False


@dataclass(frozen=True)
class Floor:
    """A taint group's capacity: what its pods ask for, and the largest single pod, in one unit (cores, say)."""

    requested: float
    largest_pod: float = 0.0


@dataclass(frozen=True)
class Budget:
    """A PodDisruptionBudget: how many of `pods`, all of which run on nodes of one taint group, may be gone."""

    name: str
    taints: str
    pods: int
    allowed: int


@dataclass(frozen=True)
class Policy:
    """What a pass must keep to. None and missing keys: no limit of that kind.

    `per_row` and `per_rack` are one number for all or one for each (a rack is `row/rack`). `floors` limit by capacity,
    `unavailable` by share of the nodes and `per_taints` by number, all by taint group. `bgp` is how many nodes of a row
    may be without their sessions in one address family: one, or more where the DC is depooled; None for a pass that leaves BGP
    alone. `growth` is the factor from one batch to the next. `soak` is the time after each batch but the last, in seconds.
    """

    in_all: int | None = None
    per_row: int | Mapping[str, int] | None = None
    per_rack: int | Mapping[str, int] | None = None
    unavailable: Mapping[str, float] = field(default_factory=dict)
    floors: Mapping[str, Floor] = field(default_factory=dict)
    budgets: tuple[Budget, ...] = ()
    per_taints: Mapping[str, int] = field(default_factory=dict)
    bgp: int | None = None
    families: tuple[str, ...] = ("IPv4", "IPv6")
    growth: int = 4
    soak: float = 0.0


class Kind(StrEnum):
    """What a limit is about."""

    ALL = "all"
    ROW = "row"
    RACK = "rack"
    TAINTS = "taint group"
    CAPACITY = "capacity"
    BUDGET = "disruption budget"
    BGP = "bgp"


@dataclass(frozen=True)
class Limit:
    """At most `allowed` nodes of a domain at once; `groups` are indices into the pass's groups; `why` is for people."""

    kind: Kind
    domain: str
    allowed: int
    groups: tuple[int, ...]
    why: str


@dataclass(frozen=True)
class Batch:
    """Nodes worked off in a window of `window` nodes, then a soak (seconds). `takes` are (index of a group, how many of it)."""

    window: int
    takes: tuple[tuple[int, int], ...]
    soak: float

    @property
    def size(self) -> int:
        """Return how many nodes it holds."""
        return sum(count for _, count in self.takes)


@dataclass(frozen=True)
class Rollout:
    """A pass: its groups, the limits, the batches in order, what is left out because it is frozen, findings."""

    groups: tuple[Group, ...]
    limits: tuple[Limit, ...]
    batches: tuple[Batch, ...]
    frozen: int
    findings: tuple[str, ...] = ()

    @property
    def soaks(self) -> float:
        """Return the sum of the soaks, in seconds."""
        return sum(batch.soak for batch in self.batches)

    @property
    def binding(self) -> Limit | None:
        """Return the limit that the pass takes longest for, None where nothing limits it."""
        return max(self.limits, key=self.work, default=None)

    def work(self, limit: Limit) -> float:
        """Return how long a limit's nodes take at least: nodes ÷ allowed × mean seconds of one."""
        return sum(self.groups[index][0].seconds * self.groups[index][1] for index in limit.groups) / limit.allowed

    @property
    def at_least(self) -> float:
        """Return the least time that the pass can take, in seconds: the largest of the limits', and the soaks asked for."""
        slowest = max((nodes.seconds for nodes, _ in self.groups), default=0.0)
        return max([slowest, *map(self.work, self.limits)]) + self.soaks


def roll_out(fleet: Sequence[Group], policy: Policy) -> Rollout:
    """Return the pass over a fleet. Pure; the same fleet in any order gives the same pass.

    Raises `ValueError` when a limit leaves no room for a single node: it names the domain and the figures.
    """
    counted: Counter[Nodes] = Counter()
    for nodes, count in fleet:
        counted[nodes] += count
    groups = tuple(sorted((nodes, count) for nodes, count in counted.items() if count and not nodes.frozen))
    frozen = sum(count for nodes, count in counted.items() if nodes.frozen)
    found = tuple(limits(groups, policy))
    return Rollout(groups, found, tuple(_batches(groups, found, policy)), frozen, tuple(_findings(policy, frozen)))


def _findings(policy: Policy, frozen: int) -> Iterator[str]:
    if frozen:
        yield f"{frozen} nodes are frozen: they stay on their version, which the skew rules must still allow"
    for budget in policy.budgets:
        if budget.allowed < 1:
            what = "allows no disruption at full health: no node that holds its pods can be drained"
            yield f"disruption budget {budget.name} {what}"


# Limits.


def limits(groups: Sequence[Group], policy: Policy) -> Iterator[Limit]:
    """Yield every limit of a pass, the domains in order. Raises `ValueError`, see `roll_out`."""
    everywhere = tuple(range(len(groups)))
    if policy.in_all is not None and groups:
        yield _limit(Kind.ALL, "", policy.in_all, everywhere, "at most so many in all")
    rows = _by(groups, lambda nodes: nodes.row)
    for row, members in rows.items():
        if policy.per_row is not None:
            yield _limit(Kind.ROW, row, _most(policy.per_row, row), members, "at most so many in a row")
        if policy.bgp is not None:
            for family in policy.families:
                why = f"nodes of a row whose {family} sessions are down"
                yield _limit(Kind.BGP, f"{row} {family}", policy.bgp, members, why)
    if policy.per_rack is not None:
        for rack, members in _by(groups, lambda nodes: f"{nodes.row}/{nodes.rack}").items():
            yield _limit(Kind.RACK, rack, _most(policy.per_rack, rack), members, "at most so many in a rack")
    for taints, members in _by(groups, lambda nodes: nodes.taints).items():
        yield from _of_taints(groups, taints, members, policy)


def _most(allowed: int | Mapping[str, int], domain: str) -> int:
    return allowed if isinstance(allowed, int) else allowed[domain]


def _by(groups: Sequence[Group], key: Callable[[Nodes], str]) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for index, (nodes, _) in enumerate(groups):
        found.setdefault(key(nodes), []).append(index)
    return {name: tuple(found[name]) for name in sorted(found)}


def _limit(kind: Kind, domain: str, allowed: int, members: tuple[int, ...], why: str) -> Limit:
    if allowed < 1:
        raise ValueError(f"{kind} {domain}: no node may be unavailable ({why})")
    return Limit(kind, domain, allowed, members, why)


def _of_taints(groups: Sequence[Group], taints: str, members: tuple[int, ...], policy: Policy) -> Iterator[Limit]:
    count = sum(groups[index][1] for index in members)
    if (share := policy.unavailable.get(taints)) is not None:
        allowed = max(1, floor(share * count))
        yield _limit(Kind.TAINTS, taints, allowed, members, f"{share:.0%} of {count} nodes, and at least one")
    if (most := policy.per_taints.get(taints)) is not None:
        yield _limit(Kind.TAINTS, taints, most, members, f"{most} of {count} nodes")
    if (least := policy.floors.get(taints)) is not None:
        whole = sum(groups[index][0].load * groups[index][1] for index in members)
        largest = max(groups[index][0].load for index in members)
        spare = whole - least.requested - least.largest_pod
        amounts = map(_amount, (whole, least.requested, least.largest_pod, largest))
        why = "{} there, {} asked for, {} for the largest pod, {} a node".format(*amounts)
        yield _limit(Kind.CAPACITY, taints, floor(spare / largest), members, why)
    for budget in policy.budgets:
        # Every node holds at least so many of its pods, whatever the scheduler does.
        sure = budget.pods // count if budget.taints == taints else 0
        if sure and budget.allowed >= 1:
            why = f"{budget.allowed} of {budget.pods} pods of {budget.name} may be gone, and each of {count} nodes holds {sure}"
            yield _limit(Kind.BUDGET, budget.name, max(1, budget.allowed // sure), members, why)


def _amount(value: float) -> str:
    """Return millicores, bytes or cores as people read them: no powers of ten."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


# Batches.


def _batches(groups: tuple[Group, ...], found: tuple[Limit, ...], policy: Policy) -> Iterator[Batch]:
    """Yield the canary, growing batches while they are less than half of what the limits let through, and the rest."""
    window, marks, size = Window(groups, found), _marks(groups), 1
    widest = window.widest() if found else window.left
    while window.left and (size == 1 or 2 * size < widest):
        takes = window.take(size, marks)
        yield Batch(sum(count for _, count in takes), takes, policy.soak if window.left else 0.0)
        size *= policy.growth
    if window.left:
        yield Batch(widest, tuple((index, count) for index, count in enumerate(window.waiting) if count), 0.0)


Marks = dict[tuple[str, str], list[int]]


def _marks(groups: tuple[Group, ...]) -> Marks:
    """Return what sets nodes apart, each with the groups that have it: the early batches meet each of it once."""
    found: Marks = {}
    for index, (nodes, _) in enumerate(groups):
        for mark in _marks_of(nodes):
            found.setdefault(mark, []).append(index)
    return dict(sorted(found.items()))


def _marks_of(nodes: Nodes) -> tuple[tuple[str, str], ...]:
    kinds = ("architecture", nodes.architecture), ("hardware", nodes.hardware), ("taints", nodes.taints)
    return (*kinds, ("unseen row", nodes.row))


class Window:
    """Nodes that wait and nodes that are in work, counted; says which may begin next."""

    def __init__(self, groups: Sequence[Group], found: Sequence[Limit], takes: Sequence[tuple[int, int]] | None = None) -> None:
        """Begin with all nodes of the groups waiting, or with those of `takes`."""
        self.groups = groups
        self.waiting = [count for _, count in groups] if takes is None else [0] * len(groups)
        for index, count in takes or ():
            self.waiting[index] = count
        self.left = sum(self.waiting)
        self._free = [limit.allowed for limit in found]
        self._allowed = [limit.allowed for limit in found]
        self._work = [sum(groups[index][0].seconds * self.waiting[index] for index in limit.groups) for limit in found]
        self._of: list[list[int]] = [[] for _ in groups]
        for number, limit in enumerate(found):
            for index in limit.groups:
                self._of[index].append(number)
        self._rows: dict[str, dict[str, dict[str, list[int]]]] = {}
        """By taint group, row and rack the groups that wait; the rack that was picked from last stands last."""
        for index, (nodes, _) in enumerate(groups):
            if self.waiting[index]:
                racks = self._rows.setdefault(nodes.taints, {}).setdefault(nodes.row, {})
                racks.setdefault(nodes.rack, []).append(index)
        self._left: dict[tuple[str, str], int] = {}
        self._shared: dict[tuple[str, ...], list[int]] = {}
        """The limits that all nodes of a taint group, of its part in a row, or in a rack, share."""
        for taints, rows in self._rows.items():
            for row, racks in rows.items():
                self._left[taints, row] = sum(self.waiting[index] for ids in racks.values() for index in ids)
                for rack, ids in racks.items():
                    self._shared[taints, row, rack] = _common([self._of[index] for index in ids])
                self._shared[taints, row] = _common([self._shared[taints, row, rack] for rack in racks])
            self._shared[(taints,)] = _common([self._shared[taints, row] for row in rows])

    def _open(self, numbers: list[int]) -> bool:
        return all(self._free[number] > 0 for number in numbers)

    def _pressing(self, numbers: list[int]) -> float:
        """Return how long what still waits takes at least by the tightest of some limits."""
        return max((self._work[number] / self._allowed[number] for number in numbers), default=0.0)

    def pick(self) -> int | None:
        """Return the group whose node begins next, None when none may: of the most pressing taint group, in its fullest row."""
        for taints in sorted(self._rows, key=lambda name: (-self._pressing(self._shared[(name,)]), name)):
            rows = self._rows[taints] if self._open(self._shared[(taints,)]) else {}
            for row in sorted(rows, key=lambda name: (-self._left[taints, name], name)):
                if self._open(self._shared[taints, row]) and (index := self._in_row(taints, row)) is not None:
                    return index
        return None

    def _in_row(self, taints: str, row: str) -> int | None:
        for rack, ids in self._rows[taints][row].items():
            if self._open(self._shared[taints, row, rack]):
                for index in ids:
                    if self._open(self._of[index]):
                        return index
        return None

    def begin(self, index: int) -> None:
        """Let a node of a group begin."""
        nodes = self.groups[index][0]
        self.waiting[index] -= 1
        self.left -= 1
        self._left[nodes.taints, nodes.row] -= 1
        racks = self._rows[nodes.taints][nodes.row]
        ids = racks.pop(nodes.rack)
        if not self.waiting[index]:
            ids.remove(index)
        if ids:
            racks[nodes.rack] = ids
        for number in self._of[index]:
            self._free[number] -= 1
            self._work[number] -= nodes.seconds

    def end(self, index: int) -> None:
        """Let a node of a group be back."""
        for number in self._of[index]:
            self._free[number] += 1

    def widest(self) -> int:
        """Return how many nodes may be in work at once, taken as they would begin; none has begun afterwards."""
        begun: list[int] = []
        while (index := self.pick()) is not None:
            self.begin(index)
            begun.append(index)
        for index in begun:
            nodes = self.groups[index][0]
            self.end(index)
            if not self.waiting[index]:
                insort(self._rows[nodes.taints][nodes.row].setdefault(nodes.rack, []), index)
            self.waiting[index] += 1
            self._left[nodes.taints, nodes.row] += 1
            for number in self._of[index]:
                self._work[number] += nodes.seconds
        self.left += len(begun)
        return len(begun)

    def take(self, size: int, marks: Marks) -> tuple[tuple[int, int], ...]:
        """Take out nodes that may all be in work at once; those with `marks` come first, and the marks met are deleted."""
        taken: Counter[int] = Counter()
        while taken.total() < size:
            index = self._fresh(marks, first=size == 1)
            if index is None and (index := self.pick()) is None:
                break
            for mark in _marks_of(self.groups[index][0]):
                marks.pop(mark, None)
            self.begin(index)
            taken[index] += 1
        for index, count in taken.items():
            for _ in range(count):
                self.end(index)
        return tuple(sorted(taken.items()))

    def _fresh(self, marks: Marks, *, first: bool) -> int | None:
        """Return a group with a mark that was not met; the canary is of the commonest kind."""
        if first:
            return max(range(len(self.groups)), key=lambda index: (self.groups[index][1], -index))
        able = (i for ids in marks.values() for i in ids if self.waiting[i] and self._open(self._of[i]))
        return next(able, None)


def _common(listed: list[list[int]]) -> list[int]:
    """Return what is in all of some lists, ascending."""
    common = set(listed[0])
    for numbers in listed[1:]:
        common.intersection_update(numbers)
    return sorted(common)
