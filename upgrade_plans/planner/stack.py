"""The versions of a whole stack as one value: etcd, its store, Kubernetes by groups that move together, Calico, Helm."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from kubedeb.knowledge import Knowledge
from kubedeb.knowledge.journey import NEWEST
from kubedeb.versions import Version


@dataclass(frozen=True)
class Group:
    """Daemons that move together.

    `product` has the hops. A `stepwise` group takes every hop; others may skip lines as far as skew lets them. `drains`: each
    move empties its nodes once. An `at_once` group has no mixed state: everything that uses it is stopped while it moves.
    """

    name: str
    product: str
    components: tuple[str, ...]
    stepwise: bool = False
    drains: bool = False
    at_once: bool = False


KEPT = "kept"
"""The group of the workers that must stay while others move."""
GROUPS = (
    Group("etcd", "etcd", ("etcd",), stepwise=True),
    Group("storage", "storage", ("storage",), stepwise=True, at_once=True),
    Group("calico", "calico", ("calico",), stepwise=True),
    Group("apiservers", "kubernetes", ("kube-apiserver",), stepwise=True),
    Group("managers", "kubernetes", ("kube-controller-manager", "kube-scheduler")),
    Group("tillers", "helm", ("tiller",)),
    Group("helm", "helm", ("helm",)),
    Group("workers", "kubernetes", ("kubelet", "kube-proxy"), drains=True),
    Group(KEPT, "kubernetes", ("kubelet", "kube-proxy")),
)
"""In the order in which moves that cost the same are made."""
BY_NAME = {group.name: group for group in GROUPS}
OF_PRODUCT = {
    product: tuple(group.name for group in GROUPS if group.product == product and group.name != KEPT)
    for product in {g.product for g in GROUPS}
}


@dataclass(frozen=True)
class Stack:
    """Which version each group is on; a group that a cluster does not have is not there."""

    versions: tuple[tuple[str, Version], ...]

    @classmethod
    def of(cls, versions: dict[str, Version]) -> Stack:
        """Make a stack from a version for each group."""
        return cls(tuple((group.name, versions[group.name]) for group in GROUPS if group.name in versions))

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self.versions)

    def __getitem__(self, group: str) -> Version:
        return dict(self.versions)[group]

    def __contains__(self, group: str) -> bool:
        return group in dict(self.versions)

    def with_(self, group: str, version: Version) -> Stack:
        """Return the stack after a group has moved."""
        return replace(self, versions=tuple((name, version if name == group else old) for name, old in self.versions))


@dataclass(frozen=True)
class Move:
    """One group goes from one version to another, everything else staying."""

    group: str
    old: Version
    new: Version


@dataclass(frozen=True)
class Wish:
    """Where to go, what must stay where it is (names of groups), and the patches to pass lines with, by product and line.

    `rest` maps a group to the one line that it may rest on before its target.
    """

    target: Stack
    frozen: frozenset[str] = frozenset()
    via: dict[tuple[str, tuple[int, int]], Version] = field(default_factory=dict)
    rest: dict[str, tuple[int, int]] = field(default_factory=dict)


class Map:
    """The moves that hops allow between a start and a target."""

    def __init__(self, start: Stack, wish: Wish, knowledge: Knowledge) -> None:
        self.wish = wish
        self.knowledge = knowledge
        self.stones: dict[tuple[str, tuple[int, int]], Version] = {}
        self.target = Stack.of(
            {name: version if name in wish.frozen else wish.target[name] for name, version in start.versions}
        )
        self.lines = {
            name: knowledge.way(BY_NAME[name].product, version.line, self.target[name].line) for name, version in start.versions
        }

    def moves(self, stack: Stack) -> tuple[Move, ...]:
        """Return every move that a group may make next, whatever the other groups say."""
        found: list[Move] = []
        for name, version in stack.versions:
            target = self.target[name]
            if version == target:
                continue
            ahead = [line for line in self.lines[name] if line > version.line]
            if name in self.wish.rest:
                ahead = [line for line in ahead if line in (self.wish.rest[name], target.line)]
            if BY_NAME[name].stepwise:
                ahead = ahead[:1]
            found += [Move(name, version, self.version(name, line)) for line in ahead]
            if version.line == target.line:
                found.append(Move(name, version, target))
        return tuple(found)

    def version(self, name: str, line: tuple[int, int]) -> Version:
        """Return the version that a group has while it is on a line."""
        target, product = self.target[name], BY_NAME[name].product
        if line == target.line:
            return target
        if (product, line) not in self.stones:
            stone = self.wish.via.get((product, line)) or self.knowledge.stone(product, line)
            self.stones[product, line] = stone or Version(*line, NEWEST)
        return self.stones[product, line]


def shown(group: str | None, version: Version | None) -> str | None:
    """Return a version as plans write it: the stores are etcd2 and etcd3."""
    if version is None:
        return None
    return f"etcd{version.major}" if group == "storage" else str(version)
