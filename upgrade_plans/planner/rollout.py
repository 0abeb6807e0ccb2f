"""A pass over the workers: which node first, how many next, what may be empty at the same time, how long it takes at least.

Nodes that are alike are counted. A batch is a set of nodes that is worked off in a rolling window: as soon as one node is back,
the next one begins, as long as no limit is exceeded. The canary is one node; batches after it grow; the last one is the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from math import floor
from operator import attrgetter, itemgetter, mul
from typing import NamedTuple

from kubedeb.garbage import no_search_for_garbage
from upgrade_plans.planner.rolling import Block, Window, blocks_of, marks_of

Group = tuple["Nodes", int]
"""Nodes that are alike and how many of them."""


class Nodes(NamedTuple):
    """Nodes that are alike: where they stand, what may run on them, what they are made of, how long one takes (mean seconds).

    `load` is what one of them can carry, in the unit of `Floor`. A named tuple: tens of thousands are hashed and sorted.
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
    """A taint group's capacity: what its pods ask for, and the largest single pod, in one unit: `cpu` (thousandths of a core),
    `memory` (bytes), or any other.
    """

    requested: float
    largest_pod: float = 0.0
    unit: str = ""


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
    """At most `allowed` nodes of a domain at once; `groups`: indices into the pass's groups, ascending; `why` is for people."""

    kind: Kind
    domain: str
    allowed: int
    groups: Sequence[int]
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


@no_search_for_garbage()
def roll_out(fleet: Sequence[Group], policy: Policy) -> Rollout:
    """Return the pass over a fleet. Pure; the same fleet in any order gives the same pass.

    Raises `ValueError` when a limit leaves no room for a single node: it names the domain and the figures.
    """
    found_groups, frozen = list[Group](), 0
    for group in sorted(fleet):
        nodes, count = group
        if nodes.frozen:
            frozen += count
        elif found_groups and found_groups[-1][0] == nodes:
            found_groups[-1] = nodes, found_groups[-1][1] + count
        elif count:
            found_groups.append(group)
    groups = tuple(found_groups)
    blocks = blocks_of(groups)
    found = tuple(limits(groups, blocks, policy))
    batches = tuple(_batches(Window(groups, found, blocks=blocks), policy))
    return Rollout(groups, found, batches, frozen, tuple(_findings(policy, frozen)))


def _findings(policy: Policy, frozen: int) -> Iterator[str]:
    if frozen:
        yield f"{frozen} nodes are frozen: they stay on their version, which the skew rules must still allow"
    for budget in policy.budgets:
        if budget.allowed < 1:
            what = "allows no disruption at full health: no node that holds its pods can be drained"
            yield f"disruption budget {budget.name} {what}"


# Limits.


def limits(groups: Sequence[Group], blocks: Sequence[Block], policy: Policy) -> Iterator[Limit]:
    """Yield every limit of a pass over sorted groups, the domains in order. Raises `ValueError`, see `roll_out`."""
    if policy.in_all is not None and groups:
        yield _limit(Kind.ALL, "", policy.in_all, range(len(groups)), "at most so many in all")
    rows = {row: _from_to([*some]) for row, some in groupby(blocks, attrgetter("row"))}
    for row, members in rows.items():
        if policy.per_row is not None:
            yield _limit(Kind.ROW, row, _most(policy.per_row, row), members, "at most so many in a row")
        if policy.bgp is not None:
            for family in policy.families:
                why = f"nodes of a row whose {family} sessions are down"
                yield _limit(Kind.BGP, f"{row} {family}", policy.bgp, members, why)
    if policy.per_rack is not None:
        racks = {f"{row}/{rack}": _from_to([*some]) for (row, rack), some in groupby(blocks, attrgetter("row", "rack"))}
        for rack, members in sorted(racks.items(), key=itemgetter(0)):
            yield _limit(Kind.RACK, rack, _most(policy.per_rack, rack), members, "at most so many in a rack")
    by_taints = defaultdict[str, list[int]](list)
    for block in blocks:
        by_taints[block.taints] += range(block.begin, block.end)
    for taints, indices in sorted(by_taints.items()):
        yield from _of_taints(groups, taints, indices, policy)


def _from_to(blocks: list[Block]) -> range:
    return range(blocks[0].begin, blocks[-1].end)


def _most(allowed: int | Mapping[str, int], domain: str) -> int:
    return allowed if isinstance(allowed, int) else allowed[domain]


def _limit(kind: Kind, domain: str, allowed: int, members: Sequence[int], why: str) -> Limit:
    if allowed < 1:
        raise ValueError(f"{f'{kind} {domain}'.strip()}: no node may be unavailable ({why})")
    return Limit(kind, domain, allowed, members, why)


def _of_taints(groups: Sequence[Group], taints: str, members: Sequence[int], policy: Policy) -> Iterator[Limit]:
    counts = [groups[index][1] for index in members]
    count = sum(counts)
    if (share := policy.unavailable.get(taints)) is not None:
        allowed = max(1, floor(share * count))
        yield _limit(Kind.TAINTS, taints, allowed, members, f"{share:.0%} of {count} nodes, and at least one")
    if (most := policy.per_taints.get(taints)) is not None:
        yield _limit(Kind.TAINTS, taints, most, members, f"{most} of {count} nodes")
    if (least := policy.floors.get(taints)) is not None:
        loads = [groups[index][0].load for index in members]
        whole, largest = sum(map(mul, loads, counts)), max(loads)
        spare = whole - least.requested - least.largest_pod
        amounts = [_amount(one, least.unit) for one in (whole, least.requested, least.largest_pod, largest)]
        why = "{} there, {} asked for, {} for the largest pod, {} a node".format(*amounts)
        yield _limit(Kind.CAPACITY, taints, floor(spare / largest), members, why)
    for budget in policy.budgets:
        # Every node holds at least so many of its pods, whatever the scheduler does.
        sure = budget.pods // count if budget.taints == taints else 0
        if sure and budget.allowed >= 1:
            why = f"{budget.allowed} of {budget.pods} pods of {budget.name} may be gone, and each of {count} nodes holds {sure}"
            yield _limit(Kind.BUDGET, budget.name, max(1, budget.allowed // sure), members, why)


def _amount(value: float, unit: str) -> str:
    """Return an amount as people read it: cores, GiB, or the bare number of another unit; no powers of ten."""
    if unit == "cpu":
        return f"{value / 1000:,.1f} cores"
    if unit == "memory":
        return f"{value / (1 << 30):,.1f} GiB"
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


# Batches.


def _batches(window: Window, policy: Policy) -> Iterator[Batch]:
    """Yield the canary, growing batches while they are less than half of what the limits let through, and the rest."""
    marks, size, widest = marks_of(window.groups), 1, window.widest()
    while window.left and (size == 1 or 2 * size < widest):
        takes = window.take(size, marks)
        yield Batch(sum(count for _, count in takes), takes, policy.soak if window.left else 0.0)
        size *= policy.growth
    if window.left:
        yield Batch(widest, tuple((index, count) for index, count in enumerate(window.waiting) if count), 0.0)
