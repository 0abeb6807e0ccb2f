"""Which rules concern a cluster: their conditions evaluated on its facts, for a target (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from kubedeb.errors import KubedebError
from kubedeb.knowledge import Knowledge, Rule, RuleKind
from kubedeb.knowledge.conditions import Condition, steps
from kubedeb.knowledge.journey import bites, stops
from kubedeb.versions import Version
from upgrade_plans.models.facts import Facts
from upgrade_plans.models.nodesets import fold
from upgrade_plans.models.upstream import version_of
from upgrade_plans.planner.elements import Element, Elements
from upgrade_plans.planner.paths import values

Target = Mapping[str, Version]
"""The version that each component or product is to reach; what is not named stays."""


@dataclass(frozen=True)
class Seen:
    """A rule that concerns the cluster, and where it was seen: node sets, objects, versions."""

    rule: Rule
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Detection:
    """The rules that concern a cluster, the heaviest first; and those that could not be told, with what was not read."""

    seen: tuple[Seen, ...]
    untold: tuple[tuple[Rule, str], ...]


@dataclass
class Found:
    """What satisfies a condition: elements by root, whether it holds, what was not read."""

    holds: bool
    elements: dict[str, list[Element]]
    unread: set[str]


def concerns(facts: Facts, target: Target, knowledge: Knowledge, rule: Rule) -> bool:
    """Say whether one rule concerns the cluster on its way to `target`."""
    return Look(facts, target, knowledge).at(rule).holds


def detect(facts: Facts, target: Target, knowledge: Knowledge) -> Detection:
    """Return which rules concern the cluster on its way to `target`."""
    look = Look(facts, target, knowledge)
    seen: list[Seen] = []
    untold: list[tuple[Rule, str]] = []
    for rule in knowledge.rules:
        found = look.at(rule)
        if found.holds:
            seen.append(Seen(rule, tuple(sorted({_where(one) for some in found.elements.values() for one in some}))))
        elif found.unread:
            untold.append((rule, ", ".join(sorted(found.unread))))
    return Detection(tuple(sorted(map(_folded, seen), key=lambda one: one.rule.severity.rank)), tuple(untold))


NOTHING = Found(False, {}, set())
NO_RULE = Rule.model_validate({
    "id": "none", "component": "cluster", "kind": "procedure", "what": "", "remedy": "", "severity": "note",
    "detect": {"mode": "manual", "how": ""}, "confidence": "inferred", "source": "measured: nothing",
})  # fmt: skip
"""Stands for the rule where a condition belongs to none."""


class Look:
    """One look at facts, with what was worked out so far."""

    def __init__(self, facts: Facts, target: Target, knowledge: Knowledge) -> None:
        self.elements = Elements(facts, knowledge)
        self.knowledge = knowledge
        self.target = target
        self.products = {part: product for product, parts in knowledge.parts.items() for part in parts}
        self.walked: dict[tuple[str, Version, Version], tuple[Version, ...]] = {}

    def at(self, rule: Rule) -> Found:
        """Return whether a rule concerns the cluster, and by what."""
        match rule.kind:
            case RuleKind.SKEW | RuleKind.WINDOW:
                return self._pair(rule)
            case RuleKind.CAPABILITY:
                return self._found("running", [one for one in self._running(rule) if one.version and one.version in rule.to])
        running = self._travelling(rule)
        met = {version for version in {one.version for one in running} if version is not None and self._on_way(rule, version)}
        starts = [one for one in running if one.version in met]
        if not starts or rule.detect.when is None:
            return self._found("running", starts) if rule.detect.mode == "auto" else NOTHING
        return self._evaluate(rule.detect.when, rule)

    def satisfied(self, when: Condition, component: str = "cluster") -> bool:
        """Say whether the facts satisfy a condition that belongs to no rule; `component` is what it means by `daemon`."""
        return self.told(when, component) is True

    def told(self, when: Condition, component: str = "cluster") -> bool | None:
        """Say whether the facts satisfy such a condition; None where what it asks for was not read."""
        found = self._evaluate(when, NO_RULE.model_copy(update={"component": component}))
        return True if found.holds else None if found.unread else False

    def _running(self, rule: Rule) -> tuple[Element, ...]:
        """Return what runs of a rule's component, else of the product that it is a part of (calico-upgrade runs nowhere)."""
        here = self.elements.of("running", rule.component)
        product = self.products.get(rule.component)
        return here if here or product is None else self.elements.of("running", product)

    def _travelling(self, rule: Rule) -> tuple[Element, ...]:
        """Return what has the way before it that a rule is about.

        Only a product's first part goes line by line, kubelets and clients may skip some: it alone counts where it runs.
        """
        parts = self.knowledge.parts.get(rule.component)
        if rule.kind in (RuleKind.HOP, RuleKind.STONE) and parts:
            return self.elements.of("running", parts[0]) or self._running(rule)
        return self._running(rule)

    def _has(self, element: Element, rule: Rule) -> bool:
        """Say whether a rule's component runs where an element is: what was not read elsewhere does not matter."""
        nodes = [one.node for one in self._running(rule) if one.node is not None]
        return element.node is None or not nodes or any(node is element.node for node in nodes)

    def _found(self, root: str, some: list[Element]) -> Found:
        return Found(bool(some), {root: some}, set())

    def _goal(self, component: str) -> Version | None:
        return self.target.get(component) or self.target.get(self.products.get(component, component))

    def _on_way(self, rule: Rule, old: Version) -> bool:
        """Say whether a rule is met on the way of its component from `old` to its target."""
        new = self._goal(rule.component)
        if new is None or new == old:
            return False
        product = self.products.get(rule.component, rule.component)
        if rule.kind in (RuleKind.HOP, RuleKind.STONE):
            way = self.knowledge.way(product, old.line, new.line)
            lines = way[:-1] if rule.kind is RuleKind.HOP else way[1:-1]
            return (rule.from_ if rule.kind is RuleKind.HOP else rule.to).line in lines and way[-1] == new.line
        return any(bites(rule, before, after) for before, after in pairwise(self._stops(product, old, new)))

    def _stops(self, product: str, old: Version, new: Version) -> tuple[Version, ...]:
        key = (product, old, new)
        if key not in self.walked:
            try:
                self.walked[key] = stops(self.knowledge, product, old, new)
            except KubedebError:  # no hops are known, or it goes down: from one version straight to the other
                self.walked[key] = (old, new)
        return self.walked[key]

    def _pair(self, rule: Rule) -> Found:
        """Return what runs in a pair of versions that a skew or a window does not allow."""
        allows: Callable[[Version, Version], bool]
        if rule.skew is not None:
            allows, against, on_node = rule.skew.allows, rule.skew.against, rule.skew.on_node
        elif rule.window is not None:
            window = rule.window
            allows, against, on_node = lambda _, other: window.allows(other), rule.window.against, False
        else:
            return NOTHING

        def place(one: Element) -> int:
            return id(one.node) if on_node else 0

        others: dict[int, set[Version]] = {}
        for one in self.elements.of("running", against):
            if one.version is not None and one.version in rule.to:
                others.setdefault(place(one), set()).add(one.version)
        guilty = [one for one in self._running(rule) if one.version is not None and one.version in rule.from_
                  and not all(allows(one.version, other) for other in others.get(place(one), ()))]  # fmt: skip
        return self._found("running", guilty)

    def _evaluate(self, when: Condition, rule: Rule) -> Found:
        if when.any is not None:
            return _either([self._evaluate(one, rule) for one in when.any])
        if when.all is not None:
            return self._together(when.all, rule)
        if when.no is not None:
            inner = self._evaluate(when.no, rule)
            return Found(not inner.holds and not inner.unread, {}, inner.unread)
        return self._leaf(when, rule)

    def _together(self, conditions: tuple[Condition, ...], rule: Rule) -> Found:
        """Every condition holds; those that are about the same kind of thing hold for one and the same."""
        unread: set[str] = set()
        elements: dict[str, list[Element]] = {}
        nots = [one.no for one in conditions if one.no is not None]
        found = [self._evaluate(one, rule) for one in conditions if one.no is None]
        if any(not one.holds and not one.unread for one in found):
            return NOTHING  # whatever was not read of the others
        for one in found:
            unread |= one.unread
            for root, some in one.elements.items():
                elements[root] = _both(elements[root], some) if root in elements else some
        holds = all(one.holds for one in found)
        for no in nots:
            inner = self._evaluate(no, rule)
            unread |= inner.unread
            shared = inner.elements.keys() & elements.keys()
            for root in shared:
                lost = set(inner.elements[root])
                elements[root] = [item for item in elements[root] if item not in lost]
            holds = holds and (bool(shared) or not inner.holds)
        holds = holds and all(elements.values())
        return Found(holds, elements if holds else {}, set() if holds else unread)

    def _leaf(self, leaf: Condition, rule: Rule) -> Found:
        path = str(leaf.field)
        root, way = steps(path)
        name, operand = leaf.comparison
        unread: set[str] = set() if self.elements.read(root) else {root}
        some: list[Element] = []
        for element in self.elements.of(root, rule.component):
            if element.version is not None and root == "daemon" and element.version not in rule.from_:
                continue
            here, missing = values(element, path)
            if COMPARE[name](operand, here):
                some.append(element)
            elif (missing and self._has(element, rule)) or (
                way[:1] == (("uses", False),) and not getattr(element.value, "looked", True)
            ):
                unread.add(path)
        return Found(bool(some), {root: some}, set() if some else unread)


