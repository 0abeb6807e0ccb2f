"""The invariants of docs/semantics.md, 15, about where data lies and who writes it: the stores, the migration, the backups."""

from __future__ import annotations

from collections.abc import Iterator

from kubedeb.versions import Version
from upgrade_plans.models.upgradekinds import StepKind as Kind
from upgrade_plans.models.upgradekinds import Store
from upgrade_plans.prover.wholerecords import Key, WholeCase
from upgrade_plans.prover.wholestate import BOTH, PENDING, Memory, State, View

Clause = tuple[str, str, tuple[str, ...]]
DEFAULT = "kube-apiserver-etcd3-default"


def stores(case: WholeCase, view: View) -> tuple[frozenset[Store], frozenset[Store]]:
    """Return the stores that API servers write to at a place, and those that they would write to after a reboot.

    What the start got wrong may stay until the plan's end: an API server that is still as it was is not among the latter.
    """
    writes, boots = view.there.stores
    if case.astray and view.step is not None:
        boots = frozenset(one.boot for key in case.apiservers for one in view.there.may[key]
                          if one.starts is not None and one.boot is not None and (key, one) not in case.astray)  # fmt: skip
    return writes, boots


def stored(memory: Memory, writes: frozenset[Store], boots: frozenset[Store]) -> Iterator[Clause]:
    """Judge where API servers write, and would write after a reboot."""
    if memory.newest is None:
        return
    if memory.newest != BOTH:
        if any(store != memory.newest for store in writes):
            yield "etcd-store", "writes", (DEFAULT,)
        if any(store != memory.newest for store in boots):
            yield "etcd-store", "boots", (DEFAULT,)
    if len(writes | boots) > 1:
        yield "etcd-store", "two", (DEFAULT,)
    if Store.V3 in writes | boots and memory.migrated and not memory.compared:
        yield "store-agree", "uncompared", ()
    if Store.V2 in writes | boots and "/registry" in memory.gone:
        yield "etcd-store", "deleted", ()


def migrated_by(case: WholeCase, state: State, view: View) -> Iterator[Clause]:
    """Judge the copying of one store into the other, where that is what a begun step does."""
    memory = state.memory
    if view.step is None or view.step.kind is not Kind.MIGRATE:
        return
    if view.there.servers and view.there.runs("kube-apiserver"):
        yield "write-stop", "servers", ("storage-hop-etcd2-etcd3",)
    if not view.around.closed:
        yield "write-stop", "open", ("storage-hop-etcd2-etcd3",)
    if view.there.runs("etcd"):
        yield "write-stop", "members", ()
    if not memory.sentinel:
        yield "watch-continuity", "sentinel", ()
    if not memory.cold:
        yield "snapshot", "cold", ("etcd-snapshot-v3-only",)
    if view.around.calico == "after" or case.plan.stores.calico is Store.V3:
        yield "calico-datastore", "copied", ("calico-3-after-migration",)
    parts = {part.name for part in case.steps[state.step].parts}
    if parts != {where for _, where in case.members}:
        yield "store-agree", "members", ()
    if view.step.with_ttl:
        yield "store-agree", "lifetimes", ()


def saved_before(case: WholeCase, state: State, view: View) -> Iterator[Clause]:
    """Judge whether what a begun step puts out of reach was saved, and the backup proven."""
    if view.step is None:
        return
    one, memory = case.steps[state.step], state.memory
    step = one.step
    named = [block.backup for block in step.blocks if block.backup is not None]
    if any(backup not in memory.proven for backup in named):
        yield "snapshot", "unproven", ("etcd-backup-drill",)
    endangered = _endangered(case, state, view)
    held: set[Store] = set()
    for backup in named:
        saved = case.steps[case.index[backup]].step.backup if backup in case.index else None
        held |= set(saved.stores) if saved is not None else set()
    if not endangered <= held:
        yield "snapshot", "stores", ("etcd-backup-first",)
    if step.kind is Kind.ETCD_HOP and step.to is not None and not one.floor and PENDING not in state.parts:
        to, old = Version.parse(step.to), case.boundaries[state.step].hosts
        raised = any(record.run is not None and record.run.line < to.line for key, record in old.items() if key[0] == "etcd")
        if raised and all(_moved(view, key, to) for key in case.members):
            yield "snapshot", "unblocked", ("etcd-no-downgrade",)


def _moved(view: View, key: Key, to: Version) -> bool:
    """Say whether a member runs, or is about to run, a version."""
    return any(one.run == to for one in view.there.may[key])


def _endangered(case: WholeCase, state: State, view: View) -> set[Store]:
    """Return the stores with data that a step of this kind can lose."""
    step = view.step
    if step is None or not step.blocks:
        return set()
    if step.kind is Kind.DELETE_KEYS:
        return {step.store} if step.store is not None else set()
    if step.kind is not Kind.ETCD_HOP:
        return set()
    calico = case.plan.stores.calico
    if calico is not None and view.around.calico == "after":
        calico = Store.V3
    newest = state.memory.newest
    kubernetes = {Store.V2, Store.V3} if newest == BOTH else {newest}
    return {store for store in (*kubernetes, calico) if isinstance(store, Store)}
