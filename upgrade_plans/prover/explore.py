"""Every reachable state, breadth first, those that need fewer faults first: what is found first is the plainest story."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from kubedeb.errors import ExitCode, KubedebError
from upgrade_plans.prover.judge import DEAD_END, ENDLESS, Judge
from upgrade_plans.prover.machine import NO_FAULT, OUTSIDE, Ints, Machine, Packed

LIMIT = 4_000_000
"""The most states that are visited; each takes about half a kilobyte."""
At = tuple[int, int | None]
"""Where a clause is violated: the index of a state and, for a transition, its index among the state's successors."""


@dataclass
class Explored:
    """What the exploration found: the states in the order of the search, whence each was reached, first violations.

    `first` maps a clause to where it was first violated.
    """

    states: list[Packed]
    parents: array[int]
    first: dict[int, At] = field(default_factory=dict)

    def note(self, clauses: Ints, at: At) -> None:
        """Remember where clauses are violated, unless they were before."""
        for clause in clauses:
            self.first.setdefault(clause, at)


def explore(machine: Machine, judge: Judge) -> Explored:
    """Visit every reachable state; goes on past violations, so that the number of states is defined for every plan.

    Raises `KubedebError` (REFUSED) when there are more than `LIMIT` of them: what was not visited is not proven.
    """
    states = list(machine.initial())
    seen = {state: index for index, state in enumerate(states)}
    found = Explored(states, array("q", [-1] * len(states)))
    own = _OwnMoves(machine)
    later: list[tuple[Packed, int]] = []
    index = 0
    while index < len(states) or _add_faults(found, seen, later):
        state = states[index]
        found.note(judge.judge(state), (index, None))
        own.begin(state)
        for number, (label, after, broken) in enumerate(machine.successors(state)):
            if broken:
                found.note(broken, (index, number))
            if label[0] == "fault":
                later.append((after, index))
                continue
            target = _add(found, seen, after, index)
            if label[0] not in OUTSIDE:
                own.add(target)
        index += 1
        if len(states) > LIMIT:
            raise _too_many()
    stuck = own.first_stuck(states)
    if stuck is not None:
        found.first[DEAD_END] = (stuck, None)
    for number, begin in enumerate(machine.initial()):
        if not _comes_to_its_end(machine, begin):
            found.first.setdefault(ENDLESS, (number, None))
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
    """The moves of E, B, W and Z from states that hold no fault but the executor's death."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._first = array("q")
        self._targets = array("q")
        self._counts = False

    def begin(self, state: Packed) -> None:
        self._counts = state[9] in (NO_FAULT, self._machine.executor_fault)
        self._first.append(len(self._targets))

    def add(self, target: int) -> None:
        if self._counts:
            self._targets.append(target)

    def first_stuck(self, states: list[Packed]) -> int | None:
        """Return the first state that counts and from which no finished state can be reached, None when there is none."""
        places, executor = self._machine.program.places, self._machine.executor_fault
        self._first.append(len(self._targets))
        sources: list[list[int]] = [[] for _ in states]
        for source in range(len(states)):
            for target in self._targets[self._first[source] : self._first[source + 1]]:
                sources[target].append(source)
        good = bytearray(places[state[7]].finished and state[9] in (NO_FAULT, executor) for state in states)
        waiting = [index for index, reached in enumerate(good) if reached]
        while waiting:
            for source in sources[waiting.pop()]:
                if not good[source]:
                    good[source] = 1
                    waiting.append(source)
        counted = (index for index, state in enumerate(states) if state[9] in (NO_FAULT, executor))
        return next((index for index in counted if not good[index]), None)
