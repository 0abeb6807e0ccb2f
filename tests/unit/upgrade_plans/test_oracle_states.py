"""What single states violate by themselves, and where they are exposed."""

from __future__ import annotations

from typing import Any

import pytest

from book import change, members, plan
from oracle_invariants import Level, exposures, in_state, level, start_legal
from oracle_words import Case, case_of
from upgrade_plans.models.state import Direction, Fault, FaultKind, Progress, State

HOP = OLD, NEW = "3.3.25", "3.4.23"
NODES = {FaultKind.PROCESS, FaultKind.NODE, FaultKind.LINK}


def case_with(count: int, rows: str = "") -> Case:
    """Return a case of members in these rows (a letter each), with the changes of m0 and, where there is one, m1."""
    who = members(count, OLD, rows or "abcdefg"[:count])
    return case_of(plan(who, [[change(member.node, HOP) for member in who[:2]]], cluster="3.3.0"))


def state_of(count: int, *, down: int = 0, **update: Any) -> State:
    """Return a state at the first change, that many of the first members down."""
    values: dict[str, Any] = {
        "installed": (OLD,) * count,
        "running": (None,) * down + (OLD,) * (count - down),
        "cached": (frozenset(HOP),) * count,
        "cluster": (3, 3),
        "leader": count - 1,
        "saved": frozenset(),
        "proven": frozenset(),
        "direction": Direction.FORWARD,
        "step": 0,
        "act": 0,
        "acts": (),
        "fault": None,
    }
    return State(**{**values, **update})


REST: dict[str, Any] = {}
BETWEEN = {"act": 1}
FLYING = {"acts": (Progress.UNKNOWN,)}
BACK = {"direction": Direction.BACK}
ROLLED_BACK = {"direction": Direction.ROLLED_BACK}
FINISHED = {"step": 2}
FAULT = {"fault": Fault(FaultKind.EXECUTOR)}


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        (REST, Level.R),
        (BETWEEN, Level.N),
        (FLYING, Level.N),
        (BACK, Level.N),
        (ROLLED_BACK, Level.R),
        (FINISHED, Level.R),
        ({**FINISHED, **FAULT}, Level.F),
        ({**FLYING, **FAULT}, Level.F),
    ],
)
def test_levels(update: dict[str, Any], expected: Level) -> None:
    assert level(case_with(3), state_of(3, **update)) is expected


@pytest.mark.parametrize(
    ("count", "down", "update", "violated"),
    [
        (3, 0, REST, False),
        (3, 1, REST, True),
        (3, 1, ROLLED_BACK, True),
        (3, 1, FINISHED, True),
        (3, 1, FLYING, False),
        (3, 1, BACK, False),
        (3, 2, FLYING, True),
        (3, 2, {**FLYING, **FAULT}, False),
        (2, 1, FLYING, True),
        (4, 1, FLYING, False),
        (4, 2, FLYING, True),
        (5, 1, FLYING, False),
        (5, 2, FLYING, True),
        (7, 2, FLYING, False),
        (7, 3, FLYING, True),
    ],
)
def test_quorum(count: int, down: int, update: dict[str, Any], *, violated: bool) -> None:
    """In flight a majority is up, and more than one member down may not bring it within a fault's reach."""
    assert ("etcd-quorum" in set(in_state(case_with(count), state_of(count, down=down, **update)))) is violated


@pytest.mark.parametrize(
    ("rows", "down", "update", "kinds"),
    [
        ("abc", 0, FLYING, set()),
        ("abc", 1, FLYING, NODES | {FaultKind.ROW}),
        ("abc", 1, {**FLYING, **FAULT}, set()),
        ("abc", 1, ROLLED_BACK, set()),
        ("abc", 2, FLYING, set()),
        ("aab", 0, FLYING, {FaultKind.ROW}),
        ("aab", 0, REST, set()),
        ("a", 0, FLYING, NODES | {FaultKind.ROW}),
        ("a", 1, FLYING, set()),
        ("ab", 0, FLYING, NODES | {FaultKind.ROW}),
        ("abcde", 1, FLYING, set()),
        ("aabbc", 1, FLYING, {FaultKind.ROW}),
        ("aabcd", 1, FLYING, set()),
    ],
)
def test_exposures(rows: str, down: int, update: dict[str, Any], kinds: set[FaultKind]) -> None:
    found = exposures(case_with(len(rows), rows), state_of(len(rows), down=down, **update))
    assert found == {("change-3.4.23-m0", kind): 1 for kind in kinds}


@pytest.mark.parametrize(
    ("installed", "running", "update", "violated"),
    [
        ((OLD, OLD, OLD), (OLD, OLD, OLD), REST, False),
        ((NEW, OLD, OLD), (OLD, OLD, OLD), REST, True),
        ((NEW, OLD, OLD), (OLD, OLD, OLD), FLYING, False),
        ((NEW, OLD, OLD), (OLD, OLD, OLD), BETWEEN, False),
        ((NEW, OLD, OLD), (OLD, OLD, OLD), BACK, False),
        ((OLD, NEW, OLD), (OLD, OLD, OLD), FLYING, True),
        ((OLD, NEW, OLD), (OLD, OLD, OLD), {**FLYING, "step": 1}, False),
        ((OLD, NEW, OLD), (OLD, None, OLD), FLYING, False),
        ((NEW, NEW, OLD), (OLD, OLD, OLD), FLYING, True),
        ((NEW, OLD, OLD), (OLD, OLD, OLD), {**FLYING, **FAULT}, False),
        ((OLD, NEW, OLD), (OLD, OLD, OLD), {**FLYING, **FAULT}, True),
        ((NEW, OLD, OLD), (OLD, OLD, OLD), {**ROLLED_BACK, **FAULT}, True),
        ((NEW, OLD, OLD), (OLD, OLD, OLD), {**FINISHED, **FAULT}, True),
    ],
)
def test_installed_is_running(
    installed: tuple[str, ...], running: tuple[str | None, ...], update: dict[str, Any], *, violated: bool
) -> None:
    state = state_of(3, **{**update, "installed": installed, "running": running})
    assert ("installed-running" in set(in_state(case_with(3), state))) is violated


def test_two_that_differ_violate_although_both_belong_to_the_step() -> None:
    both = change("m0", HOP).model_copy(update={"nodes": ("m0", "m1")})
    case = case_of(plan(members(3, OLD), [[both]], cluster="3.3.0"))
    flying = {"acts": (Progress.UNKNOWN,) * 2}
    assert set(in_state(case, state_of(3, **flying, installed=(NEW, OLD, OLD)))) == set()
    assert set(in_state(case, state_of(3, **flying, installed=(NEW, NEW, OLD)))) == {"installed-running"}


@pytest.mark.parametrize(
    ("installed", "running", "legal"), [(OLD, "3.2.32", False), ("3.2.32", OLD, True), ("3.2.32", None, False)]
)
def test_a_start_is_judged_by_what_the_others_run(installed: str, running: str | None, *, legal: bool) -> None:
    """Only where nothing runs, what is installed counts: it is what would start."""
    before = state_of(3, installed=(NEW, installed, OLD), running=(None, running, OLD))
    assert start_legal(case_with(3), before, 0) is legal
