"""The prover of a whole stack's plan: the cases by hand, each with the twin that differs in the cause only."""

from __future__ import annotations

from typing import Any

import pytest

import byhand
from kubedeb import knowledge
from upgrade_plans.prover.wholeprove import prove_sequence

KNOWN = knowledge.load()


@pytest.mark.parametrize("case", byhand.cases(), ids=lambda case: str(case["name"]))
def test_cases(case: dict[str, Any]) -> None:
    verdict = prove_sequence(case["plan"], KNOWN)
    assert sorted({one.invariant for one in verdict.violations}) == case["expect"], verdict.violations
    if "at" in case:
        assert case["at"] in {one.step for one in verdict.violations}
        assert verdict.story
        assert verdict.story[-1].step == case["at"]
    for rule in case.get("warned", []):
        assert rule in verdict.warned
