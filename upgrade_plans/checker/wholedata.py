"""The invariants of docs/semantics.md, 15, about data: the stores, the migration, the backups."""

from __future__ import annotations

from collections.abc import Iterator

from kubedeb.versions import Version
from upgrade_plans.checker.wholestate import BOTH, FORWARD, PENDING, Past, Scene, State
from upgrade_plans.checker.wholeworld import SERVER, Key, Replay, Unit
from upgrade_plans.models.upgrade import Step
from upgrade_plans.models.upgradekinds import StepKind as Kind
from upgrade_plans.models.upgradekinds import Store


def data_broken(plan: Replay, state: State, here: Scene) -> Iterator[tuple[str, str]]:
    """Yield what a state violates of the invariants about data."""
    if state.past.newest is not None:
        ends = here.step is None and state.way == FORWARD
        yield from _written(state.past, here, frozenset() if ends else plan.misled)
    if here.step is not None and here.begun and state.way == FORWARD:
        if here.step.kind is Kind.MIGRATE:
            yield from _migrating(plan, state.past, here, here.step)
        yield from _saved(plan, state, here, here.step)


def _written(past: Past, here: Scene, misled: frozenset[tuple[Key, Unit]]) -> Iterator[tuple[str, str]]:
    runs = {unit.uses for unit in here.servers if unit.runs is not None} - {None}
    would = [unit for key, units in here.may.items() if key[0] == SERVER for unit in units if (key, unit) not in misled]
    boots = {unit.boots for unit in would if unit.would is not None} - {None}
    both = runs | boots
    if past.newest != BOTH and any(store != past.newest for store in runs):
        yield "etcd-store", "writes"
    if past.newest != BOTH and any(store != past.newest for store in boots):
        yield "etcd-store", "boots"
    if len(both) > 1:
        yield "etcd-store", "two"
    if Store.V2 in both and "/registry" in past.gone:
        yield "etcd-store", "deleted"
    if Store.V3 in both and past.migrated and not past.compared:
        yield "store-agree", "uncompared"


def _migrating(plan: Replay, past: Past, here: Scene, step: Step) -> Iterator[tuple[str, str]]:
    if here.some(SERVER):
        yield "write-stop", "servers"
    if not here.around.closed:
        yield "write-stop", "open"
    if here.some("etcd"):
        yield "write-stop", "members"
    if not past.sentinel:
        yield "watch-continuity", "sentinel"
    if not past.cold:
        yield "snapshot", "cold"
    if here.around.calico == "after" or plan.plan.stores.calico is Store.V3:
        yield "calico-datastore", "copied"
    if set(step.takes) != {where for _, where in plan.named("etcd")}:
        yield "store-agree", "members"
    if step.with_ttl:
        yield "store-agree", "lifetimes"


def _saved(plan: Replay, state: State, here: Scene, step: Step) -> Iterator[tuple[str, str]]:
    backups = {block.backup for block in step.blocks if block.backup is not None}
    if not backups <= state.past.proven:
        yield "snapshot", "unproven"
    saved = {store for one in plan.steps if one.id in backups and one.backup is not None for store in one.backup.stores}
    if step.blocks and not _in_danger(plan, state.past, here, step) <= saved:
        yield "snapshot", "stores"
    if step.kind is not Kind.ETCD_HOP or step.to is None or plan.floors[state.step] or PENDING in state.stages:
        return
    to, members = Version.parse(step.to), plan.named("etcd")
    old = [plan.worlds[state.step].hosts[key].runs for key in members]
    raises = any(version is not None and version.line < to.line for version in old)
    if raises and all(any(unit.runs == to for unit in here.may[key]) for key in members):
        yield "snapshot", "unblocked"


def _in_danger(plan: Replay, past: Past, here: Scene, step: Step) -> set[Store]:
    """Return the stores with data that a step can lose: a hop those in use, a deletion its own."""
    if step.kind is Kind.DELETE_KEYS:
        return {step.store} if step.store is not None else set()
    if step.kind is not Kind.ETCD_HOP:
        return set()
    calico = plan.plan.stores.calico
    used = set(Store) if past.newest == BOTH else {store for store in Store if store == past.newest}
    if calico is not None:
        used.add(Store.V3 if here.around.calico == "after" else calico)
    return used
