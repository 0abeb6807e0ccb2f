"""Which rules a mix of versions breaks: skew, windows, blocked versions. Pure; the rows alone decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import product

from kubedeb.knowledge import Knowledge, RuleKind, Severity
from kubedeb.knowledge.schema import Rule
from kubedeb.versions import Version
from upgrade_plans.planner.stack import BY_NAME, Move, Stack

Mix = Mapping[str, tuple[Version, ...]]
"""By component, the versions of it that run at one time."""
PRODUCT_STANDS_FOR = {"kubernetes": "kube-apiserver"}


def mix_of(stack: Stack, move: Move | None = None) -> Mix:
    """Return what runs at rest, or while a move is being made: the old and the new version of what moves."""
    mix: dict[str, tuple[Version, ...]] = {}
    for name, version in stack.versions:
        group = BY_NAME[name]
        moving = move is not None and move.group == name and not group.at_once
        for component in group.components:
            here = (move.old, move.new) if move is not None and moving else (version,)
            mix[component] = tuple(dict.fromkeys((*mix.get(component, ()), *here)))
    return mix


class Judge:
    """Judges mixes by the rules of a knowledge. Each pair of components is judged once for each pair of versions."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.between: dict[tuple[str, str], tuple[Rule, ...]] = {}
        for rule in knowledge.rules:
            against = _against(rule)
            if against is not None:
                key = rule.component, PRODUCT_STANDS_FOR.get(against, against)
                self.between[key] = (*self.between.get(key, ()), rule)
        self._pair = lru_cache(maxsize=None)(self._judge_pair)
        self._blocked = lru_cache(maxsize=None)(knowledge.blocked)

    def related(self, components: Iterable[str], others: Iterable[str]) -> bool:
        """Say whether any rule judges a component of one group against one of another, either way."""
        return any((one, two) in self.between or (two, one) in self.between for one, two in product(components, others))

    def broken(self, mix: Mix) -> tuple[Rule, ...]:
        """Return the rules that a mix breaks, each once."""
        return unique(self._broken(mix))

    def _broken(self, mix: Mix) -> Iterator[Rule]:
        for component, other in self.between:
            if component in mix and other in mix:
                yield from self._pair(component, other, mix[component], mix[other])
        for component, versions in mix.items():
            for version in versions:
                yield from self._blocked(component, version)

    def _judge_pair(
        self, component: str, other: str, versions: tuple[Version, ...], others: tuple[Version, ...]
    ) -> tuple[Rule, ...]:
        rules = self.between[component, other]
        return tuple(rule for rule in rules if not all(_allows(rule, *pair) for pair in product(versions, others)))


def unique(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return rules each once, in their order; by id, because a rule takes long to hash."""
    return tuple({rule.id: rule for rule in rules}.values())


def _against(rule: Rule) -> str | None:
    """Return the component that a rule judges its own against; None for rules that judge no mix, or one node only."""
    if rule.kind is RuleKind.SKEW and rule.skew is not None:
        return None if rule.skew.on_node else rule.skew.against
    return rule.window.against if rule.window is not None else None


def forbids(rule: Rule) -> bool:
    """Say whether a rule forbids; others cost risk."""
    return rule.severity is Severity.FORBID


def _allows(rule: Rule, version: Version, against: Version) -> bool:
    if version not in rule.from_ or against not in rule.to:
        return True
    if rule.skew is not None:
        return rule.skew.allows(version, against)
    return rule.window is None or rule.window.allows(against)
