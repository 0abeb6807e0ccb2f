"""Prover and oracle, written apart from one page, agree: on what is violated, on the number of states, on the exposures.

A few cases of the day's seed; the many are in tests/integration/plans. A case is repeated by `plans.small(seed)`, and a
disagreement is saved in tests/cases/plans, which `kubedeb prove` reads.
"""

from __future__ import annotations

from collections import Counter

import pytest

import agreement
import plans
import testseed
from mutants import STATIC, draft_of, finish
from upgrade_plans import planfile
from upgrade_plans.models.plan import Plan


def compare(plan: Plan, what: str) -> agreement.Compared:
    outcome = agreement.compare(what, plan, agreement.ALL)
    assert not outcome.difference, f"{outcome.difference}\nplan:\n{outcome.plan}"
    return outcome


def test_agree_on_small_cases() -> None:
    first = testseed.seed() * 100_000
    verdicts: Counter[str] = Counter()
    for seed in range(first, first + 12):
        plan = plans.small(seed)
        if len(plan.members) < 4:  # the larger ones take seconds
            verdicts.update(compare(plan, f"small({seed})").violated or ["proven"])
    assert len(verdicts) > 1


def test_agree_where_they_once_did_not() -> None:
    for path in sorted(agreement.SAVED.glob("*.json")):
        compare(planfile.load(path), path.stem)


@pytest.mark.parametrize("edit", STATIC, ids=lambda edit: edit.__name__)
def test_agree_on_what_is_not_explored(edit: object) -> None:
    for number in range(20):
        rng = plans.Random(number)
        draft = draft_of(plans.good(2, plans.VERSIONS[1:3]))
        assert callable(edit)
        edit(draft, rng)
        assert compare(finish(draft), f"{edit}, {number}").states is None
