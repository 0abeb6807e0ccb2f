"""Blocked versions in a plan for etcd alone: none is brought, none stays; what begins on one is exposed until it leaves."""

from __future__ import annotations

from collections.abc import Iterator

from kubedeb.knowledge import Knowledge, Rule, Severity
from kubedeb.versions import Version
from upgrade_plans.models.plan import Plan, StepKind
from upgrade_plans.prover.verdict import Violation

BLOCKED = "blocked"


def blocking(version: Version, knowledge: Knowledge) -> tuple[Rule, ...]:
    """Return the rows that forbid a version of etcd."""
    return tuple(rule for rule in knowledge.blocked("etcd", version) if rule.severity is Severity.FORBID)


def blocked(plan: Plan, knowledge: Knowledge) -> Iterator[Violation]:
    """Yield each step that brings a blocked version, each whose undo brings one that its members did not begin on, and each
    member that the plan leaves on the one that it began on.
    """
    began = {member.node: member.running for member in plan.members}
    ends = {member.node: member.running for member in plan.members}
    for step in plan.steps:
        if step.kind is StepKind.CHANGE:
            ends |= dict.fromkeys(step.nodes, step.to)
            if rules := blocking(Version.parse(step.to), knowledge):
                what = f"step {step.id} brings etcd {step.to}, which is blocked"
                yield Violation(BLOCKED, "brought", what, step.id, tuple(rule.id for rule in rules))
        undo = step.undo.to if step.undo is not None and any(began[node] != step.undo.to for node in step.nodes) else None
        if undo is not None and (rules := blocking(Version.parse(undo), knowledge)):
            what = f"the undo of step {step.id} brings etcd {undo}, which is blocked"
            yield Violation(BLOCKED, "undone", what, step.id, tuple(rule.id for rule in rules))
    for member in plan.members:
        if ends[member.node] == member.running and (rules := blocking(Version.parse(member.running), knowledge)):
            what = f"{member.node} begins on etcd {member.running}, which is blocked, and no step takes it further"
            yield Violation(BLOCKED, "stays", what, None, tuple(rule.id for rule in rules))
