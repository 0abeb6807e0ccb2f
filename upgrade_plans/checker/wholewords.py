"""What the kinds of steps of a whole stack's plan act on, and what may stay of them (docs/semantics.md, 11 and 12)."""

from __future__ import annotations

from upgrade_plans.models.upgrade import Step
from upgrade_plans.models.upgradekinds import StepKind as Kind
from upgrade_plans.models.upgradekinds import Store

MANAGERS = ("kube-controller-manager", "kube-scheduler")
WORKERS = ("kubelet", "kube-proxy")
GROUPS: dict[str, tuple[str, ...]] = {
    "managers": MANAGERS, "workers": WORKERS, "apiservers": ("kube-apiserver",), "calico": ("calico-node",),
}  # fmt: skip
OF_TARGETS: dict[str, tuple[str, ...]] = {
    "kubernetes": ("kube-apiserver", *MANAGERS, *WORKERS), "helm": ("tiller", "helm"), "tillers": ("tiller",),
}  # fmt: skip
ACT_ON: dict[Kind, tuple[str, ...]] = {
    Kind.ETCD_HOP: ("etcd",),
    Kind.MIGRATE: ("etcd",),
    Kind.APISERVER: ("kube-apiserver",),
    Kind.SWITCH_STORE: ("kube-apiserver",),
    Kind.DEPOOL: ("kube-apiserver",),
    Kind.REPOOL: ("kube-apiserver",),
    Kind.MANAGERS: MANAGERS,
    Kind.WORKERS: WORKERS,
    Kind.CALICO_NODES: ("calico-node",),
    Kind.CALICO_CONTROLLERS: ("calico-kube-controllers",),
    Kind.TILLERS: ("tiller",),
}
CARRY = frozenset({
    Kind.ETCD_HOP, Kind.APISERVER, Kind.MANAGERS, Kind.WORKERS, Kind.CALICO_NODES, Kind.CALICO_CONTROLLERS, Kind.TILLERS,
    Kind.CLIENTS,
})  # fmt: skip
"""What these take goes to another version."""
LOAD = frozenset({Kind.ETCD_HOP, Kind.APISERVER, Kind.MANAGERS, Kind.WORKERS, Kind.CALICO_NODES})
"""They install packages that must lie on the node before."""
HANDLE = CARRY | {Kind.CONFIG, Kind.RESTART, Kind.STOP, Kind.START, Kind.MIGRATE, Kind.SWITCH_STORE}
"""They take daemons in hand."""
STAYS = LOAD | {Kind.TILLERS, Kind.CONFIG, Kind.MIGRATE, Kind.SWITCH_STORE, Kind.CALICO_START, Kind.CALICO_COMPLETE}
"""What they do stays: they say how it is taken back, or what they block."""


def meant(name: str, *, target: bool = False) -> tuple[str, ...]:
    """Return the components that a name stands for: in a step or a change, or as a `target`."""
    return (GROUPS | OF_TARGETS if target else GROUPS).get(name, (name,))


def acted_on(step: Step) -> tuple[str, ...]:
    """Return the components that a step acts on, on each thing that it takes."""
    if step.kind in ACT_ON:
        return ACT_ON[step.kind]
    return tuple(name for one in step.moves or (step.component,) for name in meant(one))


def must_state(step: Step) -> bool:
    """Say whether a step has to say how it is taken back, or what it blocks."""
    return step.kind in STAYS or (step.kind is Kind.DELETE_KEYS and step.store is not Store.V3)
