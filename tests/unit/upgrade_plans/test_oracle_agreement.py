"""Prover and oracle, written apart from one page, agree: on what is violated, on the number of states, on the exposures.

How many seeds fit depends on the machine; the last one is printed. A case is repeated by `plans.small(seed)` or
`plans.mutant(seed)`, and a disagreement prints the whole plan, which `kubedeb prove` reads.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator

import pytest

import etcdcases
import oracle
import plans
import testseed
from kubedeb import knowledge
from mutants import STATIC, draft_of, finish
from upgrade_plans.models.plan import Plan
from upgrade_plans.planner import make_plan
from upgrade_plans.prover import prove

KNOWN = knowledge.load()
FAST = os.environ.get("KUBEDEB_TEST_MODE") == "fast"


def seeds(seconds: float, *, at_least: int) -> Iterator[int]:
    """Yield this run's seeds, `at_least` so many, and more while there is time."""
    first = testseed.seed() * 100_000
    until = time.monotonic() + seconds
    number = 0
    while number < at_least or time.monotonic() < until:
        yield first + number
        number += 1


def compare(plan: Plan, what: str) -> oracle.Judgement:
    """Judge a plan twice and return the oracle's judgement; the two are the same."""
    verdict, judgement = prove(plan, None, KNOWN), oracle.judge(plan)
    prover_says = (
        sorted({one.invariant for one in verdict.violations}),
        verdict.states,
        {name: count for name, count in verdict.levels.items() if count},
        {(one.step, one.fault): one.states for one in verdict.exposures},
    )
    oracle_says = (sorted(judgement.violated), judgement.states, dict(judgement.levels), dict(judgement.exposures))
    if prover_says != oracle_says:
        told = "\n".join(f"{name}: {state}" for name, state in judgement.witnesses.items())
        case = plan.model_dump_json(by_alias=True)
        pytest.fail(f"{what}\nprover: {prover_says}\noracle: {oracle_says}\nthe oracle's witnesses:\n{told}\nplan:\n{case}")
    return judgement


def agree(seconds: float, *, at_least: int) -> Counter[str]:
    """Compare on small cases and return how often each verdict came."""
    verdicts: Counter[str] = Counter()
    for seed in seeds(seconds, at_least=at_least):
        verdicts.update(compare(plans.small(seed), f"small({seed})").violated or ["proven"])
    print(f"{testseed.seed()=} {seed=} {dict(verdicts)}")  # noqa: T201
    return verdicts


def refuse(seconds: float, *, at_least: int) -> Counter[str]:
    """Compare on good plans after one edit and return how many there were, and how many of them illegal, by edit."""
    illegal: Counter[str] = Counter()
    for seed in seeds(seconds, at_least=at_least):
        name, plan = plans.mutant(seed)
        illegal[name] += bool(compare(plan, f"mutant({seed}): {name}").violated)
    print(f"{testseed.seed()=} {seed=} {dict(illegal)}")  # noqa: T201
    return illegal


def test_agree_on_small_cases() -> None:
    verdicts = agree(4 if FAST else 40, at_least=30)
    assert set(verdicts) > {"proven", "no-dead-end"}


def test_agree_on_mutants_of_good_plans() -> None:
    assert refuse(3 if FAST else 25, at_least=5)


@pytest.mark.long
def test_agree_on_many_small_cases() -> None:
    verdicts = agree(240, at_least=600)
    ids = {"etcd-quorum", "etcd-hop", "installed-running", "packages", "snapshot", "no-dead-end", "reaches-end", "plan"}
    assert set(verdicts) == {*ids, "proven"}


@pytest.mark.long
def test_agree_on_many_mutants() -> None:
    illegal = refuse(120, at_least=200)
    harmless = {name for name, count in illegal.items() if not count}
    assert not harmless & {"merge", "drop_blocks"}
    assert illegal.total() > 40


@pytest.mark.parametrize("edit", STATIC, ids=lambda edit: edit.__name__)
def test_agree_on_what_is_not_explored(edit: object) -> None:
    for number in range(20):
        rng = plans.Random(number)
        draft = draft_of(plans.good(2, plans.VERSIONS[1:3]))
        assert callable(edit)
        edit(draft, rng)
        assert compare(finish(draft), f"{edit}, {number}").states is None


@pytest.mark.parametrize(
    ("running", "cluster_version", "rows", "target"),
    [
        (["3.3.25"] * 3, None, None, "3.4.23"),
        (["3.3.25"] * 3, None, None, "3.5.16"),
        (["3.3.25"] * 3, None, {"etcd1": "a", "etcd2": "a", "etcd3": "b"}, "3.4.23"),
        (["3.3.25", "3.4.23", "3.3.25"], "3.3.0", None, "3.4.23"),
        (["3.4.23", "3.4.23", "3.3.25"], "3.3.0", None, "3.5.16"),
        (["3.5.16"] * 3, None, None, "3.5.16"),
        pytest.param(["3.3.25"] * 4, None, None, "3.4.23", marks=pytest.mark.long),
        pytest.param(["3.3.25"] * 5, None, None, "3.4.23", marks=pytest.mark.long),
    ],
)
def test_the_planners_plans_are_proven_by_the_oracle_too(
    running: list[str], cluster_version: str | None, rows: dict[str, str] | None, target: str
) -> None:
    cluster = etcdcases.cluster(len(running), rows)
    facts = etcdcases.facts(running, cluster_version=cluster_version, of=cluster)
    made = make_plan(facts, cluster, {"etcd": target}, KNOWN)
    assert isinstance(made, Plan), made
    assert compare(made, "the planner's").violated == frozenset()
