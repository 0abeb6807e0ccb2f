"""Prover and oracle on one case: whether they agree on violations, states, levels and exposures. Runs in worker processes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

import oracle
import plans
from kubedeb import knowledge
from upgrade_plans.models.plan import Plan
from upgrade_plans.prover import prove
from upgrade_plans.prover.symmetry import Reductions

SAVED = Path(__file__).parents[1] / "cases" / "plans"
"""Plans on which the two once disagreed, or might have: judged again in every run."""
FEW, AFTER = 800, 10**9
"""The most states of a case that takes hundredths of a second, and how far away the next seed is that takes one's place."""
ALL = (Reductions(), Reductions(symmetry=False, rows=False))


@dataclass(frozen=True)
class Compared:
    """The outcome of one comparison: what it was of, the oracle's violations and states, and a difference, empty for none."""

    name: str
    violated: tuple[str, ...]
    states: int | None
    difference: str = ""
    plan: str = ""


@cache
def known() -> knowledge.Knowledge:
    """Return the rows, read once for each process."""
    return knowledge.load()


def compare(name: str, plan: Plan, reductions: Iterable[Reductions] = ALL[:1]) -> Compared:
    """Judge a plan by the oracle, and by the prover with each of the reductions."""
    judgement = oracle.judge(plan)
    violated = tuple(sorted(judgement.violated))
    expected = (list(violated), judgement.states, dict(judgement.levels), dict(judgement.exposures))
    for chosen in reductions:
        verdict = prove(plan, None, known(), chosen)
        found = (
            sorted({one.invariant for one in verdict.violations}),
            verdict.states,
            {level: count for level, count in verdict.levels.items() if count},
            {(one.step, one.fault): one.states for one in verdict.exposures},
        )
        if found != expected:
            witnesses = "\n".join(f"{one}: {state}" for one, state in judgement.witnesses.items())
            text = f"{name}, {chosen}\nprover: {found}\noracle: {expected}\nthe oracle's witnesses:\n{witnesses}"
            return Compared(name, violated, judgement.states, text, plan.model_dump_json(by_alias=True))
    return Compared(name, violated, judgement.states)


def small(seed: int) -> Compared:
    """Compare on the small case of a seed; every fifth without reductions too."""
    return compare(f"small-{seed}", plans.small(seed), ALL if seed % 5 == 0 else ALL[:1])


def brief(seed: int) -> Compared:
    """Compare on a case of a seed that takes hundredths of a second; every thirtieth is as large as it comes.

    The prover is asked for the size only: of cases above `FEW` states another is taken.
    """
    if seed % 30 == 0:
        return small(seed)
    made = ((number, plans.small(number, plans.SHORTEST)) for number in count(seed, AFTER))
    number, plan = next((number, plan) for number, plan in made if (prove(plan, None, known()).states or 0) <= FEW)
    return compare(f"brief-{number}", plan)


def mutant(seed: int) -> Compared:
    """Compare on a whole good plan after one edit."""
    name, plan = plans.mutant(seed)
    return compare(f"mutant-{seed}-{name}", plan)


def part(seed: int) -> Compared:
    """Compare on a part of a good plan after one edit."""
    name, plan = plans.part(seed)
    return compare(f"part-{seed}-{name}", plan)


def sizes(states: Iterable[int | None]) -> dict[str, int]:
    """Return how large the cases were, by percentile."""
    ordered = sorted(size or 0 for size in states)
    return {f"p{percent}": ordered[percent * (len(ordered) - 1) // 100] for percent in (0, 10, 50, 90, 95, 99, 100)}
