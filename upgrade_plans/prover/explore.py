"""Every reachable state, breadth first, those that need fewer faults first: what is found first is the plainest story."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from kubedeb.errors import ExitCode, KubedebError
from upgrade_plans.prover.judge import DEAD_END, ENDLESS, Judge
from upgrade_plans.prover.machine import NO_FAULT, OUTSIDE, Ints, Machine, Packed
from upgrade_plans.prover.symmetry import Symmetry

LIMIT = 4_000_000
"""The most states that are visited; each takes about half a kilobyte."""
At = tuple[int, int | None]
"""Where a clause is violated: the index of a state and, for a transition, its index among the state's successors."""


@dataclass
class Explored:
    """What the exploration found: the states in the order of the search, whence each was reached, first violations.

    `first` maps a clause to where it was first violated; `stands_for` is how many states those in `states` stand for.
    """

    states: list[Packed]
    parents: array[int]
    first: dict[int, At] = field(default_factory=dict)
    stands_for: int = 0

    def note(self, clauses: Ints, at: At) -> None:
        """Remember where clauses are violated, unless they were before."""
        for clause in clauses:
            self.first.setdefault(clause, at)


def explore(machine: Machine, judge: Judge, symmetry: Symmetry) -> Explored:
    """Visit every reachable state; goes on past violations, so that the number of states is defined for every plan.

    With symmetry, a dead end that is found is only a suspicion: what stands for several states may have a way on for each of
    them, a different one. Raises `KubedebError` (REFUSED) when there are more than `LIMIT` of them: what was not visited is
    not proven.
    """
    states = list(dict.fromkeys(map(symmetry.canonical, machine.initial())))
    seen = {state: index for index, state in enumerate(states)}
    found = Explored(states, array("q", [-1] * len(states)))
    own = _OwnMoves(machine)
    later: list[tuple[Packed, int]] = []
    index = 0
    while index < len(states) or _add_faults(found, seen, later):
        state = states[index]
        weight = symmetry.weight(state)
        found.stands_for += weight
        found.note(judge.judge(state, weight), (index, None))
        own.begin(state)
        for number, (label, after, broken) in enumerate(machine.successors(state)):
            if broken:
                found.note(broken, (index, number))
            if label[0] == "fault":
                later.append((symmetry.canonical(after), index))
                continue
            targets = [_add(found, seen, target, index) for target in symmetry.targets(state, after)]
            if label[0] not in OUTSIDE:
                own.add(index, targets)
        index += 1
        if len(states) > LIMIT:
            raise _too_many()
    stuck = own.first_stuck(states)
    if stuck is not None:
        found.first[DEAD_END] = (stuck, None)
    for begin in machine.initial():
        if not _comes_to_its_end(machine, begin):
            found.first.setdefault(ENDLESS, (seen[symmetry.canonical(begin)], None))
    return found


def _too_many() -> KubedebError:
    return KubedebError(
        f"the plan is not proven: it can reach more than {LIMIT:,} states",
        details="This prover visits every state one by one.", code=ExitCode.REFUSED,
        hint="Steps that work on many nodes at once multiply the states: split them.",
    )  # fmt: skip


def _add(found: Explored, seen: dict[Packed, int], state: Packed, parent: int) -> int:
    """Return the index of a state, which is new or was seen before."""
    index = seen.get(state)
    if index is None:
        index = seen[state] = len(found.states)
        found.states.append(state)
        found.parents.append(parent)
    return index


def _add_faults(found: Explored, seen: dict[Packed, int], later: list[tuple[Packed, int]]) -> bool:
    """Add the states that take one fault more than all visited so far; say whether there are any."""
    before = len(found.states)
    for state, parent in later:
        _add(found, seen, state, parent)
    later.clear()
    return len(found.states) > before


def _comes_to_its_end(machine: Machine, begin: Packed) -> bool:
    """Say whether the plan's end can be reached when nothing fails from outside and the executor does not turn back."""
    places = machine.program.places
    seen, waiting = {begin}, [begin]
    while waiting:
        state = waiting.pop()
        if places[state[7]].finished:
            return True
        for label, after, _ in machine.successors(state):
            if label[0] not in OUTSIDE and label[0] != "back" and after not in seen:
                seen.add(after)
                waiting.append(after)
    return False


class _OwnMoves:
    """The moves of E, B, W and Z from states that hold no fault but the executor's death, backwards."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._counts = False
        self._sources: dict[int, list[int]] = {}
        self._open: list[list[int]] = []
        """Moves to several states at once, all of which must be good: how many are not yet, and where the move begins."""

    def begin(self, state: Packed) -> None:
        self._counts = state[9] in (NO_FAULT, self._machine.executor_fault)

    def add(self, source: int, targets: list[int]) -> None:
        if not self._counts:
            return
        if len(targets) > 1:
            self._open.append([len(targets), source])
            source = -len(self._open)
        for target in targets:
            self._sources.setdefault(target, []).append(source)

    def first_stuck(self, states: list[Packed]) -> int | None:
        """Return the first state that counts and from which no finished state can be reached, None when there is none."""
        places, executor = self._machine.program.places, self._machine.executor_fault
        good = bytearray(places[state[7]].finished and state[9] in (NO_FAULT, executor) for state in states)
        waiting = [index for index, reached in enumerate(good) if reached]
        while waiting:
            for number in self._sources.get(waiting.pop(), ()):
                source = self._closed(number) if number < 0 else number
                if source is not None and not good[source]:
                    good[source] = 1
                    waiting.append(source)
        counted = (index for index, state in enumerate(states) if state[9] in (NO_FAULT, executor))
        return next((index for index in counted if not good[index]), None)

    def _closed(self, number: int) -> int | None:
        """Count one more good target of a move to several; return where it begins once all of them are."""
        move = self._open[-number - 1]
        move[0] -= 1
        return None if move[0] else move[1]
