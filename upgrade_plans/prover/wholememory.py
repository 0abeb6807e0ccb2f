"""What the world remembers of a plan's way: written data, cluster version, backups, what has watched since when."""

from __future__ import annotations

from dataclasses import replace

from upgrade_plans.models.upgrade import Step
from upgrade_plans.models.upgradekinds import Check, Store
from upgrade_plans.models.upgradekinds import StepKind as Kind
from upgrade_plans.prover.wholekinds import MANAGERS, components
from upgrade_plans.prover.wholerecords import Key, WholeCase
from upgrade_plans.prover.wholestate import BACK, BOTH, DONE, FORWARD, NOBODY, PENDING, Memory, Standing, State, View, Watching


class Chronicle:
    """Says what is remembered after each transition of a plan; equal memories are one object."""

    def __init__(self, case: WholeCase) -> None:
        self.case = case
        self._known: dict[tuple[object, ...], Memory] = {}
        self._watching: dict[tuple[Watching, int, tuple[int, ...]], Watching] = {}
        self._worlds: dict[tuple[Standing, Memory], Memory] = {}

    def after(self, view: View, state: State, past: State | None) -> Memory:
        """Return the memory of a state that was reached from `past` (None: the plan's start)."""
        memory = self._way(view, state, past) if past is not None else state.memory
        if memory is not state.memory:
            memory = self._once(memory)
        key = view.there, memory
        known = self._worlds.get(key)
        if known is None:
            known = self._worlds[key] = self._once(_world(self.case, view.there, memory))
        return known

    def _once(self, memory: Memory) -> Memory:
        """Return the one memory that stands for all that are equal to this one."""
        return self._known.setdefault(memory.content, memory)

    def _way(self, view: View, state: State, past: State) -> Memory:
        """Return what is remembered of the way from one state to the next, whatever runs after it."""
        case, memory, within = self.case, state.memory, state.step == past.step
        if not memory.beat and view.there.serving and Check.HEARTBEATS_FRESH in _asked(case, past, state):
            memory = replace(memory, beat=True)
        if within and state.direction == FORWARD:
            memory = _step(case, view, state, memory)
        if within and past.direction == BACK and _given_up(case, view, state, past):
            memory = replace(memory, newest=BOTH, migrated=False, since=NOBODY)
        if within and memory.since:
            since = self._since(state, past, memory.since)
            memory = memory if since is memory.since else replace(memory, since=since)
        return memory

    def _since(self, state: State, past: State, since: Watching) -> Watching:
        """Return what still watches from before the migration, less what a part that is done now has restarted."""
        one = self.case.steps[state.step]
        pairs = enumerate(zip(state.parts, past.parts, strict=True))
        ended = tuple(number for number, (stage, before) in pairs if stage == DONE != before)
        if one.step.kind is Kind.MIGRATE or not ended or not one.parts:
            return since
        key = since, state.step, ended
        if key not in self._watching:
            self._watching[key] = _less(self.case, state.step, ended, since)
        return self._watching[key]


def _less(case: WholeCase, step: int, ended: tuple[int, ...], since: Watching) -> Watching:
    """Return what is left of what watches once some parts of a step have restarted theirs."""
    one, left = case.steps[step], dict(since)
    for part in (one.parts[number] for number in ended):
        for key in part.hosts:
            left.pop(key, None)
        for key, count in _counted(one.step) if part.fleet else ():
            if key in left:
                left[key] -= count
    kept = Watching((key, count) for key, count in left.items() if count > 0)
    return since if kept == since else kept


def _given_up(case: WholeCase, view: View, state: State, past: State) -> bool:
    """Say whether a step taken back gives the newest writes up: it stops API servers again, and states what is lost."""
    if any(state.parts) or past.parts == state.parts or view.there.runs("kube-apiserver"):
        return False
    step = case.steps[state.step].step
    stated = step.undo is not None and bool(step.undo.loss)
    return stated and step.kind is Kind.START and "kube-apiserver" in components(step)


def _asked(case: WholeCase, past: State, state: State) -> tuple[Check, ...]:
    """Return the checks that were found to hold on the way from one state to the next."""
    step = case.steps[past.step].step
    if past.direction == BACK:
        return step.undo.pre if step.undo is not None and state.step == past.step else ()
    return step.post if state.step > past.step else step.pre if sum(past.parts) < sum(state.parts) else ()


def _step(case: WholeCase, view: View, state: State, memory: Memory) -> Memory:
    """Return what is remembered of the step itself."""
    one = case.steps[state.step]
    if one.floor and PENDING not in state.parts:
        memory = replace(memory, floor=max(memory.floor, one.floor))
    if state.parts.count(DONE) < len(state.parts):
        return memory
    step = one.step
    match step.kind:
        case Kind.MIGRATE if memory.newest == Store.V2:
            left = case.plan.stores.calico is Store.V2 and view.around.calico != "after"
            running = {key: 1 for key in view.there.up if key[0] in MANAGERS}
            since = Watching(sorted({**case.watchers, **running}.items()))
            return replace(memory, newest=BOTH, migrated=True, compared=False, left=left, since=since)
        case Kind.DELETE_KEYS:
            prefix = (step.prefix or "").rstrip("/")
            if step.store is Store.V3:
                return replace(memory, left=memory.left and prefix != "/calico")
            return replace(memory, gone=memory.gone | {prefix})
        case Kind.SENTINEL:
            return replace(memory, sentinel=True)
        case Kind.COMPARE:
            return replace(memory, compared=memory.migrated and all(key in view.there.up for key in case.members))
        case Kind.BACKUP:
            still = not view.there.runs("etcd") and not view.there.runs("kube-apiserver")
            cold = memory.cold or (step.backup is not None and step.backup.cold and still)
            return replace(memory, saved=memory.saved | {step.id}, cold=cold)
        case Kind.DRILL:
            return replace(memory, proven=memory.proven | _newest(case, memory))
        case _:
            return memory


def _newest(case: WholeCase, memory: Memory) -> frozenset[str]:
    """Return the newest backup of each set of stores."""
    found = {frozenset(one.step.backup.stores): one.step.id for one in case.steps
             if one.step.id in memory.saved and one.step.backup is not None}  # fmt: skip
    return frozenset(found.values())


def _counted(step: Step) -> list[tuple[Key, int]]:
    return [((name, where), count) for where, count in step.takes.items() for name in components(step)]


def _world(case: WholeCase, there: Standing, memory: Memory) -> Memory:
    """Return what is remembered of what runs, or would after a reboot."""
    if there.line is not None and (memory.cluster is None or there.line > memory.cluster):
        memory = replace(memory, cluster=there.line)
    if memory.cold and there.runs("etcd"):
        memory = replace(memory, cold=False)
    versions, stores = there.writes
    if not versions:
        return replace(memory, beat=False) if memory.beat and case.apiservers else memory
    if memory.sentinel or not versions <= memory.wrote:
        memory = replace(memory, wrote=memory.wrote | versions, sentinel=False)
    if memory.newest == BOTH:
        memory = replace(memory, newest=Store.V2, migrated=False, since=NOBODY) if stores == {Store.V2} else (
            replace(memory, newest=Store.V3))  # fmt: skip
    return memory
