"""The certificate: what was proven, of what, in which model, and what is not claimed."""

from __future__ import annotations

from typing import Any

from kubedeb.knowledge import Knowledge
from upgrade_plans.canonical import digest
from upgrade_plans.models.plan import Plan
from upgrade_plans.prover.verdict import Story, Verdict

MODEL = "etcd-rolling/1"
FORMAT = 1
NOT_CLAIMED = (
    "two faults outstanding at once",
    "members that are up but slow, or that lie",
    "timing: how long anything takes, and how the cluster fares under load meanwhile",
    "anything that changed after the facts were read",
    "incompatibilities of versions that no rule states",
)


def certificate(plan: Plan, knowledge: Knowledge, verdict: Verdict) -> dict[str, Any]:
    """Return the certificate of a verdict as JSON values; equal inputs give equal certificates.

    `sha256` names what was read and judged; `facts` is None when none were given. `plan_says_made_from` is what the plan
    claims of itself, which nobody compared.
    """
    return {
        "format": FORMAT,
        "model": MODEL,
        "proven": verdict.proven,
        "cluster": plan.cluster,
        "target": plan.target,
        "sha256": {"plan": digest(plan), "facts": verdict.facts, "knowledge": knowledge.digest},
        "plan_says_made_from": plan.inputs.model_dump(),
        "states": verdict.states,
        "visited": verdict.visited,
        "levels": verdict.levels,
        "fault_classes": list(verdict.faults),
        "exposures": [
            {"step": item.step, "fault": item.fault, "states": item.states, "seconds": item.seconds, "recovery": item.recovery}
            for item in verdict.exposures
        ],
        "findings": list(verdict.findings),
        "rules": list(verdict.rules),
        "inferred_rules": list(verdict.inferred),
        "violations": [
            {"invariant": item.invariant, "clause": item.clause, "what": item.what, "step": item.step,
             "rules": [{"id": rule, "source": knowledge.by_id[rule].source} for rule in item.rules]}
            for item in verdict.violations
        ],
        "counterexample": _story(verdict.counterexample),
        "evidence": verdict.evidence,
        "not_claimed": list(NOT_CLAIMED),
    }  # fmt: skip


def _story(story: Story | None) -> dict[str, Any] | None:
    if story is None:
        return None
    return {
        "begins": {"members": story.begins, "leader": story.leader},
        "moments": [
            {"what": moment.what, "members": moment.where, "cluster_version": moment.cluster_version, "step": moment.step}
            for moment in story.moments
        ],
        "violates": story.ends.invariant,
    }
