"""The facts as things that rules speak of: daemons that run or would start, nodes, members, workloads, versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pydantic import BaseModel

from kubedeb.knowledge import Knowledge
from kubedeb.versions import Version
from upgrade_plans.models.fact import fact
from upgrade_plans.models.facts import BalancerFacts, CalicoFacts, Facts, MemberFacts, StoreFacts
from upgrade_plans.models.kubefacts import ApiService, DisruptionBudget, KubernetesFacts, Tiller, Webhook, Workload
from upgrade_plans.models.nodefacts import NodeFacts, OnDisk, Settings
from upgrade_plans.models.upstream import version_of

STORES = {"etcd2": "2.0.0", "etcd3": "3.0.0"}


class Running(BaseModel):
    """A component that runs, in which version."""

    version: str = fact("its version", "what the daemon, the node or the image says")


class Counts(BaseModel):
    """How many there are."""

    nodes: int = fact("nodes", "counted")
    members: int = fact("etcd members", "counted")
    apiservers: int = fact("API servers", "counted")


ROOTS: dict[str, type[BaseModel]] = {
    "daemon": OnDisk, "running": Running, "node": NodeFacts, "member": MemberFacts, "store": StoreFacts,
    "kubernetes": KubernetesFacts, "calico": CalicoFacts, "workload": Workload, "budget": DisruptionBudget,
    "webhook": Webhook, "apiservice": ApiService, "tiller": Tiller, "pool": BalancerFacts, "cluster": Counts,
}  # fmt: skip
"""What a path of a condition may begin with, and the model there; any other word is a daemon's name."""


@dataclass(frozen=True, eq=False)
class Element:
    """One thing: where it is (a node set, a workload, a resource), its model, its version, and its node."""

    where: str
    value: BaseModel
    version: Version | None = None
    node: NodeFacts | None = None
    running: bool = True


class Elements:
    """All things of a facts file, by what they are."""

    def __init__(self, facts: Facts, knowledge: Knowledge) -> None:
        self.facts = facts
        self.knowledge = knowledge
        self._known: dict[tuple[str, str], tuple[Element, ...]] = {}

    def of(self, root: str, component: str) -> tuple[Element, ...]:
        """Return the things that a path's `root` means in a rule about `component`."""
        key = (root, component if root in ("daemon", "running") else "")
        if key not in self._known:
            self._known[key] = tuple(self._find(root, component))
        return self._known[key]

    def read(self, root: str) -> bool:
        """Say whether what `root` means was read at all."""
        if root in ("kubernetes", "workload", "budget", "webhook", "apiservice", "tiller"):
            return self.facts.kubernetes is not None
        return {"store": self.facts.store, "calico": self.facts.calico}.get(root, True) is not None

    def _find(self, root: str, component: str) -> Iterator[Element]:
        if root in ("daemon", "running"):
            look = self._daemons if root == "daemon" else self._running
            for name in self._names(component):
                yield from look(name)
        elif root in ROOTS:
            yield from self._things(root)
        else:
            yield from self._daemons(root)

    def _things(self, root: str) -> Iterator[Element]:
        facts = self.facts
        match root:
            case "node":
                yield from (Element(where, node, node=node) for where, node in facts.nodes.items())
            case "member":
                yield from (Element(member.node, member, version_of(member.running)) for member in facts.etcd)
            case "pool":
                yield from (Element(name, pool) for name, pool in facts.balancers.items())
            case "cluster":
                yield Element("the cluster", self._counts)
            case "store" | "calico" | "kubernetes":
                section: BaseModel | None = getattr(facts, root)
                yield from (Element(root, one) for one in (section,) if one is not None)
            case _:
                found: tuple[BaseModel, ...] = getattr(facts.kubernetes, LISTS[root]) if facts.kubernetes else ()
                yield from (Element(_name(value), value) for value in found)

    def _names(self, component: str) -> tuple[str, ...]:
        """Return a component and, where it is a product, its parts."""
        return (component, *self.knowledge.parts.get(component, ()))

    def _daemons(self, name: str) -> Iterator[Element]:
        """Yield what runs as `name` and what would start as it; a masked unit starts nothing."""
        for where, node in self.facts.nodes.items():
            daemon = node.daemons.get(name)
            if daemon is None:
                continue
            if daemon.running is not None:
                yield Element(where, daemon.running, version_of(daemon.running.version), node)
            if daemon.disk is not None and daemon.disk.enabled and not daemon.disk.masked:
                yield Element(where, daemon.disk, version_of(daemon.disk.version), node, running=False)

    def _running(self, name: str) -> Iterator[Element]:
        """Yield the versions in which a component runs, wherever it shows itself."""
        found = list(self._versions(name))
        yield from (Element(where, Running(version=text), version_of(text), node) for where, text, node in found)

    def _versions(self, name: str) -> Iterator[tuple[str, str, NodeFacts | None]]:
        if name == "etcd":
            yield from ((member.node, member.running, None) for member in self.facts.etcd if member.running)
        elif name == "storage":
            backends = ((one, one.value.arguments.get("--storage-backend")) for one in self._daemons("kube-apiserver")
                        if isinstance(one.value, Settings) and one.running)  # fmt: skip
            yield from ((one.where, STORES[backend], one.node) for one, backend in backends if backend in STORES)
        elif name == "tiller":
            tillers = self.facts.kubernetes.tillers if self.facts.kubernetes else ()
            yield from ((tiller.namespace, tiller.version, None) for tiller in tillers)
        for where, node in self.facts.nodes.items():
            daemon = node.daemons.get(name)
            if daemon is not None and daemon.running is not None and daemon.running.version and name != "etcd":
                yield where, daemon.running.version, node
            if name in node.tools:
                yield where, node.tools[name], node
            if node.runtime is not None and node.runtime.name == name:
                yield where, node.runtime.version, node

    @cached_property
    def _counts(self) -> Counts:
        servers = [key for key, node in self.facts.nodes.items() if "kube-apiserver" in node.daemons]
        number = sum(1 for _, key in self.facts.sets.items() if key in servers)
        return Counts(nodes=len(self.facts.sets), members=len(self.facts.etcd), apiservers=number)


LISTS: Mapping[str, str] = {
    "workload": "workloads", "budget": "budgets", "webhook": "webhooks", "apiservice": "apiservices", "tiller": "tillers",
}  # fmt: skip


def _name(value: BaseModel) -> str:
    return "/".join(text for part in ("namespace", "name") if (text := getattr(value, part, "")))
