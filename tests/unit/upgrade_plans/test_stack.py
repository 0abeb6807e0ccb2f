"""The prover of whole stacks: the cases, and its two ways and the oracle on small plans of the day's seed."""

from __future__ import annotations

from typing import Any

import pytest

import stackagreement
import stackbook
import stackcases
import testseed
from kubedeb import knowledge
from upgrade_plans.models.stackplan import StackPlan
from upgrade_plans.prover.stackjudge import SAYS
from upgrade_plans.prover.stackprove import prove_stack

KNOWN = knowledge.load()


@pytest.mark.parametrize("case", stackbook.cases(), ids=lambda case: str(case["name"]))
def test_cases(case: dict[str, Any]) -> None:
    verdict = prove_stack(case["plan"], KNOWN)
    assert sorted({one.invariant for one in verdict.violations}) == case["expect"]
    if "exposures" in case:
        assert sorted({fault for _, fault, _ in verdict.exposures}) == case["exposures"]
    if "findings" in case:
        assert list(verdict.findings) == case["findings"]


def test_every_clause_has_words_and_its_violation_names_the_step() -> None:
    cases = {str(case["name"]): case["plan"] for case in stackbook.cases()}
    verdict = prove_stack(cases["kubelets to 1.9 while one API server is 1.8"], KNOWN)
    assert [(one.invariant, one.step) for one in verdict.violations] == [
        ("skew-kubelet", "5-workers"), ("skew-proxy", "5-workers"),
    ]  # fmt: skip
    assert all(one.what == SAYS[one.invariant, one.clause] for one in verdict.violations)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"servers": []}, "names no API server"),
        ({"workers": [{"id": "cp1", "count": 1, "row": "a", "version": "1.7.16"}]}, "cp1 is there twice"),
        ({"workers": [{"id": "w", "count": 1, "row": "a", "version": "newest"}]}, "'newest' is no version"),
        ({"takes": {"cp1": 1, "cp2": 1}}, "takes more than one API server"),
        ({"takes": {"nobody": 1}}, "takes 1 of nobody, and there are 0"),
        ({"takes": {}}, "takes nothing"),
        ({"from": "1.8.15", "to": "1.9.11"}, "takes 1 of cp1 from 1.8.15, where 0 are"),
    ],
)
def test_a_plan_that_cannot_be_one_is_refused_without_looking_at_states(change: dict[str, Any], says: str) -> None:
    tree = {str(case["name"]): case["plan"] for case in stackbook.cases()}["its twin that says two"].model_dump(by_alias=True)
    step = change.keys() & {"takes", "from", "to"}
    tree = {**tree, "steps": [{**tree["steps"][-1], **change}]} if step else {**tree, **change}
    verdict = prove_stack(StackPlan.model_validate(tree), KNOWN)
    assert verdict.states is None
    assert [one.invariant for one in verdict.violations if says in one.what] == ["plan"]


def test_counting_bounding_and_the_oracle_agree_on_a_few() -> None:
    first = testseed.seed() * 100_000
    for seed in range(first, first + 8):
        difference = stackagreement.small(seed, most=800)
        assert not difference.difference, difference


def test_a_hundred_thousand_workers_are_bounded_at_once() -> None:
    """Each group of 5,000 as quickly as one of two: the time depends on the number of groups."""
    plan = stackcases.small(3)
    workers = [{"id": f"g{n}", "count": 5_000, "row": f"r{n % 4}", "version": "1.7.16"} for n in range(20)]
    takes = {f"g{n}": 5_000 for n in range(20)}
    steps = [
        {"id": f"{kind}-{n}", "kind": kind, "takes": part, "from": "1.7.16", "to": "1.8.15", "window": 50, "per_row": 20,
         "pre": ["floor", "balancer"]}
        for n, (kind, part) in enumerate([("download", {**takes, "cp0": 1}), ("apiserver", {"cp0": 1}), ("workers", takes)])
    ]  # fmt: skip
    server = {"node": "cp0", "row": "r0", "version": "1.7.16"}
    tree = {**plan.model_dump(by_alias=True), "servers": [server], "workers": workers, "steps": steps, "pool": {"threshold": 0}}
    for needed, proven in ((99_000, True), (99_999, True), (100_000, False)):
        assert prove_stack(StackPlan.model_validate({**tree, "needed": {"": needed}}), KNOWN).proven is proven
