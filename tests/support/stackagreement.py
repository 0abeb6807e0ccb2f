"""Prover and oracle on one small stack plan: the counted states, and the steps bounded without counting."""

from __future__ import annotations

from functools import cache

import stackcases
import stackoracle
from agreement import Compared
from kubedeb import knowledge
from upgrade_plans.models.stackplan import StackPlan
from upgrade_plans.prover.stackprove import StackVerdict, prove_stack


@cache
def known() -> knowledge.Knowledge:
    """Return the rows, read once for each process."""
    return knowledge.load()


def ids(verdict: StackVerdict) -> list[str]:
    """Return the violated invariants."""
    return sorted({one.invariant for one in verdict.violations})


def small(seed: int, most: int = 400_000) -> Compared:
    """Compare on the small plan of a seed; one of more than `most` states is judged by bounds alone."""
    return compare(f"stack-{seed}", stackcases.small(seed), most)


def compare(name: str, plan: StackPlan, most: int) -> Compared:
    """Judge a plan by the oracle, and by the prover counting and bounding."""
    bounded = prove_stack(plan, known())
    counted = prove_stack(plan, known(), count=True)
    if (counted.states or 0) > most:
        return Compared(
            name, tuple(ids(counted)), counted.states, _bounds(bounded, counted), plan.model_dump_json(by_alias=True)
        )
    judgement = stackoracle.judge_stack(plan)
    expected = (sorted(judgement.violated), judgement.states, dict(judgement.levels), dict(judgement.exposures))
    found = (ids(counted), counted.states, dict(counted.levels), {(step, fault): n for step, fault, n in counted.exposures})
    difference = "" if found == expected else f"{name}\nprover: {found}\noracle: {expected}"
    difference = difference or _bounds(bounded, counted)
    return Compared(name, tuple(sorted(judgement.violated)), judgement.states, difference, plan.model_dump_json(by_alias=True))


def _bounds(bounded: StackVerdict, counted: StackVerdict) -> str:
    """Return where bounds and counts differ; of a start with something installed that does not run only that it is refused."""
    if "installed-running" in ids(counted):
        return "" if "installed-running" in ids(bounded) else f"bounds: {ids(bounded)}, counted: {ids(counted)}"
    pairs = [(ids(one), [exposure[:2] for exposure in one.exposures]) for one in (bounded, counted)]
    return "" if pairs[0] == pairs[1] else f"bounds: {pairs[0]}, counted: {pairs[1]}"
