"""The transition system of a whole stack's plan (docs/semantics.md, 12): places, and what leads on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from kubedeb.versions import Version
from upgrade_plans.models.upgrade import Step
from upgrade_plans.prover.wholechecks import Asked, Means, known
from upgrade_plans.prover.wholekinds import stated
from upgrade_plans.prover.wholememory import Chronicle
from upgrade_plans.prover.wholerecords import Key, Record, WholeCase
from upgrade_plans.prover.wholestate import BACK, DONE, ENDED, FLEET, FORWARD, IN_HAND, PENDING, Memory, Standing, State, View

Move = tuple[str, str, State]
"""What happens (begin, end, act, advance, turn), to which part, and the state after it."""


class Machine:
    """Successors of a state, without faults: docs/semantics.md, 14 says why none is needed."""

    def __init__(self, case: WholeCase) -> None:
        self.case = case
        self.chronicle = Chronicle(case)
        self._standings: dict[object, Standing] = {}
        self.view = cache(self._view)
        self.lowest = cache(self._from)
        self._pre = [known(one.step.pre) for one in case.steps]
        self._post = [known(one.step.post) for one in case.steps]
        self._undo = [known(one.step.undo.pre if one.step.undo is not None else ()) for one in case.steps]
        # Whether a step can be taken back: it says how, or nothing of it stays.
        self._undone = [one.step.undo is not None or not stated(one.step) for one in case.steps]
        self._resting = [here.rests for here in case.boundaries]

    def initial(self) -> State:
        """Return the state that the plan begins in."""
        plan = self.case.plan
        cluster = Version.parse(plan.cluster_version).line if plan.cluster_version else None
        memory = Memory(cluster, frozenset(), plan.stores.kubernetes)
        return self._settled(State(FORWARD, 0, self._all(0, PENDING), memory))

    def _all(self, step: int, stage: int) -> tuple[int, ...]:
        if step >= len(self.case.steps):
            return ()
        return (stage,) * max(1, len(self.case.steps[step].parts))

    def finished(self, state: State) -> bool:
        """Say whether the plan is at its end or was turned back as far as it goes."""
        return state.direction == ENDED or state.step == len(self.case.steps)

    def _view(self, step: int, parts: tuple[int, ...]) -> View:
        before = self.case.boundaries[step]
        may: dict[Key, tuple[Record, ...]]
        if step == len(self.case.steps) or not any(parts):
            here = self.case.steps[step].step if step < len(self.case.steps) else None
            may = {key: (one,) for key, one in before.hosts.items()}
            return View(self._standing(may, before.fleet), frozenset(), before, here)
        compiled, after = self.case.steps[step], self.case.boundaries[step + 1]
        may = {key: (one,) for key, one in before.hosts.items()}
        fleet, hand = before.fleet, set[Key]()
        for part, stage in zip(compiled.parts, parts, strict=False):
            for key, (old, new) in part.hosts.items():
                may[key] = (old, new) if stage == IN_HAND else (new,) if stage == DONE else (old,)
            if part.fleet:
                fleet = (before.fleet, before.fleet | after.fleet, after.fleet)[stage]
            if stage == IN_HAND:
                hand |= {FLEET} if part.fleet else set(part.hosts)
        around = after if parts.count(DONE) == len(parts) else before
        return View(self._standing(may, fleet), frozenset(hand), around, compiled.step)

    def _standing(self, may: dict[Key, tuple[Record, ...]], fleet: frozenset[tuple[str, Record]]) -> Standing:
        """Return the one value that stands for all that show the same."""
        return self._standings.setdefault((tuple(may.items()), fleet), Standing(may, fleet, self.case.members))

    # What leads on.

    def successors(self, state: State) -> Iterator[Move]:
        """Yield what may happen next, in a fixed order."""
        if self.finished(state):
            return
        yield from self._forward(state) if state.direction == FORWARD else self._back(state)

    def _forward(self, state: State) -> Iterator[Move]:
        one = self.case.steps[state.step]
        room = PENDING in state.parts and state.parts.count(IN_HAND) < one.step.window
        if room and self._holds(self._pre[state.step], state, one.step):
            for number, stage in enumerate(state.parts):
                if stage == PENDING:
                    reached = IN_HAND if one.parts else DONE
                    yield "begin" if one.parts else "act", self._name(state, number), self._to(state, number, reached)
        for number, stage in enumerate(state.parts):
            if stage == IN_HAND:
                yield "end", self._name(state, number), self._to(state, number, DONE)
        if state.parts.count(DONE) == len(state.parts) and self._holds(self._post[state.step], state, one.step, post=True):
            following = State(FORWARD, state.step + 1, self._all(state.step + 1, PENDING), state.memory)
            yield "advance", "", self._settled(following, state)
        if self.may_turn(state):
            yield "turn", "", state._replace(direction=BACK)

    def _back(self, state: State) -> Iterator[Move]:
        one = self.case.steps[state.step]
        ready = state.parts.count(IN_HAND) < one.step.window and self._holds(self._undo[state.step], state, one.step)
        for number, stage in enumerate(state.parts):
            if stage == DONE and (ready or not one.parts):
                yield "begin", self._name(state, number), self._to(state, number, IN_HAND if one.parts else PENDING)
            if stage == IN_HAND:
                yield "end", self._name(state, number), self._to(state, number, PENDING)
        if not any(state.parts):
            if state.step <= self._lowest(state):
                yield "ended", "", state._replace(direction=ENDED)
            else:
                below = state.step - 1
                yield "advance", "", self._settled(State(BACK, below, self._all(below, DONE), state.memory), state)

    def _name(self, state: State, number: int) -> str:
        parts = self.case.steps[state.step].parts
        return parts[number].name if parts else ""

    def _to(self, state: State, number: int, stage: int) -> State:
        parts = (*state.parts[:number], stage, *state.parts[number + 1 :])
        return self._settled(State(state.direction, state.step, parts, state.memory), state)

    # The way back.

    def may_turn(self, state: State) -> bool:
        """Say whether there is a way back: a boundary at rest that neither a block nor a step without an undo is above."""
        begun = any(state.parts)
        if begun and not self._undone[state.step]:
            return False
        return self._lowest(state) <= state.step

    def _lowest(self, state: State) -> int:
        """Return the lowest boundary at rest that can be reached going back; one above the state's own when there is none."""
        return self.lowest(state.step, state.memory.floor)

    def _from(self, step: int, floor: int) -> int:
        found = step + 1
        for boundary in range(step, floor - 1, -1):
            if self._resting[boundary]:
                found = boundary
            if boundary and not self._undone[boundary - 1]:
                break
        return found

    # What the world remembers.

    def _settled(self, state: State, past: State | None = None) -> State:
        memory = self.chronicle.after(self.view(state.step, state.parts), state, past)
        return state if memory is state.memory else State(state.direction, state.step, state.parts, memory)

    def _holds(self, means: Means, state: State, step: Step, *, post: bool = False) -> bool:
        if not means:
            return True
        asked = Asked(self.case, self.view(state.step, state.parts), state, step, post)
        return all(holds(asked) for holds in means)
