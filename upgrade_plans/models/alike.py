"""Nodes that are alike are counted: a class is all nodes between which nothing that a plan looks at differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from upgrade_plans.models.cluster import NO_GROUP, Cluster
from upgrade_plans.models.nodesets import fold

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Traits:
    """What tells nodes apart; `frozen` names the components that must stay (`*`: all)."""

    roles: tuple[str, ...]
    dc: str
    row: str
    rack: str
    taint_group: str
    architecture: str
    hardware: str
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeClass:
    """Nodes with the same traits, in the order of their names."""

    traits: Traits
    nodes: tuple[str, ...]

    @property
    def count(self) -> int:
        """Return how many nodes there are."""
        return len(self.nodes)

    @cached_property
    def folded(self) -> str:
        """Return the nodes as one node set."""
        return fold(self.nodes)


def traits(cluster: Cluster) -> dict[str, Traits]:
    """Return the traits of each node; nodes that are alike share one value."""
    roles: dict[str, tuple[str, ...]] = {}
    for role in sorted(cluster.roles):
        for node in cluster.roles[role]:
            roles[node] = (*roles.get(node, ()), str(role))
    dcs, architectures = _turned(cluster.dcs), _turned(cluster.architectures)
    hardware = _turned(cluster.hardware)
    groups = _turned({name: group.nodes for name, group in cluster.taint_groups.items()})
    frozen: dict[str, tuple[str, ...]] = {}
    for rule in cluster.constraints.frozen:
        for node in rule.nodes:
            frozen[node] = tuple(sorted({*frozen.get(node, ()), *(rule.components or ("*",))}))
    known: dict[tuple[object, ...], Traits] = {}
    found: dict[str, Traits] = {}
    for node in cluster.nodes:
        key = (
            roles[node], dcs.get(node, cluster.dc), *cluster.place(node), groups.get(node, NO_GROUP),
            architectures.get(node, cluster.architecture), hardware.get(node, DEFAULT), frozen.get(node, ()),
        )  # fmt: skip
        here = known.get(key)
        if here is None:
            here = known[key] = Traits(*key)
        found[node] = here
    return found


def classes(cluster: Cluster) -> tuple[NodeClass, ...]:
    """Return the classes of a cluster's nodes, in the order of their first nodes' names. O(nodes)."""
    found: dict[Traits, list[str]] = {}
    for node, here in traits(cluster).items():
        found.setdefault(here, []).append(node)
    return tuple(NodeClass(here, tuple(nodes)) for here, nodes in found.items())


def _turned(sets: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the name of the set that each node is in."""
    return {node: name for name, nodes in sets.items() for node in nodes}
