"""Members that are alike are counted, not told apart: one state stands for all that differ by swapping such members.

Exact for what is reached: see docs/semantics.md, section 6. The group of swaps of a place leaves every place on every way to it
as it is, so the states reached there are closed under it; on the way on the group can only shrink.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, product, repeat
from math import factorial, prod
from typing import Any

from upgrade_plans.models.state import Direction, FaultKind
from upgrade_plans.prover.machine import DONE, Ints, Packed
from upgrade_plans.prover.program import Program

ACTS = DONE + 2
"""How many things an act may be: those of `machine`, or none."""
Local = tuple[int, int, int, int, bool, bool]
"""All of a state that is about one member: installed, running, cached, act, whether it leads, whether the fault hits it."""


@dataclass(frozen=True)
class Reductions:
    """Which reductions are used; none changes a verdict, nor the number of states that they stand for."""

    symmetry: bool = True
    """Members that are alike are not told apart."""
    rows: bool = True
    """A row of one member fails as its node does."""


class Symmetry:
    """For each place the cells: members that may be swapped there."""

    def __init__(self, program: Program, *, on: bool) -> None:
        self._program = program
        self.cells = [_cells(program, index) if on else () for index in range(len(program.places))]
        self._struck = [_struck(program, number) for number in range(len(program.faults))]
        self._fault = {
            (fault.kind, self._struck[number]): number
            for number, fault in enumerate(program.faults)
            if self._struck[number] >= 0
        }
        self._versions, self._kept = len(program.versions) + 1, 1 << len(program.versions)
        self._position = [{node: index for index, node in enumerate(place.nodes)} for place in program.places]

    def _local(self, state: Packed, member: int) -> Local:
        installed, running, cached, _, leader, _, _, at, acts, fault = state
        act = acts[self._position[at][member]] if acts and member in self._position[at] else -1
        return installed[member], running[member], cached[member], act, member == leader, member == self._struck[fault]

    def canonical(self, state: Packed) -> Packed:
        """Return the state that stands for this one: in each cell the members' parts ascend."""
        cells = self.cells[state[7]]
        if not cells:
            return state
        if all(map(self._ascends, repeat(state), cells)):
            return state
        return self._arranged(state, cells, [sorted(self._local(state, member) for member in cell) for cell in cells])

    def _ascends(self, state: Packed, cell: Ints) -> bool:
        """Say whether the parts of a cell's members ascend: each part as one number, which is quicker than to sort them."""
        installed, running, cached, _, leader, _, _, at, acts, fault = state
        position, struck, last = self._position[at] if acts else {}, self._struck[fault], -1
        for member in cell:
            act = acts[position[member]] + 1 if member in position else 0
            part = (installed[member] * self._versions + running[member] + 1) * self._kept + cached[member]
            part = (part * ACTS + act) * 4 + (member == leader) * 2 + (member == struck)
            if part < last:
                return False
            last = part
        return True

    def weight(self, state: Packed) -> int:
        """Return how many states this one stands for."""
        size = self._program.faults[state[9]].stands_for
        for cell in self.cells[state[7]]:
            here = [self._local(state, member) for member in cell]
            size *= factorial(len(cell)) // prod(factorial(here.count(one)) for one in set(here))
        return size

    def images(self, state: Packed, place: int) -> Iterator[Packed]:
        """Yield every state that the swaps of a place make of this one, itself among them."""
        cells = self.cells[place]
        for order in product(*(list(_arrangements([self._local(state, i) for i in cell])) for cell in cells)):
            yield self._arranged(state, cells, order)

    def targets(self, before: Packed, after: Packed) -> list[Packed]:
        """Return what stands for the successors that all states which `before` stands for have by one transition to `after`."""
        cells = self.cells[before[7]]
        if not cells:
            return [after]
        if cells == self.cells[after[7]]:
            return [self.canonical(after)]
        return list(dict.fromkeys(map(self.canonical, self.images(after, before[7]))))

    def _arranged(self, state: Packed, cells: tuple[Ints, ...], orders: Any) -> Packed:
        """Return the state with the members' parts of each cell in another order."""
        installed, running, cached = list(state[0]), list(state[1]), list(state[2])
        leader, acts, fault = state[4], list(state[8]), state[9]
        position, kind = self._position[state[7]], self._program.faults[fault].kind
        for member, local in chain.from_iterable(zip(*pair, strict=True) for pair in zip(cells, orders, strict=True)):
            installed[member], running[member], cached[member], act, leads, struck = local
            if act >= 0:
                acts[position[member]] = act
            if leads:
                leader = member
            if struck:
                fault = self._fault[kind, member]
        return (
            tuple(installed), tuple(running), tuple(cached), state[3], leader, state[5], state[6], state[7], tuple(acts), fault
        )  # fmt: skip


def _arrangements(parts: list[Local]) -> Iterator[tuple[Local, ...]]:
    """Yield the different orders of parts of which some may be equal."""
    if not parts:
        yield ()
    for one in sorted(set(parts)):
        rest = list(parts)
        rest.remove(one)
        yield from ((one, *others) for others in _arrangements(rest))


def _struck(program: Program, number: int) -> int:
    """Return the one member that a fault hits, -1 where that is none or a row of several."""
    fault = program.faults[number]
    alone = fault.kind in (FaultKind.PROCESS, FaultKind.NODE, FaultKind.LINK) or fault.members.bit_count() == 1
    return fault.members.bit_length() - 1 if alone and fault.kind is not None else -1


def _cells(program: Program, index: int) -> tuple[Ints, ...]:
    """Return the cells of a place that hold more than one member."""
    place, phases = program.places[index], [number for number, _ in enumerate(program.plan.phases)]
    ends = [sum(len(program.plan.phases[number].steps) for number in phases[: last + 1]) for last in phases]
    # What is turned back has seen the steps of its phase, as far as it may have come.
    end = place.step + 1 if place.direction is Direction.FORWARD else next(end for end in ends if place.step < end)
    row_of = {member: name if mask.bit_count() > 1 else "" for name, mask in program.rows for member in _members(mask)}
    alike: dict[object, list[int]] = {}
    for number, member in enumerate(program.plan.members):
        steps = tuple(member.node in step.nodes for step in program.steps[:end])
        alike.setdefault((member.installed, member.running, row_of[number], steps), []).append(number)
    return tuple(tuple(cell) for cell in alike.values() if len(cell) > 1)


def _members(mask: int) -> Iterator[int]:
    return (index for index in range(mask.bit_length()) if mask >> index & 1)
