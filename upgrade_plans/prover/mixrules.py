"""Which rows a mix of versions breaks, for every pair of components that a row speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from kubedeb.knowledge import Knowledge, RuleKind, Severity
from kubedeb.knowledge.schema import Rule
from kubedeb.versions import Version

STANDS_FOR = {"kubernetes": "kube-apiserver"}
CALLED = {"calico-node": "calico"}
"""How rows call what plans call otherwise."""
CLAUSES = {
    "kube-apiserver": "skew-apiserver", "kubelet": "skew-kubelet", "kube-proxy": "skew-proxy",
    "kube-controller-manager": "skew-managers", "kube-scheduler": "skew-managers", "tiller": "skew-helm", "helm": "skew-helm",
    "kubectl": "skew-kubectl", "calico": "calico-datastore", "etcd": "etcd-store", "storage": "etcd-store",
}  # fmt: skip
Mix = Mapping[str, frozenset[Version]]


class MixRules:
    """Judges mixes of versions, by component; each pair of versions once.

    `used`: the rules that said something of a pair that was met; `met`: for each broken one, what it was broken by first.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.pairs: dict[tuple[str, str], list[Rule]] = {}
        for rule in knowledge.rules:
            against = rule.window.against if rule.window else rule.skew.against if rule.skew and not rule.skew.on_node else None
            if against is not None and rule.severity is not Severity.NOTE:
                self.pairs.setdefault((rule.component, STANDS_FOR.get(against, against)), []).append(rule)
        self.used: set[str] = set()
        self.met: dict[str, str] = {}
        self.pair = cache(self._pair)
        self.blocked = cache(self._blocked)
        self.back = cache(self._back)

    def _pair(self, component: str, other: str, version: Version, against: Version) -> tuple[Rule, ...]:
        asked = [rule for rule in self.pairs[component, other] if version in rule.from_ and against in rule.to]
        self.used |= {rule.id for rule in asked}
        broken = tuple(rule for rule in asked if not _allows(rule, version, against))
        for rule in broken:
            self.met.setdefault(rule.id, f"{component} {version} beside {other} {against}")
        return broken

    def _blocked(self, component: str, version: Version) -> tuple[Rule, ...]:
        found = tuple(rule for rule in self.knowledge.blocked(component, version) if rule.severity is not Severity.NOTE)
        for rule in found:
            self.met.setdefault(rule.id, f"{component} {version}")
        return found

    def between(self, component: str, other: str, versions: Iterable[Version], others: Iterable[Version]) -> Iterator[Rule]:
        """Yield the rows that versions of a component break beside those of another."""
        if (component, other) in self.pairs:
            listed = sorted(others)
            for version in sorted(versions):
                for against in listed:
                    yield from self.pair(component, other, version, against)

    def broken(self, mix: Mix, given: frozenset[tuple[str, Version]] = frozenset()) -> Iterator[Rule]:
        """Yield the rows that a mix breaks, in an order that is the mix's alone.

        `given`: the blocked versions, by component, that are not judged.
        """
        for component, other in self.pairs:
            if component in mix and other in mix:
                yield from self.between(component, other, mix[component], mix[other])
        for component in sorted(mix):
            for version in sorted(mix[component]):
                if (component, version) not in given:
                    yield from self.blocked(component, version)

    def _back(self, component: str, wrote: Version, version: Version) -> tuple[Rule, ...]:
        """Return the rows that forbid the way down from a version to an older one."""
        return tuple(
            rule for rule in self.knowledge.of(component, RuleKind.TRAP)
            if rule.severity is Severity.FORBID and version < wrote and wrote in rule.from_ and version in rule.to
            and version not in rule.from_
        )  # fmt: skip


def _allows(rule: Rule, version: Version, against: Version) -> bool:
    if rule.skew is not None:
        return rule.skew.allows(version, against)
    return rule.window is None or rule.window.allows(against)
