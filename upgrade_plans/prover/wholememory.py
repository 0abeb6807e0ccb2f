"""What the world remembers of a plan's way: written data, cluster version, backups, what has watched since when."""

from __future__ import annotations

from upgrade_plans.models.upgrade import Step
from upgrade_plans.models.upgradekinds import Check, Store
from upgrade_plans.models.upgradekinds import StepKind as Kind
from upgrade_plans.prover.wholecase import Key, WholeCase
from upgrade_plans.prover.wholekinds import MANAGERS, components
from upgrade_plans.prover.wholestate import BACK, BOTH, DONE, FORWARD, PENDING, Memory, State, View


def remember(case: WholeCase, view: View, state: State, past: State | None) -> Memory:
    """Return the memory of a state that was reached from `past` (None: the plan's start)."""
    memory = state.memory
    if past is not None:
        asked = _asked(case, past, state)
        if Check.HEARTBEATS_FRESH in asked and view.serving:
            memory = memory._replace(beat=True)
        if state.step == past.step and state.direction == FORWARD:
            memory = _step(case, view, state, memory)
        if _given_up(case, view, state, past):
            memory = memory._replace(newest=BOTH, migrated=False, since=())
        if state.step == past.step and memory.since:
            memory = memory._replace(since=_since(case, state, past, memory))
    return _world(case, view, memory)


def _given_up(case: WholeCase, view: View, state: State, past: State) -> bool:
    """Say whether the newest writes were given up: API servers are stopped again by an undo that states what is lost."""
    step = case.steps[state.step].step if state.step < len(case.steps) else None
    back = past.direction == BACK and state.step == past.step and not any(state.parts) and past.parts != state.parts
    stated = step is not None and step.undo is not None and bool(step.undo.loss)
    starts = step is not None and step.kind is Kind.START and "kube-apiserver" in components(step)
    return back and stated and starts and not view.runs("kube-apiserver")


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
        memory = memory._replace(floor=max(memory.floor, one.floor))
    if any(stage != DONE for stage in state.parts):
        return memory
    step = one.step
    match step.kind:
        case Kind.MIGRATE if memory.newest == Store.V2:
            left = case.plan.stores.calico is Store.V2 and view.around.calico != "after"
            running = {key: 1 for key in view.up if key[0] in MANAGERS}
            since = tuple(sorted({**case.watchers, **running}.items()))
            return memory._replace(newest=BOTH, migrated=True, compared=False, left=left, since=since)
        case Kind.DELETE_KEYS:
            prefix = (step.prefix or "").rstrip("/")
            if step.store is Store.V3:
                return memory._replace(left=memory.left and prefix != "/calico")
            return memory._replace(gone=memory.gone | {prefix})
        case Kind.SENTINEL:
            return memory._replace(sentinel=True)
        case Kind.COMPARE:
            return memory._replace(compared=memory.migrated and all(key in view.up for key in case.members))
        case Kind.BACKUP:
            still = not view.runs("etcd") and not view.runs("kube-apiserver")
            cold = memory.cold or (step.backup is not None and step.backup.cold and still)
            return memory._replace(saved=memory.saved | {step.id}, cold=cold)
        case Kind.DRILL:
            return memory._replace(proven=memory.proven | _newest(case, memory))
        case _:
            return memory


def _newest(case: WholeCase, memory: Memory) -> frozenset[str]:
    """Return the newest backup of each set of stores."""
    found = {frozenset(one.step.backup.stores): one.step.id for one in case.steps
             if one.step.id in memory.saved and one.step.backup is not None}  # fmt: skip
    return frozenset(found.values())


def _since(case: WholeCase, state: State, past: State, memory: Memory) -> tuple[tuple[Key, int], ...]:
    """Return what still watches from before the migration, less what a part that is done now has restarted."""
    one = case.steps[state.step]
    if one.step.kind is Kind.MIGRATE:
        return memory.since
    restarted: list[tuple[Key, int | None]] = []
    for part, stage, before in zip(one.parts, state.parts, past.parts, strict=False):
        if stage == DONE and before != DONE:
            restarted += [(key, None) for key in part.hosts]
            restarted += _counted(one.step) if part.fleet else ()
    if not restarted:
        return memory.since
    left = dict(memory.since)
    for key, count in restarted:
        if key in left:
            left[key] -= left[key] if count is None else count
    return tuple(sorted((key, count) for key, count in left.items() if count > 0))


def _counted(step: Step) -> list[tuple[Key, int]]:
    return [((name, where), count) for where, count in step.takes.items() for name in components(step)]


def _world(case: WholeCase, view: View, memory: Memory) -> Memory:
    """Return what is remembered of what runs, or would after a reboot."""
    if case.members and all(key in view.up for key in case.members):
        lines = [one.run.line for key in case.members for one in view.may[key] if one.run is not None]
        if memory.cluster is None or min(lines) > memory.cluster:
            memory = memory._replace(cluster=min(lines))
    if view.runs("etcd"):
        memory = memory._replace(cold=False)
    servers = [(version, store) for one in view.servers for version, store in ((one.run, one.store), (one.starts, one.boot))
               if version is not None]  # fmt: skip
    if not servers:
        return memory._replace(beat=memory.beat and not case.apiservers)
    stores = {store for _, store in servers}
    memory = memory._replace(wrote=memory.wrote | {version for version, _ in servers}, sentinel=False)
    if memory.newest == BOTH:
        memory = memory._replace(newest=Store.V2, migrated=False, since=()) if stores == {Store.V2} else (
            memory._replace(newest=Store.V3))  # fmt: skip
    return memory
