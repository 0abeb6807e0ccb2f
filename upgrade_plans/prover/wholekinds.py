"""Which daemons a step of a whole stack's plan acts on, and what its kind does to them (docs/semantics.md, 11 and 12)."""

from __future__ import annotations

from upgrade_plans.models.upgrade import Step
from upgrade_plans.models.upgradekinds import StepKind as Kind
from upgrade_plans.models.upgradekinds import Store

MANAGERS = ("kube-controller-manager", "kube-scheduler")
WORKERS = ("kubelet", "kube-proxy")
WATCHERS = ("kubelet", "kube-proxy", *MANAGERS)
"""What watches the API servers, and would miss what happened if their store's revision fell."""
OF_KIND: dict[Kind, tuple[str, ...]] = {
    Kind.APISERVER: ("kube-apiserver",), Kind.SWITCH_STORE: ("kube-apiserver",), Kind.DEPOOL: ("kube-apiserver",),
    Kind.REPOOL: ("kube-apiserver",), Kind.MANAGERS: MANAGERS, Kind.WORKERS: WORKERS, Kind.ETCD_HOP: ("etcd",),
    Kind.MIGRATE: ("etcd",), Kind.CALICO_NODES: ("calico-node",), Kind.CALICO_CONTROLLERS: ("calico-kube-controllers",),
    Kind.TILLERS: ("tiller",),
}  # fmt: skip
GROUPS = {"managers": MANAGERS, "workers": WORKERS, "apiservers": ("kube-apiserver",), "calico": ("calico-node",)}
MOVERS = frozenset({
    Kind.APISERVER, Kind.MANAGERS, Kind.WORKERS, Kind.ETCD_HOP, Kind.CALICO_NODES, Kind.CALICO_CONTROLLERS, Kind.TILLERS,
    Kind.CLIENTS,
})  # fmt: skip
"""They bring what they take to another version."""
HANDLED = MOVERS | {Kind.CONFIG, Kind.RESTART, Kind.STOP, Kind.START, Kind.MIGRATE, Kind.SWITCH_STORE}
"""They take units in hand, one after the other; the others are one act."""
STATED = (MOVERS | {Kind.CONFIG, Kind.MIGRATE, Kind.SWITCH_STORE, Kind.CALICO_START, Kind.CALICO_COMPLETE}) - {
    Kind.CALICO_CONTROLLERS, Kind.CLIENTS,
}  # fmt: skip


def components(step: Step) -> tuple[str, ...]:
    """Return the daemons that a step acts on, on each thing that it takes."""
    if step.kind in OF_KIND:
        return OF_KIND[step.kind]
    named = step.moves or GROUPS.get(step.component, (step.component,))
    return tuple(name for part in named for name in GROUPS.get(part, (part,)))


def stated(step: Step) -> bool:
    """Say whether a step must say how it is taken back, or what it blocks: what it changes would stay."""
    return step.kind in STATED or (step.kind is Kind.DELETE_KEYS and step.store is not Store.V3)
