"""Single moves of the oracle, one line each: in this state, does this move apply?"""

from __future__ import annotations

from typing import Any

import pytest

from book import BEFORE_CHANGE, CALM, change, download, members, plan, step
from oracle_invariants import in_move
from oracle_moves import Kind, moves
from oracle_words import Case, case_of, shown
from upgrade_plans.models.plan import Block, Check, StepKind
from upgrade_plans.models.state import Direction, Fault, FaultKind, Progress, State

HOP = OLD, NEW = "3.3.25", "3.4.23"
BLOCK = Block(state="before", by="this", loss="all")
PROVEN = (Check.BACKUP_PROVEN, Check.CLUSTER_VERSION)
STEPS = {
    "download": download(["m0", "m1"], HOP),
    "backup": step(StepKind.BACKUP, ["m0"], HOP, pre=CALM),
    "drill": step(StepKind.DRILL, ["m0"], HOP),
    "leader": step(StepKind.MOVE_LEADER, ["m0"], HOP),
    "m0": change("m0", HOP),
    "m1": change("m1", HOP),
    "await": step(StepKind.AWAIT_VERSION, ["m0", "m1", "m2"], HOP, post=PROVEN),
    "both": change("m1", HOP).model_copy(update={"id": "both", "nodes": ("m0", "m1")}),
    "m2": change("m2", HOP).model_copy(update={"pre": (*BEFORE_CHANGE, *PROVEN), "blocks": (BLOCK,), "max_backup_age": 600}),
}
LAST = "m2"


@pytest.fixture(scope="module")
def case() -> Case:
    """Three members on 3.3; all of `STEPS` but the last in one phase, that one in the next."""
    *first, last = STEPS.values()
    return case_of(plan(members(3, OLD), [first, [last]], cluster="3.3.0"))


def state_at(name: str, **update: Any) -> State:
    """Return a state at a step of `STEPS`: all on 3.3, m0 leads, everything cached."""
    values: dict[str, Any] = {
        "installed": (OLD,) * 3,
        "running": (OLD,) * 3,
        "cached": (frozenset(HOP),) * 3,
        "cluster": (3, 3),
        "leader": 0,
        "saved": frozenset(),
        "proven": frozenset(),
        "direction": Direction.FORWARD,
        "step": list(STEPS).index(name),
        "act": 0,
        "acts": (),
        "fault": None,
    }
    return State(**{**values, **update})


ISSUED, STOPPED, UNKNOWN, DONE = ((progress,) for progress in Progress)
MOVED = {"installed": (NEW, OLD, OLD), "running": (NEW, OLD, OLD)}
ALL_MOVED = {"installed": (NEW,) * 3, "running": (NEW,) * 3}
DOWN = {"running": (None, OLD, OLD), "leader": 1}
BACK = {"direction": Direction.BACK}
UNLINKED = {"fault": Fault(FaultKind.LINK, "m0"), "leader": 1}
CRASHED = {"fault": Fault(FaultKind.PROCESS, "m1"), "running": (OLD, None, OLD)}
LINES = {name: frozenset({line}) for name, line in {"old": (3, 3), "new": (3, 4)}.items()}


@pytest.mark.parametrize(
    ("name", "update", "expected"),
    [
        ("download", {}, True),
        ("download", {"cached": (frozenset({NEW}),) * 3}, False),
        ("download", {"cached": (frozenset({OLD}),) * 3}, False),
        ("backup", {}, False),
        ("backup", {"saved": LINES["old"]}, True),
        ("backup", {"saved": LINES["new"]}, False),
        ("drill", {"saved": LINES["old"]}, False),
        ("drill", {"proven": LINES["old"]}, True),
        ("leader", {}, True),
        ("leader", {"leader": 1}, False),
        ("m0", {"installed": (NEW, OLD, OLD)}, True),
        ("m0", {"installed": (OLD, NEW, NEW)}, False),
        ("m0", {"installed": (NEW, OLD, OLD), **BACK}, False),
        ("m0", {"act": 1, **MOVED}, True),
        ("m0", {"act": 1, **MOVED, "running": (OLD, OLD, OLD)}, False),
        ("m0", {"act": 1, **MOVED, "installed": (OLD, OLD, OLD)}, False),
        ("m0", {"act": 1, **MOVED, **UNLINKED}, False),
        ("m0", {"act": 1, **BACK}, True),
        ("await", {}, False),
        ("await", {"cluster": (3, 4)}, True),
        ("await", {"cluster": (3, 5)}, True),
    ],
)
def test_what_is_shown(case: Case, name: str, update: dict[str, Any], *, expected: bool) -> None:
    assert shown(case, state_at(name, **update), 0) is expected


