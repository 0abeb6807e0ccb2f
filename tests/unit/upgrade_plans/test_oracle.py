"""The oracle against cases that were worked out by hand from docs/semantics.md."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

import oracle
from book import UNDO, VERSIONS, change, download, good, hop_steps, members, plan, step
from oracle import judge
from oracle_invariants import Level, start_legal
from oracle_moves import Kind, moves
from oracle_words import Case, case_of
from upgrade_plans.models.plan import Check, Phase, Plan, StepKind, Undo
from upgrade_plans.models.state import Direction, Fault, FaultKind, Progress, State

HOP = ("3.3.25", "3.4.23")
ORACLE = Path(oracle.__file__).parent
FOUR = (FaultKind.PROCESS, FaultKind.NODE, FaultKind.ROW, FaultKind.LINK)


@pytest.mark.parametrize(
    ("rows", "states"),
    [
        # One member. No fault: it leads, or nobody does (after a repair). PROCESS, NODE, ROW, LINK: nobody leads.
        # EXECUTOR: as without a fault. 2 + 4 + 2.
        (["a"], 8),
        # Two members, so a majority is both. No fault: leader m0, m1, none. EXECUTOR: the same. Each of 4 kinds x 2 places:
        # nobody leads. 3 + 3 + 8; in one row there is one place less that a ROW can hit.
        (["a", "b"], 14),
        (["a", "a"], 13),
        # Three members. No fault, EXECUTOR: 3 leaders or none. Each of 4 kinds x 3 places: one of the other two, or none.
        # 4 + 4 + 36. With two of them in a row: its fault leaves no majority (1 state), the other row's 3: 4 + 4 + 27 + 4.
        (["a", "b", "c"], 44),
        (["a", "a", "b"], 39),
    ],
)
def test_counts_the_states_of_an_empty_plan(rows: list[str], states: int) -> None:
    judgement = judge(plan(members(len(rows), "3.3.25", rows), [], cluster="3.3.0"))
    assert judgement.states == states
    assert judgement.violated == frozenset()
    resting = len(rows) + 1
    assert judgement.levels == {Level.R: resting, Level.F: states - resting}


def test_counts_the_states_of_one_download() -> None:
    """One member, one DOWNLOAD.

    Program and cache: idle · ISSUED · UNKNOWN, nothing came · UNKNOWN, cached · DONE · finished · turned back with nothing
    cached · turned back with it cached: 8. Each with the 8 combinations of leader and fault of the empty plan, but ISSUED,
    which NODE and ROW turn into UNKNOWN: 8 x 8 - 2.
    """
    judgement = judge(plan(members(1, "3.3.25"), [[download(["m0"], HOP)]], cluster="3.3.0"))
    assert judgement.states == 62
    # At rest: idle, finished, turned back twice; in flight: the other four; each with and without a leader.
    assert judgement.levels == {Level.R: 8, Level.N: 8, Level.F: 46}
    # With one member every state in flight is exposed, and the facts made it so.
    assert judgement.exposures == Counter({("download-3.4.23-m0", kind): 8 for kind in FOUR})
    assert judgement.violated == frozenset()


def test_counts_the_states_of_one_move_of_the_leader() -> None:
    """One member, one TRANSFER to it: issued only while nobody leads, it cannot land; an election shows it.

    idle · ISSUED · UNKNOWN · DONE · finished · turned back, each with the 8 of the empty plan, but ISSUED under NODE, ROW.
    """
    judgement = judge(plan(members(1, "3.3.25"), [[step(StepKind.MOVE_LEADER, ["m0"], HOP)]], cluster="3.3.0"))
    assert judgement.states == 46
    assert judgement.violated == frozenset()


def test_a_rise_needs_a_proof_and_a_block() -> None:
    """All run 3.4 already in a cluster of 3.3, nothing is planned: it rises by itself, and nothing was proven."""
    judgement = judge(plan(members(1, "3.4.23"), [], cluster="3.3.0"))
    assert judgement.violated == {"snapshot"}
    # 3.3: 2 (no fault) + 4 + 2 as above; the same at 3.4.
    assert judgement.states == 16


def test_the_plan_by_the_book_is_proven() -> None:
    judgement = judge(good(3, VERSIONS[1:3]))
    assert judgement.violated == frozenset()
    # Only the changes are exposed, to whatever takes a second member away.
    assert set(judgement.exposures) == {(f"change-3.4.23-m{number}", kind) for number in range(3) for kind in FOUR}


def edited(**update: dict[str, object] | None) -> Plan:
    """Return the plan by the book of three members and one hop, steps changed or left out (None); a change goes by its node."""
    made = good(3, VERSIONS[1:3])
    hop = {one.nodes[0] if one.kind is StepKind.CHANGE else str(one.kind): one for one in made.phases[1].steps}
    for name, values in update.items():
        if values is None:
            del hop[name]
        else:
            hop[name] = hop[name].model_copy(update=values)
    return made.model_copy(
        update={"phases": (made.phases[0], made.phases[1].model_copy(update={"steps": tuple(hop.values())}))}
    )


CASES = {
    # Installed on both before either restarts; both down leave no leader, without which nothing is issued again.
    "two-at-once": (
        edited(m0={"nodes": ("m0", "m1")}, m1=None),
        {"etcd-quorum", "installed-running", "no-dead-end"},
    ),
    # The last member's check never holds: the plan can only be turned back.
    "no-backup": (edited(backup=None, drill=None, m2={"requires": ()}), {"reaches-end"}),
    # Nor is it asked for: the last member is changed, and the version rises, with nothing proven.
    "no-backup-unchecked": (
        edited(backup=None, drill=None, m2={"requires": (), "pre": (Check.MEMBERS_HEALTHY, Check.CACHED)}),
        {"snapshot"},
    ),
    # Turned back after the last member, the version rises under way: 3.3 is started below it, the undo's check is stuck.
    "undeclared-block": (edited(m2={"blocks": ()}), {"snapshot", "etcd-hop", "no-dead-end"}),
    # Turned back with m1 installed and not restarted, the undo goes on with m0; with m1 down it cannot.
    "no-undo": (edited(m1={"undo": None}), {"installed-running", "no-dead-end"}),
    # Restarted while another member has crashed.
    "unguarded": (edited(m1={"pre": ()}), {"etcd-quorum"}),
    # 3.5 started in a cluster of 3.3.
    "skipped-minor": (good(3, ("3.3.25", "3.5.16")), {"etcd-hop"}),
    # The version is still the old one after the first member.
    "post-check-that-holds": (edited(m0={"post": (Check.CLUSTER_VERSION,)}), set()),
    # It may have risen after the last member, for ever, and the way back is blocked.
    "post-check-that-need-not-hold": (edited(m2={"post": (Check.CLUSTER_VERSION,)}), {"no-dead-end"}),
}


@pytest.mark.parametrize(("case", "violated"), CASES.values(), ids=CASES)
def test_finds_what_is_wrong(case: Plan, violated: set[str]) -> None:
    assert judge(case).violated == violated


def test_an_install_without_its_package_violates() -> None:
    """The change of one member, which has nothing cached and does not ask."""
    unchecked = change("m2", HOP).model_copy(update={"pre": (Check.MEMBERS_HEALTHY,)})
    judgement = judge(plan(members(3, "3.3.25"), [[unchecked]], cluster="3.3.0"))
    assert judgement.violated == {"packages"}


def test_five_members_have_one_to_spare() -> None:
    """With one of five down, one more fault leaves three: nothing is exposed."""
    nodes = members(5, "3.3.25")
    unchecked = change("m0", HOP)
    judgement = judge(plan(nodes, [[download(["m0"], HOP)], [unchecked]], cluster="3.3.0"))
    assert judgement.violated == frozenset()
    assert judgement.exposures == Counter()


def test_two_members_of_a_row_are_a_finding_and_no_violation() -> None:
    rows = ["a", "a", "b"]
    judgement = judge(plan(members(3, "3.3.25", rows), [[download(["m0"], HOP)]], cluster="3.3.0"))
    assert judgement.violated == frozenset()
    assert set(judgement.exposures) == {("download-3.4.23-m0", FaultKind.ROW)}


@pytest.mark.parametrize(
    ("update", "violated"),
    [
        ({"members": ()}, {"plan"}),
        ({"members": members(1, "3.3.25") * 2}, {"plan"}),
        ({"members": members(1, "newest")}, {"plan"}),
        ({"cluster_version": "not_decided"}, {"plan"}),
        ({"releases": {}}, {"packages"}),
        ({"releases": {}, "members": ()}, {"packages", "plan"}),
    ],
)
def test_refuses_without_exploring(update: dict[str, object], violated: set[str]) -> None:
    sound = plan(members(1, "3.3.25"), [hop_steps(["m0"], HOP)], cluster="3.3.0")
    judgement = judge(sound.model_copy(update=update))
    assert judgement.states is None
    assert judgement.violated == violated


@pytest.mark.parametrize(
    "update",
    [
        {"nodes": ()},
        {"nodes": ("m0", "m0")},
        {"nodes": ("nobody",)},
        {"requires": ("download-3.4.23-m0",)},
        {"requires": ("nothing",)},
        {"undo": Undo(to="3.3.25")},
        {"from_": "newest"},
    ],
)
def test_refuses_a_step_that_makes_no_sense(update: dict[str, object]) -> None:
    only = download(["m0"], HOP).model_copy(update=update)
    judgement = judge(plan(members(1, "3.3.25"), [[only]], cluster="3.3.0"))
    assert judgement.states is None
    assert "plan" in judgement.violated


def test_refuses_an_id_twice() -> None:
    twice = [download(["m0"], HOP)] * 2
    assert judge(plan(members(1, "3.3.25"), [twice], cluster="3.3.0")).violated == {"plan"}


# Single moves.


def state_of(case: Case, **update: object) -> State:
    """Return a state of three members on 3.3 with m0 leading, changed as said."""
    values: dict[str, object] = {
        "installed": ("3.3.25",) * 3,
        "running": ("3.3.25",) * 3,
        "cached": (frozenset(HOP),) * 3,
        "cluster": (3, 3),
        "leader": 0,
        "saved": frozenset(),
        "proven": frozenset(),
        "direction": Direction.FORWARD,
        "step": 0,
        "act": 0,
        "acts": (),
        "fault": None,
    }
    return State(**{**values, **update})  # type: ignore[arg-type]


@pytest.fixture
def changing() -> Case:
    """One phase of two changes, of m0 and m1; m0 and m1 share a row."""
    return case_of(plan(members(3, "3.3.25", ["a", "a", "b"]), [[change("m0", HOP), change("m1", HOP)]], cluster="3.3.0"))


def kinds(case: Case, state: State) -> Counter[Kind]:
    """Return how many moves of each kind apply, faults left out."""
    return Counter(move.kind for move in moves(case, state) if move.kind is not Kind.FAULT)


def test_a_restart_stops_then_starts(changing: Case) -> None:
    issued = state_of(changing, installed=("3.4.23", "3.3.25", "3.3.25"), act=1, acts=(Progress.ISSUED,))
    landed = next(move.after for move in moves(changing, issued) if move.kind is Kind.LAND)
    assert (landed.running, landed.acts, landed.leader) == ((None, "3.3.25", "3.3.25"), (Progress.STOPPED,), None)
    started = next(move for move in moves(changing, landed) if move.kind is Kind.START)
    assert started.after.running == ("3.4.23", "3.3.25", "3.3.25")
    assert started.after.acts == (Progress.UNKNOWN,)
    assert started.starts == ((landed, 0),)


def test_a_call_that_was_lost_is_issued_again_and_what_landed_is_read_back(changing: Case) -> None:
    lost = state_of(changing, acts=(Progress.UNKNOWN,))
    assert kinds(changing, lost) == {Kind.REISSUE: 1, Kind.TURN_BACK: 1}
    landed = state_of(changing, acts=(Progress.UNKNOWN,), installed=("3.4.23", "3.3.25", "3.3.25"))
    assert kinds(changing, landed) == {Kind.READ_BACK: 1, Kind.TURN_BACK: 1}


def test_a_dead_executor_does_nothing_while_the_world_goes_on(changing: Case) -> None:
    dead = state_of(changing, acts=(Progress.ISSUED,), fault=Fault(FaultKind.EXECUTOR))
    assert kinds(changing, dead) == {Kind.LAND: 1, Kind.FAIL: 1, Kind.RESUME: 1}


def test_a_power_cut_makes_what_is_under_way_unknown(changing: Case) -> None:
    issued = state_of(changing, acts=(Progress.ISSUED,))
    cut = next(m.after for m in moves(changing, issued) if m.after.fault == Fault(FaultKind.ROW, "a"))
    assert (cut.running, cut.acts, cut.leader) == ((None, None, "3.3.25"), (Progress.UNKNOWN,), None)


def test_a_row_comes_back_in_member_order(changing: Case) -> None:
    """Judged one after the other: when the second member starts, the first runs."""
    off = state_of(changing, running=(None, None, "3.3.25"), leader=None, fault=Fault(FaultKind.ROW, "a"))
    back = next(move for move in moves(changing, off) if move.kind is Kind.REPAIR)
    assert back.after.running == ("3.3.25",) * 3
    assert [(before.running[0], member) for before, member in back.starts] == [(None, 0), ("3.3.25", 1)]


def test_turning_back_undoes_the_begun_steps_from_the_highest(changing: Case) -> None:
    begun = state_of(changing, step=1, installed=("3.4.23", "3.3.25", "3.3.25"), running=("3.4.23", "3.3.25", "3.3.25"))
    first = next(move.after for move in moves(changing, begun) if move.kind is Kind.TURN_BACK)
    assert (first.direction, first.step, first.act) == (Direction.BACK, 0, 0)
    unknown = state_of(changing, step=1, acts=(Progress.UNKNOWN,))
    second = next(move.after for move in moves(changing, unknown) if move.kind is Kind.TURN_BACK)
    assert (second.direction, second.step, second.acts) == (Direction.BACK, 1, ())
    fresh = state_of(changing)
    assert next(m.after for m in moves(changing, fresh) if m.kind is Kind.TURN_BACK).direction is Direction.ROLLED_BACK


@pytest.mark.parametrize(
    ("installed", "cluster", "others", "legal"),
    [
        ("3.4.23", (3, 3), "3.3.25", True),
        ("3.5.16", (3, 3), "3.3.25", False),
        ("3.3.25", (3, 4), "3.4.23", False),
        ("3.4.23", (3, 4), "3.4.23", True),
        ("3.4.23", (3, 3), "3.2.32", False),
        ("3.3.25", (3, 3), "3.2.32", True),
    ],
)
def test_which_starts_are_legal(changing: Case, installed: str, cluster: tuple[int, int], others: str, *, legal: bool) -> None:
    before = state_of(
        changing, installed=(installed, others, others), running=(None, others, None), cluster=cluster, leader=None
    )
    assert start_legal(changing, before, 0) is legal


def test_phases_are_turned_back_alone() -> None:
    """In the second phase nothing of the first is undone."""
    alone = [Phase(id=node, title="", reason="", steps=(change(node, HOP),)) for node in ("m0", "m1")]
    made = plan(members(3, "3.3.25"), [], cluster="3.3.0").model_copy(update={"phases": tuple(alone)})
    case = case_of(made)
    begun = state_of(case, step=1, installed=("3.4.23", "3.3.25", "3.3.25"), running=("3.4.23", "3.3.25", "3.3.25"))
    back = next(move.after for move in moves(case, begun) if move.kind is Kind.TURN_BACK)
    assert (back.direction, back.step) == (Direction.ROLLED_BACK, 1)


def test_an_undo_is_not_issued_while_another_member_is_down(changing: Case) -> None:
    assert Check.MEMBERS_HEALTHY in UNDO
    down = state_of(
        changing, direction=Direction.BACK, running=("3.4.23", None, "3.3.25"), fault=Fault(FaultKind.PROCESS, "m1")
    )
    assert Kind.ISSUE not in kinds(changing, down)
    itself = state_of(changing, direction=Direction.BACK, leader=1, running=(None, "3.3.25", "3.3.25"))
    assert kinds(changing, itself)[Kind.ISSUE] == 1


def test_the_oracle_shares_nothing_with_the_prover_but_the_models() -> None:
    """What both would import could be wrong in both."""
    own = {path.stem for path in ORACLE.glob("*.py")}
    assert "oracle_moves" in own
    for path in ORACLE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = [name for name in found if name.split(".")[0] in {"kubedeb", "pkgbuild", "repo", "upgrade_plans"}]
            models = ("plan", "state", "stackplan", "upgrade", "upgradekinds", "nodesets")
            allowed = {f"upgrade_plans.models.{name}" for name in models} | {"kubedeb.versions"}
            assert set(ours) <= allowed, path
