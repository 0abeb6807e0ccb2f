"""Which versions may be there at the same time: skew by the knowledge's rows, for counted and for bounded states alike."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from kubedeb.knowledge import Knowledge, RuleKind, Severity
from kubedeb.knowledge.schema import Rule
from kubedeb.versions import Version

CLAUSES = {
    "kube-apiserver": "skew-apiserver", "kubelet": "skew-kubelet", "kube-proxy": "skew-proxy",
    "kube-controller-manager": "skew-managers", "kube-scheduler": "skew-managers",
}  # fmt: skip


class Skew:
    """Judges pairs of versions, each pair once."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._rules: dict[str, list[Rule]] = {}
        for rule in knowledge.rules:
            skewed = rule.kind is RuleKind.SKEW and rule.skew is not None and rule.severity is Severity.FORBID
            if skewed and rule.skew is not None and rule.skew.against == "kube-apiserver" and not rule.skew.on_node:
                self._rules.setdefault(rule.component, []).append(rule)
        self.pair = cache(self._pair)

    def _pair(self, component: str, version: Version, server: Version) -> tuple[str, ...]:
        """Return the rules that a component's version breaks beside an API server's."""
        return tuple(
            rule.id for rule in self._rules.get(component, ())
            if rule.skew is not None and version in rule.from_ and server in rule.to and not rule.skew.allows(version, server)
        )  # fmt: skip

    def broken(self, components: Iterable[str], versions: Iterable[Version], servers: Iterable[Version]) -> tuple[str, ...]:
        """Return the rules that versions of some components break beside those of API servers."""
        listed = list(servers)
        found = [self.pair(name, one, other) for name in components for one in versions for other in listed]
        return tuple(dict.fromkeys(rule for rules in found for rule in rules))
