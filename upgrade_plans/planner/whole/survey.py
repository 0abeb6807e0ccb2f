"""Where a whole stack stands: who is there, in which versions, counted; what no plan can start from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from kubedeb.knowledge import Knowledge
from kubedeb.versions import Version
from upgrade_plans.models.alike import Traits, traits
from upgrade_plans.models.cluster import Cluster, Role
from upgrade_plans.models.facts import Facts
from upgrade_plans.models.nodefacts import NodeFacts
from upgrade_plans.models.nodesets import fold
from upgrade_plans.models.upgradekinds import Store
from upgrade_plans.models.upstream import version_of
from upgrade_plans.planner.reasons import AGAIN, Reason, RefusedError
from upgrade_plans.planner.start import read_start
from upgrade_plans.planner.whole.unfit import unfit

STORES = {"etcd2": Store.V2, "etcd3": Store.V3}
STORAGE = {Store.V2: Version(2, 0), Store.V3: Version(3, 0)}
DAEMONS = {
    "apiservers": ("kube-apiserver",), "managers": ("kube-controller-manager", "kube-scheduler"),
    "workers": ("kubelet", "kube-proxy"), "calico": ("calico-node",),
}  # fmt: skip
"""The daemons that tell which version a group is on."""
OF_HOSTS = {Role.APISERVER: "apiservers", Role.CONTROLLER_MANAGER: "managers", Role.SCHEDULER: "managers"}


@dataclass(frozen=True)
class Crowd:
    """Workers between which nothing differs that a plan looks at: same traits, same facts."""

    id: str
    nodes: tuple[str, ...]
    traits: Traits
    facts: NodeFacts
    key: str

    @property
    def count(self) -> int:
        """Return how many there are."""
        return len(self.nodes)

    @cached_property
    def folded(self) -> str:
        """Return the nodes as one node set."""
        return self.nodes[0] if len(self.nodes) == 1 else fold(self.nodes)

    @property
    def down(self) -> bool:
        """Say whether the nodes do not answer: what would start on them counts all the same."""
        return self.facts.ready is False

    def stays(self, component: str) -> bool:
        """Say whether the operators froze a component on these nodes."""
        return bool(self.traits.frozen) and bool({"*", component} & set(self.traits.frozen))

    def is_left(self, components: tuple[str, ...]) -> bool:
        """Say whether a plan that moves these components leaves the nodes as they are: they are down, or one is frozen."""
        return self.down or any(self.stays(name) for name in components)


@dataclass(frozen=True)
class Survey:
    """A cluster at the start. `at`: by group the version of each unit: hosts' nodes, ids of crowds, namespaces of Tillers."""

    facts: Facts
    cluster: Cluster
    crowds: tuple[Crowd, ...]
    apiservers: tuple[str, ...]
    managers: tuple[str, ...]
    clients: tuple[str, ...]
    at: dict[str, dict[str, Version]]
    store: Store | None
    calico_store: Store | None
    leader: str | None
    cluster_id: str | None
    cluster_version: str | None

    def crowd(self, name: str) -> Crowd:
        """Return a crowd by its id."""
        return self._by_id[name]

    @cached_property
    def endpoint_counts(self) -> dict[str, int]:
        """Return --apiserver-count by API server, without those that keep the endpoints by leases or say nothing."""
        found: dict[str, int] = {}
        for node in self.apiservers:
            daemon = self.facts.of(node).daemons.get("kube-apiserver")
            settings = daemon and (daemon.running or daemon.disk)
            if settings and settings.arguments.get("--endpoint-reconciler-type", "master-count") == "master-count":
                text = settings.arguments.get("--apiserver-count", "")
                if text.isdigit():
                    found[node] = int(text)
        return found

    @cached_property
    def _by_id(self) -> dict[str, Crowd]:
        return {crowd.id: crowd for crowd in self.crowds}


def survey(facts: Facts, cluster: Cluster, knowledge: Knowledge) -> Survey:
    """Return the start. Raises `RefusedError` with everything that must be put right before any plan."""
    missing = [node for node in cluster.nodes if node not in facts.sets]
    if missing:
        named = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise RefusedError(Reason(f"the facts say nothing of {named}", AGAIN.removeprefix("Then r").replace("ead", "Read", 1)))
    start = read_start(facts, knowledge) if facts.etcd else None
    crowds = tuple(_crowds(facts, cluster))
    apiservers = cluster.roles.get(Role.APISERVER, ())
    managers = tuple(dict.fromkeys((*cluster.roles.get(Role.CONTROLLER_MANAGER, ()), *cluster.roles.get(Role.SCHEDULER, ()))))
    reasons = [*unfit(facts, cluster, dict.fromkeys(crowd.key for crowd in crowds))]
    store, said = _store(facts, apiservers)
    reasons += said
    if reasons:
        raise RefusedError(*reasons)
    at = dict(_versions(facts, cluster, crowds, apiservers, managers))
    if start is not None:
        at["etcd"] = {member.node: member.version for member in start.members}
    if store is not None:
        at["storage"] = {"storage": STORAGE[store]}
    leader = facts.kubernetes.leader.get("kube-controller-manager") if facts.kubernetes else None
    return Survey(
        facts=facts, cluster=cluster, crowds=crowds, apiservers=_standby_first(apiservers, leader),
        managers=_standby_first(managers, leader), clients=_clients(facts, cluster), at={k: v for k, v in at.items() if v},
        store=store, calico_store=_calico_store(facts), leader=leader,
        cluster_id=start.cluster_id if start else None, cluster_version=str(start.cluster_version) if start else None,
    )  # fmt: skip