@pytest.mark.parametrize(
    ("kind", "name", "update", "expected"),
    [
        (Kind.ISSUE, "backup", {}, True),
        (Kind.ISSUE, "backup", {"leader": None}, False),
        (Kind.ISSUE, "backup", {"cluster": (3, 4)}, False),
        (Kind.ISSUE, "backup", {"acts": UNKNOWN}, False),
        (Kind.ISSUE, "drill", UNLINKED, False),
        (Kind.ISSUE, "drill", CRASHED, True),
        (Kind.ISSUE, "m0", CRASHED, False),
        (Kind.ISSUE, "m0", DOWN, False),
        (Kind.ISSUE, "m0", {**DOWN, **BACK}, True),
        (Kind.ISSUE, "m0", {"cached": (frozenset({NEW}), *[frozenset(HOP)] * 2)}, False),
        (Kind.ISSUE, "m0", {"cached": (frozenset(HOP), frozenset(), frozenset())}, True),
        (Kind.ISSUE, "m0", {"cluster": (3, 4)}, False),
        (Kind.ISSUE, "m0", {"cluster": (3, 4), "act": 1}, True),
        (Kind.ISSUE, "m0", {"cluster": (3, 4), "act": 1, **BACK}, False),
        (Kind.ISSUE, "m2", {}, False),
        (Kind.ISSUE, "m2", {"proven": LINES["old"]}, True),
        (Kind.ISSUE, "m2", {"proven": LINES["old"], "cluster": (3, 4)}, False),
        (Kind.ISSUE, "m2", {"proven": LINES["old"], "cluster": (3, 4), "act": 1}, True),
        (Kind.ISSUE, "await", {}, False),
        (Kind.ISSUE, "await", {"cluster": (3, 4)}, True),
        (Kind.READ_BACK, "backup", {"acts": UNKNOWN, "saved": LINES["old"]}, True),
        (Kind.READ_BACK, "backup", {"acts": UNKNOWN}, False),
        (Kind.READ_BACK, "backup", {"acts": UNKNOWN, "saved": LINES["old"], **UNLINKED}, False),
        (Kind.READ_BACK, "backup", {"acts": ISSUED, "saved": LINES["old"]}, False),
        (Kind.REISSUE, "backup", {"acts": UNKNOWN}, True),
        (Kind.REISSUE, "backup", {"acts": UNKNOWN, "saved": LINES["old"]}, False),
        (Kind.REISSUE, "backup", {"acts": UNKNOWN, "leader": None}, False),
        (Kind.REISSUE, "backup", {"acts": UNKNOWN, **DOWN}, True),
        (Kind.REISSUE, "backup", {"acts": UNKNOWN, **CRASHED}, False),
        (Kind.REISSUE, "drill", {"acts": UNKNOWN, **UNLINKED}, False),
        (Kind.REISSUE, "m2", {"acts": UNKNOWN, "cluster": (3, 4), "proven": LINES["old"]}, True),
        (Kind.REISSUE, "m2", {"acts": UNKNOWN, "cluster": (3, 4)}, False),
        (Kind.ADVANCE, "backup", {"acts": DONE}, True),
        (Kind.ADVANCE, "backup", {}, False),
        (Kind.ADVANCE, "download", {"acts": DONE + UNKNOWN}, False),
        (Kind.ADVANCE, "m0", {"acts": DONE, **CRASHED}, True),
        (Kind.ADVANCE, "m0", {"acts": DONE, "act": 1, **CRASHED}, False),
        (Kind.ADVANCE, "m0", {"acts": DONE, "act": 1, **DOWN}, False),
        (Kind.ADVANCE, "m0", {"acts": DONE, "act": 1, **DOWN, **BACK}, True),
        (Kind.ADVANCE, "m0", {"acts": DONE, "act": 1, **CRASHED, **BACK}, False),
        (Kind.ADVANCE, "await", {"acts": DONE * 3, "proven": LINES["old"]}, True),
        (Kind.ADVANCE, "await", {"acts": DONE * 3, "proven": LINES["old"], "cluster": (3, 4)}, False),
        (Kind.TURN_BACK, "m0", {"acts": ISSUED}, False),
        (Kind.TURN_BACK, "m0", {"acts": STOPPED, "act": 1}, False),
        (Kind.TURN_BACK, "both", {"acts": UNKNOWN + DONE}, True),
        (Kind.TURN_BACK, "both", {"acts": UNKNOWN + ISSUED}, False),
        (Kind.TURN_BACK, "m0", BACK, False),
        (Kind.TURN_BACK, "m2", {}, True),
        (Kind.TURN_BACK, "m2", {"acts": UNKNOWN}, False),
        (Kind.TURN_BACK, "m2", {"act": 1}, False),
        (Kind.LAND, "backup", {"acts": ISSUED}, True),
        (Kind.LAND, "backup", {"acts": ISSUED, "leader": None}, False),
        (Kind.LAND, "backup", {"acts": ISSUED, **DOWN}, False),
        (Kind.LAND, "backup", {"acts": ISSUED, **UNLINKED}, True),
        (Kind.LAND, "drill", {"acts": ISSUED}, False),
        (Kind.LAND, "drill", {"acts": ISSUED, "saved": LINES["old"], "leader": None}, True),
        (Kind.LAND, "leader", {"acts": ISSUED, "leader": 1}, True),
        (Kind.LAND, "leader", {"acts": ISSUED, "leader": None}, False),
        (Kind.LAND, "leader", {"acts": ISSUED, **UNLINKED}, False),
        (Kind.LAND, "m0", {"acts": UNKNOWN}, False),
        (Kind.LAND, "m0", {"acts": STOPPED, "act": 1, **DOWN}, False),
        (Kind.FAIL, "m0", {"acts": STOPPED, "act": 1, **DOWN}, True),
        (Kind.FAIL, "m0", {"acts": UNKNOWN}, False),
        (Kind.ELECT, "m0", {}, False),
        (Kind.ELECT, "m0", {"leader": None}, True),
        (Kind.ELECT, "m0", {"leader": None, "running": (None, None, OLD)}, False),
        (Kind.RISE, "await", ALL_MOVED, True),
        (Kind.RISE, "await", {**ALL_MOVED, "leader": None}, False),
        (Kind.RISE, "await", {**ALL_MOVED, **UNLINKED}, False),
        (Kind.RISE, "await", {**ALL_MOVED, "cluster": (3, 4)}, False),
        (Kind.RISE, "await", {"cluster": (3, 4)}, False),
        (Kind.RISE, "await", MOVED, False),
    ],
)
def test_what_applies(case: Case, kind: Kind, name: str, update: dict[str, Any], *, expected: bool) -> None:
    assert any(move.kind is kind for move in moves(case, state_at(name, **update))) is expected


