"""Counting, bounding and the oracle on many small stack plans, in as many processes as there are cores."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

import agreement
import seedspread
import stackagreement
import testseed

FIRST = testseed.seed() * 100_000


def agree(count: int, most: int) -> Counter[str]:
    outcomes = list(seedspread.spread(partial(stackagreement.small, most=most), range(FIRST, FIRST + count), None))
    verdicts = Counter(one for outcome in outcomes for one in outcome.violated or ("proven",))
    print(f"{count} stack plans, states {agreement.sizes(outcome.states for outcome in outcomes)}")  # noqa: T201
    print(dict(verdicts.most_common()))  # noqa: T201
    differences = [f"{outcome.difference}\n{outcome.plan}" for outcome in outcomes if outcome.difference]
    assert not differences, differences[0]
    return verdicts


@pytest.mark.turn("agreement")
def test_agree_on_small_stacks() -> None:
    assert set(agree(150, 4_000)) >= {"proven", "reaches-end", "capacity", "skew-kubelet"}


@pytest.mark.long
def test_agree_on_thousands_of_small_stacks() -> None:
    assert set(agree(3_000, 60_000)) == {
        "proven", "plan", "packages", "apiserver-endpoints", "skew-apiserver", "skew-kubelet", "skew-proxy", "skew-managers",
        "installed-running", "capacity", "lb-threshold", "bgp-up", "no-dead-end", "reaches-end",
    }  # fmt: skip
