"""Prover, checker and brute force on many small whole plans, in as many processes as there are cores; seeded by the day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import pytest

import seedspread
import testseed
import wholeagreement
from wholeagreement import Compared

FIRST = testseed.seed() * 100_000


def compared(work: Callable[[int], Compared], seeds: Iterable[int]) -> list[Compared]:
    """Compare on all seeds; the first disagreement fails, all of them are saved."""
    outcomes = list(seedspread.spread(work, seeds, wholeagreement.SAVED))
    differences = [f"{outcome.name}: {outcome.difference}" for outcome in outcomes if outcome.difference]
    verdicts = Counter(one for outcome in outcomes for one in outcome.violated or ("proven",))
    visited = sum(outcome.visited for outcome in outcomes)
    print(f"{work.__name__}: {len(outcomes)} cases, {visited:,} states visited by brute force")  # noqa: T201
    print(f"sizes: {wholeagreement.sizes(outcomes)}; {sum(one.upper for one in outcomes)} of the upper size")  # noqa: T201
    print(f"verdicts: {dict(verdicts.most_common())}")  # noqa: T201
    assert not differences, f"{len(differences)} disagreements, saved in {wholeagreement.SAVED}; the first:\n{differences[0]}"
    return outcomes


def illegal(outcomes: Iterable[Compared]) -> Counter[str]:
    """Return how many of the cases brute force finds illegal, by their last edit; the prover refuses each of them."""
    found = Counter(one.name.rsplit("-", 1)[1] for one in outcomes if one.violated and one.states is not None)
    print(f"illegal: {found.total()}, by edit {dict(found.most_common())}")  # noqa: T201
    return found


def test_agree_on_small_plans() -> None:
    outcomes = compared(wholeagreement.brief, range(FIRST, FIRST + 1_500))
    met = {one for outcome in outcomes for one in outcome.violated}
    assert met >= {"etcd-hop", "snapshot", "calico-datastore", "skew-kubelet", "config-owner", "no-dead-end", "blocked", "plan"}
    assert 300 < sum(not outcome.violated for outcome in outcomes) < 1_200
    assert sum(outcome.upper for outcome in outcomes) == 10


@pytest.mark.long
def test_agree_on_ten_thousand_small_plans() -> None:
    outcomes = compared(wholeagreement.drawn, range(FIRST, FIRST + 10_000))
    assert sum(outcome.upper for outcome in outcomes) >= 500


@pytest.mark.long
def test_a_thousand_illegal_mutants_are_refused() -> None:
    found = illegal(compared(wholeagreement.mutant, range(FIRST, FIRST + 3_500)))
    assert found.total() >= 1_000
    assert found.keys() >= {"swap", "drop", "merge", "enlarge", "reorder"}
