"""The transitions of docs/semantics.md, section 8, on vectors of counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import factorial, prod
from typing import NamedTuple

from upgrade_plans.models.stackplan import StackCheck, StackKind
from upgrade_plans.prover.stackcase import CompiledStep, Release, StackCase

NOTHING: Release = ()
"""What runs where nothing runs."""
FORWARD, BACK, ROLLED_BACK = "forward", "back", "rolled-back"
Local = tuple[Release, Release, bool]
Counts = tuple[tuple[Local, int], ...]


class StackState(NamedTuple):
    """A state: by class how many units are in each local state; the fault, and the one worker that it froze, if it did."""

    way: str
    step: int
    counts: tuple[Counts, ...]
    fault: tuple[str, str] = ("", "")
    frozen: tuple[int, Local] | None = None


Successor = tuple[str, StackState]


def _moved(counts: Counts, old: Local | None, new: Local | None) -> Counts:
    changed = Counter(dict(counts))
    if old is not None:
        changed[old] -= 1
    if new is not None:
        changed[new] += 1
    return tuple(sorted((local, count) for local, count in changed.items() if count))


class StackMachine:
    """Computes the successors of states of one plan."""

    def __init__(self, case: StackCase) -> None:
        self.case = case

    def initial(self) -> StackState:
        """Return the initial state."""
        counts = []
        for one in self.case.classes:
            local: Local = (one.installed, NOTHING if one.down else one.running, False)
            counts.append(((local, one.count),))
        return StackState(FORWARD, 0, tuple(counts))

    def finished(self, state: StackState) -> bool:
        """Say whether the program came to one of its ends."""
        return state.way == ROLLED_BACK or state.step == len(self.case.steps)

    def weight(self, state: StackState) -> int:
        """Return how many states this one stands for."""
        size = 1
        for number, counts in enumerate(state.counts):
            parts = [count for _, count in counts]
            if state.frozen is not None and state.frozen[0] == number:
                parts.append(1)
            size *= factorial(sum(parts)) // prod(map(factorial, parts))
        return size

    def in_hand(self, state: StackState, number: int) -> int:
        """Return how many units of a class are in hand, frozen ones among them."""
        held = sum(count for (_, _, hand), count in state.counts[number] if hand)
        return held + (state.frozen is not None and state.frozen[0] == number and state.frozen[1][2])

    def available(self, state: StackState, numbers: tuple[int, ...]) -> int:
        """Return how many units of some classes run, are not in hand and not down."""
        return sum(
            count for number in numbers if not self.case.classes[number].down
            for (_, run, hand), count in state.counts[number] if run != NOTHING and not hand
        )  # fmt: skip

    def target(self, state: StackState, number: int) -> tuple[Release, int]:
        """Return the current step's target and a class's quota."""
        here = self.case.steps[state.step]
        before = here.before[number]
        if state.way == FORWARD:
            return here.forward, before + here.takes[number]
        return here.back, self.case.classes[number].count - before

    def at(self, state: StackState, number: int, release: Release) -> int:
        """Return how many units of a class have a release on disk and running, not in hand."""
        return dict(state.counts[number]).get((release, release, False), 0)

    def begun(self, state: StackState) -> bool:
        """Say whether the current step is begun."""
        here = self.case.steps[state.step]
        return any(
            self.in_hand(state, number) or self._on_disk(state, number, here.forward) > here.before[number]
            for number in here.takes
        )

    def _on_disk(self, state: StackState, number: int, release: Release) -> int:
        """Return how many units of a class have a release on disk, frozen ones too."""
        frozen = state.frozen is not None and state.frozen[0] == number and state.frozen[1][0] == release
        return sum(count for (disk, _, _), count in state.counts[number] if disk == release) + frozen

    def _taken(self, state: StackState, number: int, target: Release) -> int:
        """Return how many units of a class are in hand or have the target on disk, frozen ones too."""
        frozen = state.frozen[1] if state.frozen is not None and state.frozen[0] == number else None
        mine = frozen is not None and (frozen[2] or frozen[0] == target)
        return sum(count for (disk, _, hand), count in state.counts[number] if hand or disk == target) + mine

    def whole(self, state: StackState) -> bool:
        """Say whether the current step is whole."""
        for number in self.case.steps[state.step].takes:
            target, quota = self.target(state, number)
            if self.in_hand(state, number) or self.at(state, number, target) != quota:
                return False
        return True

    def successors(self, state: StackState) -> Iterator[Successor]:
        """Yield every successor with the letter of whose move it is and what happens."""
        if not self.finished(state):
            if state.fault[0] != "executor":
                yield from self._executor(state)
                yield from self._program(state)
            yield from self._units(state)
        if state.fault == ("", ""):
            yield from self._faults(state)
        else:
            yield "H" if state.fault[0] != "executor" else "Z", self._repair(state)

    def _is_frozen(self, state: StackState, number: int) -> bool:
        kind, where = state.fault
        one = self.case.classes[number]
        return (kind == "host" and one.host == int(where)) or (kind == "row" and one.row == where and not one.down)

    def _executor(self, state: StackState) -> Iterator[Successor]:
        here = self.case.steps[state.step]
        for number in here.takes:
            target, quota = self.target(state, number)
            if self._is_frozen(state, number):
                continue
            counts = state.counts[number]
            if self._may_begin(state, here, number, target, quota):
                for local, _ in counts:
                    if not local[2] and local[1] != NOTHING and local[:2] != (target, target):
                        yield "E", self._put(state, number, local, (local[0], local[1], True))
            if (done := (target, target, True)) in dict(counts):
                yield "E", self._put(state, number, done, (target, target, False))

    def _program(self, state: StackState) -> Iterator[Successor]:
        """Yield how the program goes on or turns back."""
        if self.whole(state):
            yield "E", self._below(state) if state.way == BACK else state._replace(step=state.step + 1)
        if state.way == FORWARD:
            if not self.begun(state):
                yield "B", self._below(state)
            elif self.case.steps[state.step].step.undo:
                yield "B", state._replace(way=BACK)

    def _below(self, state: StackState) -> StackState:
        """Return the state in which the step below is to be undone, or the way back has come to its end."""
        lower = state.step - 1
        if lower >= 0 and (self.case.steps[lower].step.undo or self.case.steps[lower].step.kind is StackKind.DOWNLOAD):
            return state._replace(way=BACK, step=lower)
        return state._replace(way=ROLLED_BACK)

    def _put(self, state: StackState, number: int, old: Local, new: Local) -> StackState:
        counts = list(state.counts)
        counts[number] = _moved(counts[number], old, new)
        return state._replace(counts=tuple(counts))

    def _may_begin(self, state: StackState, here: CompiledStep, number: int, target: Release, quota: int) -> bool:
        step, one = here.step, self.case.classes[number]
        if self._taken(state, number, target) >= quota:
            return False
        if sum(self.in_hand(state, other) for other in here.takes) >= step.window:
            return False
        row = [other for other in here.takes if self.case.classes[other].row == one.row]
        if step.per_row is not None and sum(self.in_hand(state, other) for other in row) >= step.per_row:
            return False
        return all(self._holds(state, check, number) for check in step.pre)

    def _holds(self, state: StackState, check: StackCheck, number: int) -> bool:
        one = self.case.classes[number]
        if check is StackCheck.HEALTHY:
            return state.fault == ("", "")
        if check is StackCheck.FLOOR and one.kind == "workers":
            group = self.case.groups[one.taints]
            spare = int(any(self.in_hand(state, other) for other in group))
            return self.available(state, group) - 1 - spare >= self.case.plan.needed.get(one.taints, 0)
        if check is StackCheck.BALANCER and one.kind == "apiserver":
            servers = self.case.apiservers
            spare = int(any(self.in_hand(state, other) for other in servers))
            return (self.available(state, servers) - 1 - spare) / len(servers) >= self.case.plan.pool.threshold
        return True

    def _units(self, state: StackState) -> Iterator[Successor]:
        """Yield what happens to units in hand, whoever is alive."""
        for number in self.case.steps[state.step].takes:
            if self._is_frozen(state, number):
                continue
            target, _ = self.target(state, number)
            for local, _ in state.counts[number]:
                disk, run, hand = local
                if not hand:
                    continue
                if disk != target:
                    yield "W", self._put(state, number, local, (target, run, True))
                elif run not in (target, NOTHING):
                    yield "W", self._put(state, number, local, (disk, NOTHING, True))
                if run == NOTHING:
                    yield "W", self._put(state, number, local, (disk, disk, True))

    def _faults(self, state: StackState) -> Iterator[Successor]:
        yield "F", state._replace(fault=("executor", ""))
        for number, one in enumerate(self.case.classes):
            if one.kind == "workers" and not one.down:
                for local, _ in state.counts[number]:
                    counts = list(state.counts)
                    counts[number] = _moved(counts[number], local, None)
                    frozen = (number, (local[0], NOTHING, local[2]))
                    yield "F", state._replace(counts=tuple(counts), fault=("node", one.name), frozen=frozen)
        hosts = {one.host: number for number, one in enumerate(self.case.classes) if one.host >= 0}
        for host in hosts:
            numbers = tuple(number for number, one in enumerate(self.case.classes) if one.host == host)
            yield "F", self._struck(state, numbers, ("host", str(host)))
        for row, numbers in self.case.rows.items():
            yield "F", self._struck(state, numbers, ("row", row))

    def _struck(self, state: StackState, numbers: tuple[int, ...], fault: tuple[str, str]) -> StackState:
        counts = list(state.counts)
        for number in numbers:
            changed: Counter[Local] = Counter()
            for (disk, _, hand), count in counts[number]:
                changed[disk, NOTHING, hand] += count
            counts[number] = tuple(sorted(changed.items()))
        return state._replace(counts=tuple(counts), fault=fault)

    def _repair(self, state: StackState) -> StackState:
        counts = list(state.counts)
        if state.frozen is not None:
            number, (disk, _, hand) = state.frozen
            counts[number] = _moved(counts[number], None, (disk, disk, hand))
        for number in range(len(counts)):
            if self._is_frozen(state, number):
                changed: Counter[Local] = Counter()
                for (disk, _, hand), count in counts[number]:
                    changed[disk, disk, hand] += count
                counts[number] = tuple(sorted(changed.items()))
        return state._replace(counts=tuple(counts), fault=("", ""), frozen=None)
