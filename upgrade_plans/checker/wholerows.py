"""What the rows say of versions beside each other, of flags, and of the way down (docs/semantics.md, 15)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from kubedeb.knowledge import Knowledge, RuleKind, Severity
from kubedeb.knowledge.schema import Rule
from kubedeb.versions import Version
from upgrade_plans.checker.wholewords import MANAGERS
from upgrade_plans.checker.wholeworld import SERVER, Settings

INVARIANTS = {
    SERVER: "skew-apiserver", "kubelet": "skew-kubelet", "kube-proxy": "skew-proxy", "kubectl": "skew-kubectl",
    "tiller": "skew-helm", "helm": "skew-helm", "calico": "calico-datastore", "etcd": "etcd-store", "storage": "etcd-store",
    **dict.fromkeys(MANAGERS, "skew-managers"),
}  # fmt: skip
ROWS_CALL = {"calico-node": "calico"}


class Rows:
    """The rows that forbid or warn about pairs of versions, about one version, a flag or a way down.

    `asked`: the ids of those that speak of a pair of versions that was met.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.asked: set[str] = set()
        self.pairs: list[tuple[str, str, Rule]] = []
        for rule in knowledge.rules:
            other = rule.window or (rule.skew if rule.skew is not None and not rule.skew.on_node else None)
            if other is not None and rule.severity is not Severity.NOTE:
                against = SERVER if other.against == "kubernetes" else other.against
                self.pairs.append((rule.component, against, rule))
        self.together = cache(lambda mix: tuple(self._together(dict(mix))))
        self.refused = cache(self._refused)
        self.down = cache(self._down)

    def _together(self, mix: Mapping[str, frozenset[Version]]) -> Iterator[Rule]:
        for component, against, rule in self.pairs:
            if self._breaks(rule, mix.get(component, ()), mix.get(against, ())):
                yield rule

    def bad(self, component: str, version: Version) -> list[Rule]:
        """Return the rows that block a version, or warn of it."""
        return [rule for rule in self.knowledge.blocked(component, version) if rule.severity is not Severity.NOTE]

    def beside_server(self, component: str, versions: Iterable[Version], servers: Iterable[Version]) -> Iterator[Rule]:
        """Yield the rows that a component breaks beside the API server that it speaks to."""
        for name, against, rule in self.pairs:
            if (name, against) == (component, SERVER) and self._breaks(rule, versions, servers):
                yield rule

    def _refused(self, component: str, version: Version, settings: Settings) -> frozenset[tuple[str, bool]]:
        """Return the flags that a version refuses, each with whether a row says that it is gone (else: not there yet)."""
        found = set()
        for row in self.knowledge.flags:
            if row.component == component and row.flag in dict(settings):
                if row.removed_from(version):
                    found.add((row.flag, True))
                elif row.first is not None and version < Version.parse(row.first):
                    found.add((row.flag, False))
        return frozenset(found)

    def _down(self, wrote: Version, reads: Version) -> tuple[tuple[str, str], ...]:
        """Return by what an API server cannot read what a newer one wrote, and by which row."""
        found = [("minors", "kube-apiserver-skew")] if wrote.major == reads.major and reads.minor < wrote.minor - 1 else []
        for rule in self.knowledge.of(SERVER, RuleKind.TRAP):
            between = wrote in rule.from_ and reads in rule.to and reads not in rule.from_
            if rule.severity is Severity.FORBID and reads < wrote and between:
                found.append(("row", rule.id))
        return tuple(found)

    def _breaks(self, rule: Rule, versions: Iterable[Version], others: Iterable[Version]) -> bool:
        allows = (
            rule.skew.allows if rule.skew is not None else lambda _, other: rule.window is None or rule.window.allows(other)
        )
        asked = [(one, other) for one in versions if one in rule.from_ for other in others if other in rule.to]
        if asked:
            self.asked.add(rule.id)
        return any(not allows(one, other) for one, other in asked)
