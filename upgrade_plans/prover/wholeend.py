"""Whether a whole stack's plan ends at its target: what it leaves on another version (docs/semantics.md, 11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from upgrade_plans.models.upgrade import Upgrade
from upgrade_plans.models.upgradekinds import Store
from upgrade_plans.prover.verdict import Violation
from upgrade_plans.prover.wholekinds import GROUPS, MANAGERS, WORKERS

if TYPE_CHECKING:
    from upgrade_plans.prover.wholerecords import Key, Record

STORAGE, API = "storage", "kube-apiserver"
STORES = {Store.V2: "etcd2", Store.V3: "etcd3"}
"""The stores as targets name them."""
OF_TARGET: dict[str, tuple[str, ...]] = {
    **GROUPS, "kubernetes": (API, *MANAGERS, *WORKERS), "etcd": ("etcd",), "helm": ("tiller", "helm"), "tillers": ("tiller",),
}  # fmt: skip
"""The daemons that a target is about."""


def short_of(plan: Upgrade, hosts: Mapping[Key, Record], counted: Mapping[Key, Mapping[Record, int]]) -> Iterator[Violation]:
    """Yield what the plan's end leaves on another version or store than its target says.

    Nodes that do not answer and those on which the operators froze something stay behind: the target does not ask for them.
    """
    stay = {host.node for host in plan.hosts if host.frozen} | {
        group.id for group in plan.workers if group.frozen or group.down
    }
    groups_last = sorted(plan.target.items(), key=lambda item: item[0] in GROUPS)
    wanted = {name: text for target, text in groups_last if text and target != STORAGE
              for name in OF_TARGET.get(target, (target,))}  # fmt: skip

    @cache
    def short(name: str, record: Record) -> tuple[str, ...]:
        """Say on what a daemon is left; once for all that are alike."""
        found = []
        if name in wanted and record.disk is not None and str(record.disk) != wanted[name]:
            found.append(f"on {record.disk}, and its target is {wanted[name]}")
        store = STORES.get(record.boot) if record.boot is not None else None
        if name == API and plan.target.get(STORAGE) not in (None, store):
            found.append(f"on {store}, and its target is {plan.target[STORAGE]}")
        return tuple(found)

    units = ((key, record) for key, records in counted.items() for record, count in records.items() if count > 0)
    for (name, where), record in chain(hosts.items(), units):
        for what in short(name, record):
            if where not in stay:
                yield _ends(f"leaves {name} of {where} {what}")


def _ends(what: str) -> Violation:
    return Violation("plan", "static", f"the plan {what}", None)
