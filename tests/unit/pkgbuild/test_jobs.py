"""A graph is worked through side by side: order, failures, and what stands on them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pkgbuild.jobs import work_through


class Steps:
    """Does nothing, or fails at some places; knows what was begun, and what was done by then."""

    def __init__(self, failing: set[int], at_once: set[int], pool: ThreadPoolExecutor) -> None:
        self.failing, self.at_once, self.pool = failing, at_once, pool
        self.begun: list[int] = []
        self.done_before: dict[int, set[int]] = {}
        self.outcomes: dict[int, str] = {}

    def start(self, place: int) -> Future[str] | str:
        self.begun.append(place)
        self.done_before[place] = set(self.outcomes)
        said = "failed" if place in self.failing else "ok"
        return said if place in self.at_once else self.pool.submit(lambda: said)

    def finished(self, place: int, future: Future[str]) -> str:  # noqa: ARG002 - the Protocol's
        return future.result()

    def blocked(self, place: int, by: list[int]) -> str:  # noqa: ARG002 - the Protocol's
        return f"blocked by {by}"

    def failed(self, outcome: str) -> bool:
        return outcome != "ok"


def worked(
    needs: Mapping[int, set[int]], failing: set[int] = frozenset(), at_once: set[int] = frozenset()  # type: ignore[assignment]
) -> Steps:  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        steps = Steps(failing, at_once, pool)
        work_through(needs, steps, steps.outcomes)
    return steps


def test_what_does_not_depend_on_a_failure_goes_on() -> None:
    steps = worked({0: set(), 1: {0}, 2: {1}, 3: set(), 4: {3}}, failing={0})
    assert steps.outcomes == {0: "failed", 1: "blocked by [0]", 2: "blocked by [1]", 3: "ok", 4: "ok"}


def test_what_only_comes_after_another_waits_for_it_and_is_begun_though_that_failed() -> None:
    with ThreadPoolExecutor(2) as pool:
        steps = Steps({0}, set(), pool)
        work_through({0: set(), 1: set(), 2: set()}, steps, steps.outcomes, {2: 1, 1: 0})
    assert steps.begun == [0, 1, 2]
    assert steps.done_before == {0: set(), 1: {0}, 2: {0, 1}}
    assert steps.outcomes == {0: "failed", 1: "ok", 2: "ok"}


def test_ready_places_begin_in_order() -> None:
    assert worked({2: set(), 0: set(), 1: set()}, at_once={0, 1, 2}).begun == [0, 1, 2]


class Broken(Steps):
    """Meets a bug in its second step."""

    def finished(self, place: int, future: Future[str]) -> str:  # noqa: ARG002 - the Protocol's
        raise ZeroDivisionError


def test_what_a_step_raises_ends_the_work() -> None:
    with ThreadPoolExecutor(1) as pool:
        steps = Broken(set(), set(), pool)
        with pytest.raises(ZeroDivisionError):
            work_through({0: set()}, steps, steps.outcomes)


@st.composite
def graphs(draw: st.DrawFn) -> dict[int, set[int]]:
    size = draw(st.integers(0, 8))
    return {place: draw(st.sets(st.integers(0, place - 1))) if place else set() for place in range(size)}


@settings(deadline=None)  # each example starts threads, and a busy machine is no finding
@given(graphs(), st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)))
def test_everything_has_an_outcome_and_nothing_begins_before_its_needs(
    needs: dict[int, set[int]], failing: set[int], at_once: set[int]
) -> None:
    steps = worked(needs, failing, at_once)
    assert set(steps.outcomes) == set(needs)
    broken: set[int] = set()
    for place in sorted(needs):
        if needs[place] & broken:
            broken.add(place)
            assert place not in steps.begun
        else:
            assert steps.begun.count(place) == 1
            assert needs[place] <= steps.done_before[place]
            broken |= {place} & failing
