"""What an operator should know of a plan although it forbids nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubedeb.knowledge import Knowledge, Rule, Severity
from kubedeb.knowledge.schema import DetectMode
from kubedeb.versions import Version
from upgrade_plans.models.facts import Facts
from upgrade_plans.models.plan import Plan, StepKind
from upgrade_plans.planner.detect import Look


@dataclass(frozen=True)
class Finding:
    """Something to know: how much it weighs, what, what to do, and the rule that says so, if one does."""

    severity: Severity
    what: str
    remedy: str
    rule: str = ""


def findings(plan: Plan, knowledge: Knowledge, facts: Facts | None = None) -> tuple[Finding, ...]:
    """Return the findings of a plan: rows whose loss takes the majority, traps, lost flags, blocked and old versions.

    A trap that the facts tell the cluster is not in is left out; one that they cannot tell is there, and says so.
    """
    return (*_rows(plan), *_rules(plan, knowledge, Look(facts, {}, knowledge) if facts is not None else None))


def _rows(plan: Plan) -> Iterator[Finding]:
    majority = len(plan.members) // 2 + 1
    for row in sorted({member.row for member in plan.members}):
        nodes = [member.node for member in plan.members if member.row == row]
        if len(nodes) > 1:
            left = len(plan.members) - len(nodes)
            yield Finding(
                Severity.FORCE if left < majority else Severity.WARN,
                f"row {row} holds {' and '.join(nodes)}: losing it leaves {left} of {len(plan.members)} members"
                + (", less than a majority" if left < majority else ""),
                "Move members so that each row holds one.", "etcd-quorum",
            )  # fmt: skip


def _rules(plan: Plan, knowledge: Knowledge, facts: Look | None) -> Iterator[Finding]:
    seen: set[str] = set()
    ways: set[tuple[Version, Version]] = set()
    for step in plan.steps:
        if step.kind is not StepKind.CHANGE:
            continue
        old, new = Version.parse(step.from_), Version.parse(step.to)
        if (old, new) not in ways:
            ways.add((old, new))
            yield from _flags(old, new, knowledge)
        met: list[Rule] = [*knowledge.blocked("etcd", new), *knowledge.between("etcd", old, new)]
        for rule in met:
            told = _told(rule, facts)
            if rule.id not in seen and told is not False:
                seen.add(rule.id)
                look = "" if told else f" The facts do not say whether it concerns this cluster. Look at: {rule.detect.how}."
                yield Finding(rule.severity, f"{old} → {new}: {rule.what}", rule.remedy + look, rule.id)


def _told(rule: Rule, look: Look | None) -> bool | None:
    """Say whether a rule that the versions meet concerns the cluster; None where a person must look."""
    if rule.detect.mode is DetectMode.MANUAL:
        return None
    if rule.detect.when is None:
        return True
    return look.told(rule.detect.when, "etcd") if look is not None else None


def _flags(old: Version, new: Version, knowledge: Knowledge) -> Iterator[Finding]:
    for row in knowledge.flags_lost("etcd", old, new):
        what = f"{old} → {new}: etcd {new} does not start with {row.flag}, which {old} accepts"
        yield Finding(Severity.WARN, what, f"If /etc/default/etcd or the unit sets it: {row.remedy}")
