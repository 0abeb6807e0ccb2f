"""Which node begins next: nodes that wait and nodes that are in work, counted, within the limits of a pass.

A pass over a hundred thousand nodes asks this ten thousand times: rows stand in a heap, the fullest first, and those that no
limit lets through now are passed over and put back.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from upgrade_plans.planner.rollout import Group, Limit, Nodes

Marks = dict[tuple[str, str], list[int]]
OWN: tuple[tuple[str, Callable[[Nodes], str]], ...] = (
    ("architecture", attrgetter("architecture")), ("hardware", attrgetter("hardware")), ("taints", attrgetter("taints")),
    ("unseen row", attrgetter("row")),
)  # fmt: skip
"""What sets nodes apart that the early batches are to meet."""


class Block(NamedTuple):
    """Groups (indices from `begin` to before `end`) of a taint group in a rack: every limit holds for all or none of them."""

    row: str
    rack: str
    taints: str
    begin: int
    end: int


def blocks_of(groups: Sequence[Group]) -> list[Block]:
    """Return the blocks of sorted groups, in their order: nodes begin with row, rack and taints, so a block stands together."""
    found, last, begin = list[Block](), None, 0
    for index, (nodes, _) in enumerate(groups):
        if (place := nodes[:3]) != last:
            if last is not None:
                found.append(Block(*last, begin, index))
            last, begin = place, index
    return found if last is None else [*found, Block(*last, begin, len(groups))]


def marks_of(groups: Sequence[Group]) -> Marks:
    """Return what sets nodes apart, each with the groups that have it: the early batches meet each of it once."""
    found = [defaultdict[str, list[int]](list) for _ in OWN]
    architectures, hardware, taints, rows = found
    for index, (nodes, _) in enumerate(groups):  # once: to get hold of so many nodes is what takes the time
        architectures[nodes.architecture].append(index)
        hardware[nodes.hardware].append(index)
        taints[nodes.taints].append(index)
        rows[nodes.row].append(index)
    return {(kind, name): by[name] for (kind, _), by in zip(OWN, found, strict=True) for name in sorted(by)}


class Window:
    """Nodes that wait and nodes that are in work, counted; says which may begin next."""

    def __init__(
        self, groups: Sequence[Group], found: Sequence[Limit], takes: Sequence[tuple[int, int]] | None = None,
        blocks: Sequence[Block] | None = None,
    ) -> None:  # fmt: skip
        """Begin with all nodes of the groups, which are sorted, waiting, or with those of `takes`.

        Limits are about whole blocks, as those of `rollout.limits`; `blocks` are the groups', where they are known already.
        """
        self.groups = groups
        self.waiting = [count for _, count in groups] if takes is None else [0] * len(groups)
        for index, count in takes or ():
            self.waiting[index] = count
        self.left = sum(self.waiting)
        self._free = [limit.allowed for limit in found]
        self._allowed = [limit.allowed for limit in found]
        work = [nodes.seconds * count for (nodes, _), count in zip(groups, self.waiting, strict=True)]
        self._work = [sum(_chosen(work, limit.groups)) for limit in found]
        blocks = blocks_of(groups)
        self._of = [
            limits
            for block, limits in zip(blocks, _of_blocks(blocks, found), strict=True)
            for _ in range(block.end - block.begin)
        ]
        """By group the limits that hold for it; the groups of a block share one list."""
        self._rows: dict[str, dict[str, dict[str, list[int]]]] = {}
        """By taint group, row and rack the groups that wait; the rack that was picked from last stands last."""
        for block, of in zip(blocks, _of_blocks(blocks, found), strict=True):
            self._of += [of] * (block.end - block.begin)
            members = [index for index in range(block.begin, block.end) if self.waiting[index]]
            if members:
                self._rows.setdefault(block.taints, {}).setdefault(block.row, {})[block.rack] = members
        self._left: dict[tuple[str, str], int] = {}
        self._fullest: dict[str, list[tuple[int, str]]] = {}
        """By taint group a heap of its rows with what waited in them, negated, when they were put in."""
        self._shared: dict[tuple[str, ...], list[int]] = {}
        """The limits that all nodes of a taint group, of its part in a row, or in a rack, share."""
        for taints, rows in self._rows.items():
            for row, racks in rows.items():
                self._left[taints, row] = sum([self.waiting[index] for ids in racks.values() for index in ids])
                for rack, ids in racks.items():
                    self._shared[taints, row, rack] = self._of[ids[0]]
                self._shared[taints, row] = _common([self._shared[taints, row, rack] for rack in racks])
            self._shared[(taints,)] = _common([self._shared[taints, row] for row in rows])
        self._rank()

    def _rank(self) -> None:
        for taints, rows in self._rows.items():
            self._fullest[taints] = [(-self._left[taints, row], row) for row in rows]
            heapify(self._fullest[taints])

    def _open(self, numbers: list[int]) -> bool:
        free = self._free
        for number in numbers:  # noqa: SIM110 - asked so often that a generator is felt
            if free[number] <= 0:
                return False
        return True

    def _pressing(self, numbers: list[int]) -> float:
        """Return how long what still waits takes at least by the tightest of some limits."""
        return max((self._work[number] / self._allowed[number] for number in numbers), default=0.0)

    def pick(self) -> int | None:
        """Return the group whose node begins next, None when none may: of the most pressing taint group, in its fullest row."""
        groups = list(self._rows)
        if len(groups) > 1:
            groups.sort(key=lambda name: (-self._pressing(self._shared[(name,)]), name))
        for taints in groups:
            if self._open(self._shared[(taints,)]) and (index := self._in_group(taints)) is not None:
                return index
        return None

    def _in_group(self, taints: str) -> int | None:
        """Return the group whose node begins next of a taint group: in its fullest row that limits let through."""
        fullest, passed, index = self._fullest[taints], list[tuple[int, str]](), None
        while fullest and index is None:
            left, row = fullest[0]
            if left == -self._left[taints, row] and self._open(self._shared[taints, row]):
                index = self._in_row(taints, row)
            if index is None:
                passed.append(heappop(fullest))
        for left, row in passed:
            if left and left == -self._left[taints, row]:  # else it stands there anew
                heappush(fullest, (left, row))
        return index

    def _in_row(self, taints: str, row: str) -> int | None:
        for rack, ids in self._rows[taints][row].items():
            if self._open(self._shared[taints, row, rack]):
                return ids[0]
        return None

    def begin(self, index: int) -> None:
        """Let a node of a group begin."""
        nodes = self.groups[index][0]
        self.waiting[index] -= 1
        self.left -= 1
        left = self._left[nodes.taints, nodes.row] = self._left[nodes.taints, nodes.row] - 1
        if left:
            heappush(self._fullest[nodes.taints], (-left, nodes.row))
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
        if not self._allowed:
            return self.left
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
        self._rank()
        return len(begun)

    def take(self, size: int, marks: Marks) -> tuple[tuple[int, int], ...]:
        """Take out nodes that may all be in work at once; those with `marks` come first, and the marks met are deleted."""
        taken: Counter[int] = Counter()
        while taken.total() < size:
            index = self._fresh(marks, first=size == 1)
            if index is None and (index := self.pick()) is None:
                break
            for kind, key in OWN:
                marks.pop((kind, key(self.groups[index][0])), None)
            self.begin(index)
            taken[index] += 1
        for index, count in taken.items():
            for _ in range(count):
                self.end(index)
        return tuple(sorted(taken.items()))

    def _fresh(self, marks: Marks, *, first: bool) -> int | None:
        """Return a group with a mark that was not met; the canary is of the commonest kind."""
        if first:
            counts = [count for _, count in self.groups]
            return counts.index(max(counts))
        able = (i for ids in marks.values() for i in ids if self.waiting[i] and self._open(self._of[i]))
        return next(able, None)


def _chosen(values: list[float], members: Sequence[int]) -> list[float]:
    """Return the values of some groups."""
    if isinstance(members, range):
        return values[members.start : members.stop]
    return [values[index] for index in members]


def _of_blocks(blocks: Sequence[Block], found: Sequence[Limit]) -> list[list[int]]:
    """Return for each block the limits that hold for it (indices, ascending)."""
    number = {block.begin: place for place, block in enumerate(blocks)}
    of: list[list[int]] = [[] for _ in blocks]
    for which, limit in enumerate(found):
        at = 0
        while at < len(limit.groups):
            place = number[limit.groups[at]]
            of[place].append(which)
            at += blocks[place].end - blocks[place].begin
    return of


def _common(listed: list[list[int]]) -> list[int]:
    """Return what is in all of some lists, ascending."""
    first, *others = listed
    others = [numbers for numbers in others if numbers != first]
    return sorted(set(first).intersection(*others)) if others else first
