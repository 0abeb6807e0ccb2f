"""Prover and oracle on many cases, in as many processes as there are cores; seeded by the day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import pytest

import agreement
import etcdcases
import seedspread
import testseed
from agreement import Compared
from kubedeb import knowledge
from mutants import EDITS
from upgrade_plans.models.plan import Plan
from upgrade_plans.planner import make_plan

KNOWN = knowledge.load()
FIRST = testseed.seed() * 100_000
UPPER = 5_000
"""States from which on a case counts as one of the upper size: about three members and a whole hop."""


TURN = pytest.mark.turn("plans of the planner for the oracle")


def compared(work: Callable[[int], Compared], seeds: Iterable[int]) -> list[Compared]:
    """Compare on all seeds; the first disagreement fails, all of them are saved."""
    outcomes = list(seedspread.spread(work, seeds, agreement.SAVED))
    differences = [outcome.difference for outcome in outcomes if outcome.difference]
    upper = sum((outcome.states or 0) >= UPPER for outcome in outcomes)
    verdicts = Counter(one for outcome in outcomes for one in outcome.violated or ("proven",))
    print(f"{work.__name__}: {len(outcomes)} cases, states {agreement.sizes(outcome.states for outcome in outcomes)}")  # noqa: T201
    print(f"{upper} of them of {UPPER} states or more; verdicts {dict(verdicts.most_common())}")  # noqa: T201
    assert not differences, f"{len(differences)} disagreements, saved in {agreement.SAVED}; the first:\n{differences[0]}"
    return outcomes


def refused(outcomes: Iterable[Compared]) -> Counter[str]:
    """Return how many of the cases are illegal by the oracle, by edit; the prover refuses each for the same reasons."""
    illegal = Counter(outcome.name.rsplit("-", 1)[1] for outcome in outcomes if outcome.violated)
    print(f"illegal: {illegal.total()}, by edit {dict(illegal.most_common())}")  # noqa: T201
    return illegal


def test_agree_on_small_cases() -> None:
    outcomes = compared(agreement.brief, range(FIRST, FIRST + 1_500))
    assert {one for outcome in outcomes for one in outcome.violated} >= {"etcd-quorum", "packages", "no-dead-end", "plan"}


@pytest.mark.turn("agreement")
def test_illegal_mutants_are_refused() -> None:
    assert refused(compared(agreement.part, range(FIRST, FIRST + 150))).total() >= 50


@pytest.mark.long
def test_agree_on_ten_thousand_small_cases() -> None:
    outcomes = compared(agreement.small, range(FIRST, FIRST + 10_000))
    ids = {"etcd-quorum", "etcd-hop", "installed-running", "packages", "snapshot", "no-dead-end", "reaches-end", "plan"}
    assert {one for outcome in outcomes for one in outcome.violated} == ids
    assert sum((outcome.states or 0) >= UPPER for outcome in outcomes) >= 500


@pytest.mark.long
def test_a_thousand_illegal_mutants_are_refused() -> None:
    whole = refused(compared(agreement.mutant, range(FIRST, FIRST + 500)))
    parts = refused(compared(agreement.part, range(FIRST, FIRST + 2_500)))
    assert whole.total() + parts.total() >= 1_000
    harmless = {edit.__name__ for edit in EDITS} - set(whole) - set(parts)
    assert not harmless & {"merge", "drop_blocks", "drop", "swap"}


@pytest.mark.parametrize(
    ("running", "cluster_version", "rows", "target"),
    [
        (["3.3.25"] * 3, None, None, "3.4.23"),
        pytest.param(["3.3.25"] * 3, None, None, "3.5.16", marks=TURN),
        pytest.param(["3.3.25"] * 3, None, {"etcd1": "a", "etcd2": "a", "etcd3": "b"}, "3.4.23", marks=TURN),
        pytest.param(["3.3.25", "3.4.23", "3.3.25"], "3.3.0", None, "3.4.23", marks=TURN),
        pytest.param(["3.4.23", "3.4.23", "3.3.25"], "3.3.0", None, "3.5.16", marks=TURN),
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
    outcome = agreement.compare("planner", made, agreement.ALL)
    assert not outcome.difference, outcome.difference
    assert outcome.violated == ()