def _either(found: list[Found]) -> Found:
    """Put together what satisfies any of several conditions."""
    elements: dict[str, list[Element]] = {}
    for one in found:
        for root, some in one.elements.items() if one.holds else ():
            elements[root] = list(dict.fromkeys([*elements.get(root, ()), *some]))
    holds = any(one.holds for one in found)
    return Found(holds, elements, set() if holds else {path for one in found for path in one.unread})


def _both(some: list[Element], others: list[Element]) -> list[Element]:
    """Return what is in both of two lists, in the order of the first."""
    there = set(others)
    return [item for item in some if item in there]


def _texts(here: list[Any]) -> Iterator[str]:
    for value in here:
        if isinstance(value, tuple):
            yield from _texts(list(value))
        else:
            yield str(value).lower() if isinstance(value, bool) else str(value)


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _in_range(operand: Any, here: list[Any]) -> bool:
    return any((version := version_of(text)) is not None and version in operand for text in _texts(here))


COMPARE: dict[str, Callable[[Any, list[Any]], bool]] = {
    "present": lambda wanted, here: any(here) == wanted,
    "equals": lambda wanted, here: wanted in _texts(here),
    "among": lambda wanted, here: any(text in wanted for text in _texts(here)),
    "holds": lambda wanted, here: any(wanted in re.split(r"[,=\s]", text) for text in _texts(here)),
    "matches": lambda wanted, here: any(_pattern(wanted).search(text) for text in _texts(here)),
    "version": _in_range,
    "above": lambda bound, here: any(isinstance(value, int) and value > bound for value in here),
    "below": lambda bound, here: any(isinstance(value, int) and value < bound for value in here),
}


def _where(element: Element) -> str:
    return element.where


def _folded(seen: Seen) -> Seen:
    """Fold the evidence's node sets into one, where all of it is node sets."""
    if len(seen.evidence) < 2 or any("/" in text or " " in text for text in seen.evidence):
        return seen
    return Seen(seen.rule, (_fold(seen.evidence),))


@lru_cache(maxsize=64)
def _fold(sets: tuple[str, ...]) -> str:
    """Fold node sets once: many rules are seen on the same nodes."""
    return fold(sets)