def test_a_phase_is_undone_to_its_first_step_and_no_further(case: Case) -> None:
    """The last step is a phase of its own: undone, it is at the end although the phase before it has undos."""
    undone = state_at(LAST, acts=DONE, act=1, **BACK)
    after = next(move.after for move in moves(case, undone) if move.kind is Kind.ADVANCE)
    assert (after.direction, after.step, after.act, after.acts) == (Direction.ROLLED_BACK, len(STEPS) - 1, 0, ())


def test_faults_hit_what_runs(case: Case) -> None:
    """Nothing that is down crashes; nodes, links, rows and the executor fail whatever runs."""
    found = [move.after.fault for move in moves(case, state_at("m0", running=(None, OLD, OLD))) if move.kind is Kind.FAULT]
    kinds = [fault.kind for fault in found if fault is not None]
    assert {kind: kinds.count(kind) for kind in FaultKind} == {
        FaultKind.PROCESS: 2,
        FaultKind.NODE: 3,
        FaultKind.LINK: 3,
        FaultKind.ROW: 3,
        FaultKind.EXECUTOR: 1,
    }
    assert not any(move.kind is Kind.FAULT for move in moves(case, state_at("m0", **CRASHED)))


def test_a_power_cut_ends_a_restart(case: Case) -> None:
    stopped = state_at("m0", acts=STOPPED, act=1, **DOWN)
    cut = next(move.after for move in moves(case, stopped) if move.after.fault == Fault(FaultKind.NODE, "m0"))
    assert cut.acts == UNKNOWN
    crash = next(move.after for move in moves(case, stopped) if move.after.fault == Fault(FaultKind.PROCESS, "m1"))
    assert crash.acts == STOPPED


