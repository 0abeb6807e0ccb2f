"""The configuration of every daemon along a plan: what is written before, with and after each binary, as exact changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from kubedeb.knowledge import Knowledge
from kubedeb.versions import Version
from upgrade_plans.models.nodefacts import NodeFacts
from upgrade_plans.models.nodesets import fold
from upgrade_plans.models.upgrade import Change, Line
from upgrade_plans.models.upgrade import Settings as Found
from upgrade_plans.models.upgradekinds import Store, When
from upgrade_plans.planner.whole.catalogue import Setting, configuration
from upgrade_plans.planner.whole.survey import Survey

FILLED = re.compile(r"\{([A-Z_]+)(?:\|([^}]*))?\}")
Pairs = Mapping[str, str]
Both = tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]
"""Arguments and environment, sorted."""


@dataclass(frozen=True)
class Variant:
    """Nodes on which a daemon has the same settings: what would start on them."""

    component: str
    nodes: tuple[str, ...]
    arguments: Pairs
    environment: Pairs

    @property
    def folded(self) -> str:
        """Return the nodes as one node set."""
        return _folded(self.nodes)


@lru_cache(maxsize=64)
def _folded(nodes: tuple[str, ...]) -> str:
    """Fold nodes once: the settings of many nodes change often, the nodes do not."""
    return nodes[0] if len(nodes) == 1 else fold(nodes)


@lru_cache(maxsize=64)
def _members(nodes: tuple[str, ...]) -> frozenset[str]:
    """Return nodes as a set, made once too."""
    return frozenset(nodes)


@dataclass(frozen=True)
class Crossing:
    """A component goes from a version to another, in a phase; `store` is where Kubernetes' data is meanwhile."""

    phase: str
    component: str
    old: Version
    new: Version
    store: Store | None = None


@dataclass
class Ledger:
    """What is in the files at a point of the plan, and every change up to it; rows that spoke are in `rules`."""

    survey: Survey
    knowledge: Knowledge
    seen: frozenset[str]
    variants: dict[str, list[Variant]] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    rules: set[str] = field(default_factory=set)
    _nodes: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.files = {row.component: row.file for row in configuration().files}
        workers = {node for crowd in self.survey.crowds for node in crowd.nodes}
        hosts = [node for node in self.survey.cluster.nodes if node not in workers]
        for component in self.files:
            self.variants[component] = list(_variants(self.survey, hosts, component))

    def found(self) -> tuple[Found, ...]:
        """Return the settings as they are now, for the plan's `settings`."""
        return tuple(
            Found(component=component, nodes=one.folded, file=self.files[component], arguments=dict(one.arguments),
                  environment=dict(one.environment))
            for component in sorted(self.variants) for one in self.variants[component] if one.arguments or one.environment
        )  # fmt: skip

    def write(self, crossing: Crossing, when: When, rows: Iterable[Setting]) -> tuple[str, ...]:
        """Make the changes of some rows, and with the binary drop what it does not accept any more. Returns their ids."""
        made: list[str] = []
        for row in rows:
            if row.component == crossing.component and row.when is when and self._concerns(row, crossing):
                made += self._apply(row, crossing)
        if when is When.WITH and crossing.old != crossing.new:
            made += self._drop_lost(crossing)
        return tuple(made)

    def _concerns(self, row: Setting, crossing: Crossing) -> bool:
        seen = not row.seen or bool(self.seen & set(row.seen))
        return seen and (row.store is None or row.store is crossing.store)

    def _apply(self, row: Setting, crossing: Crossing) -> Iterator[str]:
        kept: list[Variant] = []
        for variant in self._split(row):
            after = _after(row, variant, self._turn(row, variant) if row.rotate else 0)
            lines = tuple(_lines(_pairs(row, variant), _pairs(row, after)))
            kept.append(after)
            if lines:
                yield self._note(crossing, row.id, after, row.when, lines, row.reason, row.rules)
        self.variants[row.component] = kept

    def _split(self, row: Setting) -> list[Variant]:
        """Return the variants, host by host where a list is rotated."""
        here = self.variants[row.component]
        if not row.rotate:
            return here
        return [replace(one, nodes=(node,)) for one in here for node in one.nodes]

    def _turn(self, row: Setting, variant: Variant) -> int:
        """Return the place of a host among those whose lists are rotated."""
        return sorted(node for one in self.variants[row.component] for node in one.nodes).index(variant.nodes[0])

    def _drop_lost(self, crossing: Crossing) -> Iterator[str]:
        lost = self.knowledge.flags_lost(crossing.component, crossing.old, crossing.new)
        kept: list[Variant] = []
        for variant in self.variants.get(crossing.component, []):
            gone = [flag for flag in lost if flag.flag in variant.arguments]
            names = {flag.flag for flag in gone}
            after = replace(variant, arguments={name: text for name, text in variant.arguments.items() if name not in names})
            kept.append(after)
            if gone:
                lines = tuple(_lines(variant.arguments, after.arguments))
                reason = f"{crossing.new} does not accept it: " + "; ".join(f"{flag.flag}: {flag.remedy}" for flag in gone)
                yield self._note(crossing, "gone", after, When.WITH, lines, reason, ())
        self.variants[crossing.component] = kept

    def _note(
        self, crossing: Crossing, name: str, variant: Variant, when: When, lines: tuple[Line, ...], reason: str,
        rules: tuple[str, ...],
    ) -> str:  # fmt: skip
        number, base = 1, f"{crossing.phase}-{name}"
        while (key := base if number == 1 else f"{base}-{number}") in self.changes:
            number += 1
        self.changes[key] = Change(component=crossing.component, nodes=variant.folded, file=self.files[crossing.component],
                                   when=when, lines=lines, reason=reason, rules=rules)  # fmt: skip
        self.rules |= set(rules)
        self._nodes[key] = _members(variant.nodes)
        return key

    def nodes(self, change: str) -> frozenset[str]:
        """Return the nodes that a change is about."""
        return self._nodes[change]