def _standby_first(nodes: tuple[str, ...], leader: str | None) -> tuple[str, ...]:
    return tuple(sorted(nodes, key=lambda node: (node == leader, node)))


def _clients(facts: Facts, cluster: Cluster) -> tuple[str, ...]:
    """Return where clients are: the nodes of that role, and of the hosts whatever has a tool."""
    hosts = dict.fromkeys(node for role, nodes in cluster.roles.items() if role is not Role.WORKER for node in nodes)
    here = set(cluster.roles.get(Role.CLIENT, ()))
    return tuple(node for node in hosts if node in here or {"kubectl", "helm", "calicoctl"} & facts.of(node).tools.keys())


def _crowds(facts: Facts, cluster: Cluster) -> Iterator[Crowd]:
    """Yield the workers, counted, in the order of their first nodes. O(workers)."""
    where, sets, found = traits(cluster), facts.sets, defaultdict[tuple[int, str], list[str]](list)
    shared = {id(here): here for here in where.values()}
    for node in cluster.roles.get(Role.WORKER, ()):
        found[id(where[node]), sets[node]].append(node)
    used: dict[str, int] = {}
    for (number, key), nodes in found.items():
        here = shared[number]
        words = (here.row, here.rack, here.taint_group, here.hardware if here.hardware != "default" else "")
        name = "-".join(word for word in words if word)
        used[name] = used.get(name, 0) + 1
        yield Crowd(name + (f".{used[name]}" if used[name] > 1 else ""), tuple(nodes), here, facts.nodes[key], key)


def _store(facts: Facts, apiservers: tuple[str, ...]) -> tuple[Store | None, list[Reason]]:
    """Return where Kubernetes keeps its data, by what the API servers run with."""
    here: dict[Store, list[str]] = {}
    for node in apiservers:
        daemon = facts.of(node).daemons.get("kube-apiserver")
        if daemon is None or daemon.running is None:
            continue
        for words, settings in (("runs", daemon.running), ("would start", daemon.disk)):
            asked = settings.arguments.get("--storage-backend") if settings else None
            if asked and asked not in STORES:
                what = f"{node} {words} with --storage-backend={asked}, which is no store of an API server"
                return None, [Reason(what, f"Say etcd2 or etcd3, where its data lies. {AGAIN}")]
        runs, starts = (one.arguments.get("--storage-backend") if one else None for one in (daemon.running, daemon.disk))
        if runs and starts and runs != starts:
            what = f"{node} runs with --storage-backend={runs}, and would start with {starts} on a reboot, on other data"
            return None, [Reason(what, f"Write the store that its data lies in. {AGAIN}", "installed-running")]
        here.setdefault(STORES[runs or "etcd3"], []).append(node)
    if len(here) > 1:
        said = "; ".join(f"{', '.join(nodes)} on {store}" for store, nodes in sorted(here.items()))
        return None, [Reason(f"API servers use different stores: {said}", f"Stop those on the wrong one now. {AGAIN}")]
    return next(iter(here), None), []


def _calico_store(facts: Facts) -> Store | None:
    kinds = {"etcdv2": Store.V2, "etcdv3": Store.V3}
    return kinds.get(facts.calico.datastore or "") if facts.calico else None


def _versions(
    facts: Facts, cluster: Cluster, crowds: tuple[Crowd, ...], apiservers: tuple[str, ...], managers: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Version]]]:
    """Yield by group the version of each unit; the lowest of its daemons."""
    yield "apiservers", {node: found for node in apiservers if (found := _lowest(facts.of(node), DAEMONS["apiservers"]))}
    yield "managers", {node: found for node in managers if (found := _lowest(facts.of(node), DAEMONS["managers"]))}
    for group in ("workers", "calico"):
        yield group, {crowd.id: found for crowd in crowds if (found := _lowest(crowd.facts, DAEMONS[group]))}
    tillers = facts.kubernetes.tillers if facts.kubernetes else ()
    yield "tillers", {tiller.namespace: found for tiller in tillers if (found := version_of(tiller.version))}
    yield "helm", {node: found for node in _clients(facts, cluster) if (found := version_of(facts.of(node).tools.get("helm")))}


def _lowest(node: NodeFacts, names: tuple[str, ...]) -> Version | None:
    settings = (daemon.running or daemon.disk for name in names if (daemon := node.daemons.get(name)))
    return min((found for one in settings if one and (found := version_of(one.version))), default=None)
