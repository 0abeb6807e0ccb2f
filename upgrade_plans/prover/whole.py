"""The verdict on a whole stack's plan: its sequence, and the segments that move counted units, put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubedeb.garbage import no_search_for_garbage
from kubedeb.knowledge import Knowledge
from upgrade_plans.canonical import digest
from upgrade_plans.models.claims import FAULTS, NOT_CLAIMED, RECOVERY
from upgrade_plans.models.upgrade import Upgrade
from upgrade_plans.prover.verdict import Violation
from upgrade_plans.prover.wholeprove import MODEL, SequenceVerdict, prove_sequence
from upgrade_plans.prover.wholesegments import ALL, Reductions, Segment, segments

FORMAT = 2


@dataclass(frozen=True)
class WholeVerdict:
    """A plan is proven when its sequence is, and every segment."""

    sequence: SequenceVerdict
    segments: tuple[Segment, ...] = ()
    facts: str | None = None

    @property
    def found(self) -> tuple[tuple[str, Violation], ...]:
        """Return all violations, each with the model that finds it: those of the sequence, and what only a segment's finds."""
        known = {(one.invariant, one.step) for one in self.sequence.violations}
        apart = [(segment.model, one) for segment in self.segments for one in segment.violations
                 if (one.invariant, one.step) not in known]  # fmt: skip
        return (*((MODEL, one) for one in self.sequence.violations), *apart)

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Return all violations."""
        return tuple(one for _, one in self.found)

    @property
    def proven(self) -> bool:
        """Say whether nothing violates an invariant."""
        return not self.violations


@no_search_for_garbage()
def prove_whole(plan: Upgrade, knowledge: Knowledge, facts: str | None = None, reductions: Reductions = ALL) -> WholeVerdict:
    """Judge a whole stack's plan. `facts`: sha256 of the facts that it was compared with. Raises `KubedebError` (REFUSED)."""
    sequence = prove_sequence(plan, knowledge)
    # A plan whose sequence cannot be walked has no segments that would mean anything.
    parts = () if sequence.states is None else segments(plan, knowledge, reductions)
    return WholeVerdict(sequence, parts, facts)


def certificate(plan: Upgrade, knowledge: Knowledge, verdict: WholeVerdict) -> dict[str, Any]:
    """Return the certificate of a verdict as JSON values; equal inputs give equal certificates."""
    sequence = verdict.sequence
    seconds = {step.id: step.duration.p50 for step in plan.steps}
    counted = [segment for segment in verdict.segments if segment.model == "stack-rolling/1"]
    exposures = [(MODEL, *one) for one in sequence.exposures]
    exposures += [(segment.model, *one) for segment in counted for one in segment.exposures]
    return {
        "format": FORMAT,
        "model": MODEL,
        "proven": verdict.proven,
        "cluster": plan.cluster,
        "target": plan.target,
        "sha256": {"plan": digest(plan), "facts": verdict.facts, "knowledge": knowledge.digest},
        "plan_says_made_from": plan.inputs.model_dump(),
        "states": sequence.states,
        "levels": sequence.levels,
        "fault_classes": list(FAULTS),
        "segments": [
            {"model": one.model, "about": one.about, "states": one.states, "proven": not one.violations}
            for one in verdict.segments
        ],
        "exposures": [
            {"step": step, "fault": fault, "model": model, "states": states, "seconds": seconds.get(step, 0.0),
             "recovery": RECOVERY[fault]}
            for model, step, fault, states in exposures
        ],
        "warnings": [{"rule": rule, "step": step} for rule, step in sequence.warned.items()],
        "findings": list(dict.fromkeys(text for one in verdict.segments for text in one.findings)),
        "rules": list(sequence.rules),
        "inferred_rules": list(sequence.inferred),
        "violations": [
            {"invariant": one.invariant, "clause": one.clause, "model": model, "what": one.what, "step": one.step,
             "rules": [{"id": rule, "source": knowledge.by_id[rule].source} for rule in one.rules if rule in knowledge.by_id]}
            for model, one in verdict.found
        ],
        "counterexample": [
            {"step": one.step, "what": one.what, "part": one.part, "planned": one.planned} for one in sequence.story
        ] or None,
        "where_it_ends": list(sequence.there),
        "evidence": {"places": sequence.places} if sequence.states is not None else None,
        "not_claimed": list(NOT_CLAIMED),
    }  # fmt: skip