def test_a_repair_starts_only_what_is_down(case: Case) -> None:
    """The executor restarted the crashed daemon meanwhile."""
    up_again = state_at("m0", fault=Fault(FaultKind.PROCESS, "m1"))
    repair = next(move for move in moves(case, up_again) if move.kind is Kind.REPAIR)
    assert repair.starts == ()


PROVED = {"proven": LINES["old"]}


@pytest.mark.parametrize(
    ("kind", "name", "update", "violated"),
    [
        (Kind.ISSUE, "m0", {"act": 1, "installed": (NEW, OLD, OLD)}, set()),
        (Kind.ISSUE, "both", {"act": 1, "installed": (NEW, NEW, OLD)}, {"etcd-quorum"}),
        (Kind.ISSUE, "both", {"act": 1, **MOVED, "installed": (NEW, NEW, OLD)}, set()),
        (Kind.REISSUE, "both", {"act": 1, "acts": UNKNOWN + DONE}, set()),
        (Kind.REISSUE, "both", {"act": 1, "acts": UNKNOWN + ISSUED}, {"etcd-quorum"}),
        (Kind.REISSUE, "both", {"act": 1, "acts": UNKNOWN + DONE, **CRASHED}, {"etcd-quorum"}),
        (Kind.REISSUE, "both", {"act": 1, "acts": UNKNOWN + DONE, **DOWN}, set()),
        (Kind.ISSUE, "m2", PROVED, set()),
        (Kind.ISSUE, "m2", {**PROVED, "act": 1, "cluster": (3, 4)}, set()),
        (Kind.REISSUE, "m2", {**PROVED, "acts": UNKNOWN, "cluster": (3, 4)}, set()),
        (Kind.LAND, "m0", {"acts": ISSUED}, set()),
        (Kind.LAND, "m0", {"acts": ISSUED, "cached": (frozenset({NEW}),) * 3}, {"packages"}),
        (Kind.LAND, "m0", {"acts": ISSUED, "cached": (frozenset({OLD}),) * 3}, {"packages"}),
        (Kind.RISE, "m2", {**ALL_MOVED, **PROVED}, {"snapshot"}),
        (Kind.RISE, "m2", {**ALL_MOVED, **PROVED, "act": 1}, set()),
        (Kind.RISE, "m2", {**ALL_MOVED, **PROVED, "acts": UNKNOWN}, set()),
        (Kind.RISE, "m2", {**ALL_MOVED, "act": 1}, {"snapshot"}),
        (Kind.RISE, "await", {**ALL_MOVED, **PROVED, "step": len(STEPS)}, set()),
    ],
)
def test_what_a_move_violates(case: Case, kind: Kind, name: str, update: dict[str, Any], violated: set[str]) -> None:
    state = state_at(name, **update)
    found = [set(in_move(case, state, move)) for move in moves(case, state) if move.kind is kind]
    assert found == [violated]


def test_a_step_that_blocks_needs_the_proof_of_what_it_leaves() -> None:
    """Asked of the plan's steps although none of them has a check."""
    bare = change("m0", HOP).model_copy(update={"pre": (), "blocks": (BLOCK,), "max_backup_age": 600})
    case = case_of(plan(members(3, OLD), [[bare]], cluster="3.3.0"))

    def found(kind: Kind, **update: Any) -> set[str]:
        state = state_at("download", **update)
        return {one for move in moves(case, state) if move.kind is kind for one in in_move(case, state, move)}

    assert found(Kind.ISSUE) == {"snapshot"}
    assert found(Kind.ISSUE, proven=LINES["old"]) == set()
    assert found(Kind.ISSUE, proven=LINES["old"], cluster=(3, 4)) == {"snapshot"}
    assert found(Kind.ISSUE, proven=LINES["old"], cluster=(3, 4), act=1) == set()
    assert found(Kind.REISSUE, proven=LINES["old"], cluster=(3, 4), acts=UNKNOWN) == set()
    assert found(Kind.REISSUE, cluster=(3, 4), acts=UNKNOWN) == {"snapshot"}
