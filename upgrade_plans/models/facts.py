"""Facts: what `kubedeb inspect` read of a live cluster. Everything after works from this file alone."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from kubedeb.yamlfile import StrictModel
from upgrade_plans.canonical import Sparse
from upgrade_plans.models.etcdfacts import MemberFacts, StoreFacts
from upgrade_plans.models.fact import fact
from upgrade_plans.models.kubefacts import KubernetesFacts
from upgrade_plans.models.nodefacts import AvailablePackage, NodeFacts, PackageFacts
from upgrade_plans.models.nodesets import spread
from upgrade_plans.models.words import Identifier, Moment, Name, NodeName, NodeSetText, VersionText

FORMAT = 2
READABLE = (1, 2)
"""Format 1 knew etcd only, and no node sets; it is a part of format 2."""


class CalicoFacts(StrictModel):
    """Calico, read from its datastore."""

    datastore: str | None = fact("etcdv2, etcdv3 or kubernetes", "DATASTORE_TYPE of calico-node; calicoctl.cfg", None)
    felix_version: VersionText | None = fact("CalicoVersion", "calicoctl get felixconfig default: CalicoVersion", None)
    v1_ready: bool | None = fact("the flag Ready of the v2 data", "ETCDCTL_API=2 etcdctl get /calico/v1/Ready", None)
    v3_ready: bool | None = fact("datastoreReady of the v3 data", "calicoctl get clusterinformation -o yaml", None)
    mesh: bool | None = fact("full mesh between nodes", "calicoctl get bgpconfig: nodeToNodeMeshEnabled", None)
    pools: int | None = fact("IP pools", "calicoctl get ippool", None)
    global_peers: int | None = fact("global BGP peers", "calicoctl get bgppeer", None)
    reflectors: int | None = fact(
        "route reflectors with a cluster id", "calicoctl get bgppeer, node: routeReflectorClusterID", None
    )
    nodes: tuple[str, ...] = fact("names of the nodes in its data", "calicoctl get nodes", ())
    clashes: tuple[str, ...] = fact(
        "names that are one once they are normalised", "calico-upgrade dry-run: conversion report", ()
    )
    orchestrators: dict[Identifier, int] = fact("workload endpoints by orchestrator", "calicoctl get workloadendpoint", {})
    v1_policies: int | None = fact(
        "NetworkPolicies that rely on the semantics before v1", "kubectl get networkpolicies; annotations of namespaces", None
    )
    controllers: int | None = fact("ready instances of calico-kube-controllers", "kubectl get deployment -n kube-system", None)


class PoolServer(StrictModel):
    """A server of a balancer's pool."""

    node: NodeName = fact("its node", "the balancer's configuration")
    pooled: bool = fact("it is meant to get traffic", "PyBal /pools/NAME; haproxy show servers state", True)
    up: bool = fact("its checks pass", "PyBal /pools/NAME; haproxy show stat", True)
    connections: int = fact("connections now", "ipvsadm -ln; haproxy show stat", 0)


class BalancerFacts(StrictModel):
    """A pool, as the balancer says."""

    version: VersionText | None = fact("the balancer's version", "dpkg-query -W on the balancer", None)
    servers: tuple[PoolServer, ...] = fact("its servers", "PyBal /pools/NAME; haproxy show servers state", ())


class Facts(Sparse):
    """Everything that was read of one cluster.

    `nodes` is by node set: nodes that answer alike stand there once. Use `of` for one node.
    """

    format: Literal[1, 2] = fact("format of this file", "kubedeb", FORMAT)
    cluster: Name = fact("the cluster's name", "the cluster file")
    read_at: Moment = fact("when it was read, ISO 8601, UTC", "date -u")
    nodes: dict[NodeSetText, NodeFacts] = fact("nodes by node set", "see NodeFacts")
    etcd: tuple[MemberFacts, ...] = fact("etcd members", "see MemberFacts")
    store: StoreFacts | None = fact("the stores; null: not read", "see StoreFacts", None)
    kubernetes: KubernetesFacts | None = fact("Kubernetes; null: not read", "see KubernetesFacts", None)
    calico: CalicoFacts | None = fact("Calico; null: not read", "see CalicoFacts", None)
    balancers: dict[Identifier, BalancerFacts] = fact("pools by name", "see BalancerFacts", {})
    images: dict[str, tuple[str, ...]] = fact("tags in the own registry by image", "GET /v2/NAME/tags/list", {})

    @cached_property
    def _read(self) -> tuple[dict[str, str], int]:
        """Return the key of each node, and how many names the keys hold. O(nodes), once."""
        found: dict[str, str] = {}
        named = 0
        for key in self.nodes:
            names = spread(key)
            named += len(names)
            found |= dict.fromkeys(names, key)
        return found, named

    @property
    def named(self) -> int:
        """Return how many names the node sets hold; more than there are nodes where one stands in two sets."""
        return self._read[1]

    @property
    def sets(self) -> dict[str, str]:
        """Return the key of `nodes` that each node stands under."""
        return self._read[0]

    def of(self, node: str) -> NodeFacts:
        """Return the facts of one node. Raises `KeyError`."""
        here = self.nodes.get(node)
        return here if here is not None else self.nodes[self.sets[node]]


__all__ = ["FORMAT", "READABLE", "AvailablePackage", "BalancerFacts", "CalicoFacts", "Facts", "MemberFacts", "NodeFacts",
           "PackageFacts", "StoreFacts"]  # fmt: skip
