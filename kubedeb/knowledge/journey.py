"""What bites on the way from one version of a component to another: pure, from the rows alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.knowledge.loader import Knowledge, Line
from kubedeb.knowledge.schema import Flag, Rule, RuleKind
from kubedeb.versions import Version

# A line that the way passes through without naming a patch counts with its newest one; no project has had so many.
NEWEST = 9999
BITES = (RuleKind.TRAP, RuleKind.MINIMUM, RuleKind.BLOCKED, RuleKind.PROCEDURE)


@dataclass(frozen=True)
class Journey:
    """The lines that are passed, each rule that is met with the line that it is met in, and the flags that get lost."""

    component: str
    old: Version
    new: Version
    lines: tuple[Line, ...]
    met: tuple[tuple[Line, Rule], ...]
    flags: tuple[tuple[Line, Flag], ...]


def journey(knowledge: Knowledge, component: str, old: Version, new: Version) -> Journey:
    """Walk the hops of `component` (a product counts with its parts) from `old` to `new`.

    Raises `KubedebError` (NO_PLAN) when no hops lead there, (USAGE) when nothing is known about the component.
    """
    names = (component, *knowledge.parts.get(component, ()))
    if not any(rule.component in names for rule in knowledge.rules):
        known = sorted({rule.component for rule in knowledge.rules} | set(knowledge.parts))
        raise KubedebError(f"no rules are known about {component!r}", details=f"Known: {', '.join(known)}", code=ExitCode.USAGE)
    walked = stops(knowledge, component, old, new)
    lines = tuple(dict.fromkeys(version.line for version in walked))
    met: dict[str, tuple[Line, Rule]] = {}
    flags: list[tuple[Line, Flag]] = []
    for before, after in pairwise(walked):
        for rule in knowledge.rules:
            if rule.component in names and rule.id not in met and bites(rule, before, after):
                met[rule.id] = (after.line, rule)
        flags += [(after.line, flag) for name in names for flag in knowledge.flags_lost(name, before, after)]
    ranked = sorted(met.values(), key=lambda item: (lines.index(item[0]), item[1].severity.rank))
    return Journey(component, old, new, lines, tuple(ranked), tuple(flags))


def stops(knowledge: Knowledge, component: str, old: Version, new: Version) -> tuple[Version, ...]:
    """Return the versions that the way from `old` to `new` stands on. Raises `KubedebError` (NO_PLAN) when none is known."""
    lines = knowledge.way(component, old.line, new.line)
    if lines[-1] != new.line:
        raise KubedebError(
            f"no hops of {component} lead from {old} to {new}",
            details=f"Nothing is known of a way on from {lines[-1][0]}.{lines[-1][1]}.",
            hint=f"The hops that are known: kubedeb rules list --component {component}", code=ExitCode.NO_PLAN,
        )  # fmt: skip
    return (old, *(Version(*line, NEWEST) for line in lines[1:-1]), new) if old != new else (old,)


def bites(rule: Rule, before: Version, after: Version) -> bool:
    """Say whether a rule is met on one step from a version to another."""
    if rule.kind not in BITES or after not in rule.to or before not in rule.from_:
        return False
    # A rule about a range that was stood in before is met on entering it, not at each later step.
    anywhere = rule.from_.text == "any" and rule.to.text != "any"
    return not anywhere or rule.kind is not RuleKind.TRAP or before not in rule.to
