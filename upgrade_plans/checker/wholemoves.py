"""What leads on from a state of a whole stack's plan, and what the world remembers of it (docs/semantics.md, 11 and 12)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from kubedeb.versions import Version
from upgrade_plans.checker.wholestate import (
    BACK,
    BOTH,
    DONE,
    ENDED,
    FORWARD,
    IN_HAND,
    PENDING,
    Past,
    Scene,
    State,
    holds,
    scene,
)
from upgrade_plans.checker.wholewords import MANAGERS, acted_on, must_state
from upgrade_plans.checker.wholeworld import SERVER, Key, Replay
from upgrade_plans.models.upgrade import Step
from upgrade_plans.models.upgradekinds import Check, Store
from upgrade_plans.models.upgradekinds import StepKind as Kind


class Moves:
    """The moves of a replayed plan."""

    def __init__(self, plan: Replay) -> None:
        self.plan = plan
        self.members = plan.named("etcd")
        self.scene = cache(lambda step, stages: scene(plan, step, stages))
        self.lowest = cache(self._lowest)

    def start(self) -> State:
        """Return the state that the plan begins in."""
        version, stores, none = self.plan.plan.cluster_version, self.plan.plan.stores, frozenset[str]()
        past = Past(
            cluster=Version.parse(version).line if version else None, wrote=frozenset(), newest=stores.kubernetes,
            left=False, gone=none, sentinel=False, migrated=False, compared=False, saved=none, proven=none, cold=False,
            since=(), beat=True, floor=0,
        )  # fmt: skip
        state = State(FORWARD, 0, self._all(0, PENDING), past)
        return state._replace(past=self._seen(self.scene(0, state.stages), past))

    def over(self, state: State) -> bool:
        """Say whether this is the plan's end, or its way back's."""
        return state.way == ENDED or state.step == len(self.plan.steps)

    def step_of(self, state: State) -> str | None:
        """Return the step that a state is in; None at the plan's end."""
        return self.plan.steps[state.step].id if state.step < len(self.plan.steps) else None

    def part(self, step: int, number: int) -> str:
        """Return the host that a part of a step is about; of what is counted, and of one act, none."""
        parts = self.plan.parts[step]
        return next((where for _, where in parts[number].pairs), "") if parts else ""

    def here(self, state: State) -> Scene:
        """Return what may be there."""
        found: Scene = self.scene(state.step, state.stages)
        return found

    def after(self, state: State) -> Iterator[State]:
        """Yield the states that may follow."""
        if self.over(state):
            return
        step, here = self.plan.steps[state.step], self.here(state)
        begins, ends = (PENDING, DONE) if state.way == FORWARD else (DONE, PENDING)
        checks = step.pre if state.way == FORWARD else step.undo.pre if step.undo is not None else ()
        handled = bool(self.plan.parts[state.step])
        room = state.stages.count(IN_HAND) < step.window
        ready = room and all(holds(self.plan, here, state, check) for check in checks)
        # What one act did is taken back without a check: nothing is handled for it.
        may_begin = ready or (state.way == BACK and not handled)
        for number, stage in enumerate(state.stages):
            if stage == begins and may_begin:
                yield self._put(state, number, IN_HAND if handled else ends)
            if stage == IN_HAND:
                yield self._put(state, number, ends)
        yield from self._on(state, step, here) if state.way == FORWARD else self._down(state)

    def _on(self, state: State, step: Step, here: Scene) -> Iterator[State]:
        if set(state.stages) == {DONE} and all(holds(self.plan, here, state, check, post=True) for check in step.post):
            yield self._remembered(state, State(FORWARD, state.step + 1, self._all(state.step + 1, PENDING), state.past))
        if (self._undone(state.step) or not here.begun) and self.lowest(state.step, state.past.floor) <= state.step:
            yield state._replace(way=BACK)

    def _down(self, state: State) -> Iterator[State]:
        if any(state.stages):
            return
        if state.step <= self.lowest(state.step, state.past.floor):
            yield state._replace(way=ENDED)
        else:
            yield self._remembered(state, State(BACK, state.step - 1, self._all(state.step - 1, DONE), state.past))

    def _all(self, step: int, stage: int) -> tuple[int, ...]:
        return (stage,) * max(1, len(self.plan.parts[step])) if step < len(self.plan.steps) else ()

    def _put(self, state: State, number: int, stage: int) -> State:
        stages = (*state.stages[:number], stage, *state.stages[number + 1 :])
        return self._remembered(state, state._replace(stages=stages))

    def _undone(self, step: int) -> bool:
        return self.plan.steps[step].undo is not None or not must_state(self.plan.steps[step])

    def _lowest(self, step: int, floor: int) -> int:
        """Return the lowest boundary at rest that can be gone back to; one above `step` when there is none."""
        found = step + 1
        for boundary in range(step, floor - 1, -1):
            if self.plan.worlds[boundary].rests:
                found = boundary
            if boundary and not self._undone(boundary - 1):
                break
        return found

    # What is remembered.

    def _remembered(self, old: State, new: State) -> State:
        here, past, same = self.here(new), old.past, new.step == old.step
        if Check.HEARTBEATS_FRESH in self._asked(old, new) and here.serving:
            past = past._replace(beat=True)
        if same and new.way == FORWARD:
            past = self._done(new, here, past)
        if same and new.way == BACK and self._gives_up(new, here):
            past = past._replace(newest=BOTH, migrated=False, since=())
        if same and past.since:
            past = past._replace(since=self._watching(old, new, past))
        return new._replace(past=self._seen(here, past))

    def _asked(self, old: State, new: State) -> tuple[Check, ...]:
        step = self.plan.steps[old.step]
        if old.step != new.step:
            return step.post if new.way == FORWARD else ()
        if new.way == FORWARD:
            return step.pre
        return step.undo.pre if step.undo is not None else ()

    def _gives_up(self, new: State, here: Scene) -> bool:
        """Say whether this undo stops the last API server and says what is lost by that."""
        step = self.plan.steps[new.step]
        starts = step.kind is Kind.START and SERVER in acted_on(step)
        return starts and step.undo is not None and bool(step.undo.loss) and not any(new.stages) and not here.some(SERVER)

    def _done(self, new: State, here: Scene, past: Past) -> Past:
        """Remember what the step itself leaves, once it is done; its floor, once its last part is begun."""
        step = self.plan.steps[new.step]
        if PENDING not in new.stages:
            past = past._replace(floor=max(past.floor, self.plan.floors[new.step]))
        if set(new.stages) != {DONE}:
            return past
        match step.kind:
            case Kind.MIGRATE if past.newest == Store.V2:
                left = self.plan.plan.stores.calico is Store.V2 and here.around.calico != "after"
                since = {**self.plan.watching, **{key: 1 for key in here.up if key[0] in MANAGERS}}
                return past._replace(newest=BOTH, migrated=True, compared=False, left=left, since=tuple(sorted(since.items())))
            case Kind.DELETE_KEYS:
                prefix = (step.prefix or "").rstrip("/")
                if step.store is Store.V3:
                    return past._replace(left=past.left and prefix != "/calico")
                return past._replace(gone=past.gone | {prefix})
            case Kind.SENTINEL:
                return past._replace(sentinel=True)
            case Kind.COMPARE:
                return past._replace(compared=past.migrated and set(self.members) <= here.up)
            case Kind.BACKUP:
                cold = step.backup is not None and step.backup.cold and not here.some("etcd") and not here.some(SERVER)
                return past._replace(saved=past.saved | {step.id}, cold=past.cold or cold)
            case Kind.DRILL:
                newest = {frozenset(one.backup.stores): one.id for one in self.plan.steps
                          if one.backup is not None and one.id in past.saved}  # fmt: skip
                return past._replace(proven=past.proven | set(newest.values()))
        return past

    def _watching(self, old: State, new: State, past: Past) -> tuple[tuple[Key, int], ...]:
        """Return what watches from before the migration, without what a part that ends now has restarted."""
        step, left = self.plan.steps[new.step], dict(past.since)
        if step.kind is Kind.MIGRATE:
            return past.since
        for part, was, now in zip(self.plan.parts[new.step], old.stages, new.stages, strict=False):
            if now != DONE or was == DONE:
                continue
            for key in part.pairs:
                left.pop(key, None)
            if part.crowd:
                for key, count in [((name, where), count) for where, count in step.takes.items() for name in acted_on(step)]:
                    left[key] = left.get(key, 0) - count
        return tuple(sorted((key, count) for key, count in left.items() if count > 0))

    def _seen(self, here: Scene, past: Past) -> Past:
        """Remember what runs, and what would: versions that write, the cluster version, what no longer holds."""
        if self.members and set(self.members) <= here.up:
            lowest = min(unit.runs.line for key in self.members for unit in here.may[key] if unit.runs is not None)
            past = past._replace(cluster=max(past.cluster or lowest, lowest))
        if here.some("etcd"):
            past = past._replace(cold=False)
        writers = [(unit.runs, unit.uses) for unit in here.servers] + [(unit.would, unit.boots) for unit in here.servers]
        wrote = {version for version, _ in writers if version is not None}
        if not wrote:
            return past._replace(beat=past.beat and not self.plan.named(SERVER))
        past = past._replace(wrote=past.wrote | wrote, sentinel=False)
        if past.newest != BOTH:
            return past
        if {store for version, store in writers if version is not None} == {Store.V2}:
            return past._replace(newest=Store.V2, migrated=False, since=())
        return past._replace(newest=Store.V3)