def matches(row: Setting, crossing: Crossing) -> bool:
    """Say whether a row is about a crossing: it leaves a version of `from` and enters one of `to`."""
    entered = row.to.text == "any" or crossing.old not in row.to or row.from_.text == "any"
    return not row.switch and crossing.old in row.from_ and crossing.new in row.to and entered


def _variants(found: Survey, hosts: Iterable[str], component: str) -> Iterator[Variant]:
    """Yield a component's settings, nodes with the same ones together; those of an entry of the facts are looked at once."""
    known: dict[str, Both | None] = {}
    same: dict[Both, list[str]] = {}
    for key, nodes in (*((found.facts.sets[node], (node,)) for node in hosts),
                       *((crowd.key, crowd.nodes) for crowd in found.crowds)):  # fmt: skip
        if key not in known:
            known[key] = _both(found.facts.nodes[key], component)
        if (both := known[key]) is not None:
            same.setdefault(both, []).extend(nodes)
    for (arguments, environment), names in sorted(same.items(), key=lambda item: item[1][0]):
        yield Variant(component, tuple(names), dict(arguments), dict(environment))


def _both(node: NodeFacts, component: str) -> Both | None:
    """Return with which arguments and environment a daemon would start, else runs; None where there is none."""
    daemon = node.daemons.get(component)
    settings = daemon and (daemon.disk or daemon.running)
    return (tuple(sorted(settings.arguments.items())), tuple(sorted(settings.environment.items()))) if settings else None


def _pairs(row: Setting, variant: Variant) -> Pairs:
    return variant.environment if row.environment else variant.arguments


def _after(row: Setting, variant: Variant, turn: int) -> Variant:
    """Return what a row makes of a variant; the same where it does not concern it."""
    old = _pairs(row, variant)
    if any(name not in old for name in row.needs) or any(name in old for name in row.lacks):
        return variant
    new = {row.rename.get(name, name): text for name, text in old.items() if name not in row.drop}
    for name, words in row.words.items():
        new[name] = ",".join(words.get(word, word) for word in new[name].split(","))
    for name in row.rotate:
        items = old[name].split(",")
        new[name] = ",".join(items[turn % len(items) :] + items[: turn % len(items)])
    new |= {name: FILLED.sub(lambda match: old.get(match[1], match[2] or ""), text) for name, text in row.set.items()}
    return replace(variant, environment=new) if row.environment else replace(variant, arguments=new)


def _lines(old: Pairs, new: Pairs) -> Iterator[Line]:
    """Yield how settings differ, what goes first."""
    for name in sorted(old.keys() | new.keys(), key=lambda name: (name in new, name)):
        if old.get(name) != new.get(name):
            yield Line(setting=name, old=old.get(name), new=new.get(name))
