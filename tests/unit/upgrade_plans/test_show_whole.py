"""`kubedeb plan show` and `plan explain` of a whole stack's plan: the tree, one step, and the values behind them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

import bench
from byhand import mission
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from kubedeb.knowledge import load as load_knowledge
from upgrade_plans import upgradefile
from upgrade_plans.models.plan import Duration
from upgrade_plans.models.upgrade import Block, Change, Line, Step, Undo, Upgrade
from upgrade_plans.models.upgradekinds import StepKind, When
from upgrade_plans.planner.estimate import estimate
from upgrade_plans.stepview import explain, rules_of
from upgrade_plans.upgradetree import units, upgrade_tree, upgrade_values, way_back
from upgrade_plans.whypasses import why_not_fewer


def step_of(plan: Upgrade, name: str) -> Step:
    return next(step for step in plan.steps if step.id == name)


@pytest.fixture
def plan_file(tmp_path: Path) -> str:
    path = tmp_path / "plan.json"
    upgradefile.save(path, mission())
    return str(path)


def test_every_phase_and_step_stands_in_the_tree_with_its_reason() -> None:
    plan = mission()
    lines = list(upgrade_tree(plan, estimate(plan.steps, runs=20)))
    for number, phase in enumerate(plan.phases, 1):
        assert sum(line.startswith(f"{number}. {phase.id}: ") for line in lines) == 1
    drawn = [line for line in lines if line[:2] in ("├─", "└─")]
    assert [line.split()[1] for line in drawn] == [step.id for step in plan.steps]
    assert sum(line[0] == "└" for line in drawn) == len(plan.phases)
    reasons = [line.removeprefix("│ ").strip() for before, line in pairwise(lines) if before in drawn]
    assert reasons == [step.reason for step in plan.steps]


def test_the_way_back_column_names_what_is_out_of_reach() -> None:
    plan = mission()
    assert way_back(step_of(plan, "server-1.10-m1")) == "NO WAY BACK to before servers-1.9"
    assert way_back(step_of(plan, "pass-1")) == "undo: back to 1.7.16"
    plain = step_of(plan, "drill-7").model_copy(update={"undo": Undo(how="Put it back.", loss="what was written")})
    assert way_back(plain) == "undo, at a loss: Put it back"
    assert way_back(plain.model_copy(update={"undo": None})) == "nothing to undo"


def test_what_a_step_takes_is_said_in_short() -> None:
    plan = mission()
    said = [units(plan, step_of(plan, name)) for name in ("hop-2.3", "pass-1", "pass-1-canary", "tillers-2.8", "b-2.3")]
    assert said == ["e1, e2, e3", "7 workers", "1 worker", "2 Tillers", ""]


def test_outages_and_points_of_no_return_end_the_tree() -> None:
    plan = mission()
    text = "\n".join(upgrade_tree(plan, estimate(plan.steps, runs=20)))
    stops = [step for step in plan.steps if step.outage]
    assert stops
    assert f"\noutages: {len(stops)}\n  {stops[0].id} to " in text
    assert f"\npoints of no return: {sum(len(step.blocks) for step in plan.steps)}\n" in text


def test_a_plan_without_phases_says_so() -> None:
    empty = mission().model_copy(update={"phases": ()})
    assert list(upgrade_tree(empty, estimate(())))[1:] == ["nothing to do: everything runs the target"]


def test_nobody_watches_longer_than_was_said() -> None:
    soak = step_of(mission(), "pass-1").model_copy(update={"kind": StepKind.SOAK, "duration": Duration(p50=86_400, p95=86_400)})
    made = estimate([soak], runs=2_000)
    assert (made.p50, made.p95) == (86_400, 86_400)
    assert set(made.ends.values()) == {(86_400, 86_400)}


def test_a_step_is_explained_with_whom_it_takes_and_what_it_waits_for() -> None:
    plan = mission()
    said = list(explain(plan, step_of(plan, "pass-1"), load_knowledge(), estimate(plan.steps, runs=20)))
    assert "  of row a, 3: wa (3 of 4: w[1-4])" in said
    assert "  of row b, 4: wb (4 of 4: w[5-8])" in said
    assert "    how: " + (step_of(plan, "pass-1").undo or Undo(how="")).how in said
    hop = list(explain(plan, step_of(plan, "hop-2.3"), load_knowledge(), estimate(plan.steps, runs=20)))
    assert "  on: e1, e2, e3" in hop
    before = plan.phases[0].steps[-1].id
    assert f"  not earlier: a phase begins when the one before is at rest, after {before}" in hop


def test_a_pass_is_explained_by_the_api_servers_that_it_makes_way_for_or_waits_for() -> None:
    plan, knowledge = mission(), load_knowledge()
    first, second = step_of(plan, "pass-1"), step_of(plan, "pass-2")
    server = "kubelets of 1.7.16 may not be beside API servers of 1.10.13 (server-1.10-m1) [kubelet-skew-old]"
    assert why_not_fewer(plan, first, knowledge) == server
    waits = "at pass-1 API servers were 1.9.11, and kubelets of 1.10.13 may not be beside them [kubelet-skew-old]"
    assert why_not_fewer(plan, second, knowledge) == waits
    assert why_not_fewer(plan, step_of(plan, "hop-2.3"), knowledge) == ""
    assert f"  not fewer passes: {server}" in list(explain(plan, first, knowledge, estimate(plan.steps, runs=20)))


def test_a_pass_that_no_row_asks_for_is_not_explained_away() -> None:
    plan = mission()
    phases = tuple(phase for phase in plan.phases if phase.id != "servers-1.10")
    shorter = plan.model_copy(update={"phases": phases})
    assert why_not_fewer(shorter, step_of(shorter, "pass-1"), load_knowledge()) == ""
    odd = step_of(plan, "pass-1").model_copy(update={"from_": "old"})
    steps = tuple(odd if step.id == odd.id else step for step in plan.phases[9].steps)
    written = plan.model_copy(update={"phases": (plan.phases[9].model_copy(update={"steps": steps}), *plan.phases[10:])})
    assert why_not_fewer(written, odd, load_knowledge()) == ""


def test_changes_stand_as_a_patch_and_their_rules_count() -> None:
    change = Change(
        component="kubelet", nodes="w[1-4]", file="/etc/default/kubelet", when=When.WITH, reason="gone",
        lines=(Line(setting="--old-flag", old="1"), Line(setting="--new-flag", new="2")), rules=("kubelet-1.8-swap",),
    )  # fmt: skip
    plan = mission().model_copy(update={"changes": {"one": change}})
    step = step_of(plan, "pass-1").model_copy(update={"changes": ("one",), "rules": (), "findings": ("no-such-rule",)})
    plan = plan.model_copy(update={"phases": tuple(
        phase.model_copy(update={"steps": tuple(step if old.id == step.id else old for old in phase.steps)})
        for phase in plan.phases
    )})  # fmt: skip
    assert rules_of(plan, step) == ("kubelet-1.8-swap", "no-such-rule")
    said = list(explain(plan, step, load_knowledge(), estimate(plan.steps, runs=20)))
    assert said[(at := said.index("    ---old-flag=1")) : at + 2] == ["    ---old-flag=1", "    +--new-flag=2"]
    assert any(line.startswith("  rule kubelet-1.8-swap (forbid, verbatim): ") for line in said)
    assert "  warned of by no-such-rule: not in this version's knowledge" in said


def test_the_values_are_the_plan_and_what_follows_from_it() -> None:
    plan = mission()
    made = estimate(plan.steps, runs=20)
    values = upgrade_values(plan, made)
    assert Upgrade.model_validate(values["plan"]) == plan
    assert values["seconds"]["ends"].keys() == {step.id for step in plan.steps}
    assert values["blocking"] == [step.id for step in plan.steps if step.blocks]
    assert [one["step"] for one in values["outages"]] == [step.id for step in plan.steps if step.outage]


def test_show_and_explain_take_both_formats(plan_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "show", plan_file]) == ExitCode.DONE
    assert "points of no return: " in capsys.readouterr().out
    assert run(["plan", "show", plan_file, "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["plan"]["format"] == 2
    assert run(["plan", "explain", plan_file, "pass-1"]) == ExitCode.DONE
    assert capsys.readouterr().out.startswith("pass-1: workers of ")
    assert run(["plan", "explain", plan_file, "pass-1", "--json"]) == ExitCode.DONE
    shown = json.loads(capsys.readouterr().out)
    assert (shown["phase"], [group["id"] for group in shown["workers"]]) == ("workers-1.9", ["wa", "wb"])
    assert run(["plan", "explain", plan_file, "pas-1"]) == ExitCode.USAGE
    assert "did you mean 'pass-1'?" in capsys.readouterr().err


def test_runs_of_etcd_teach_the_times_of_a_whole_plan(
    plan_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stand = bench.bench(tmp_path)
    stand.go(stand.begin())
    seconds = []
    for runs in (tmp_path / "nowhere", tmp_path / "runs"):
        assert run(["plan", "show", plan_file, "--journal", str(runs), "--json"]) == ExitCode.DONE
        seconds.append(json.loads(capsys.readouterr().out)["seconds"])
    assert seconds[0]["learned"] == 0 < seconds[1]["learned"]
    assert seconds[1]["p50"] != seconds[0]["p50"]
    assert run(["plan", "show", plan_file, "--journal", str(tmp_path / "runs")]) == ExitCode.DONE
    assert f"of etcd from {seconds[1]['learned']} steps of earlier runs" in capsys.readouterr().out
    page = tmp_path / "report.html"
    assert run(["plan", "report", plan_file, "-o", str(page), "--journal", str(tmp_path / "runs")]) == ExitCode.DONE
    assert f"of etcd from {seconds[1]['learned']} steps of earlier runs" in page.read_text()
    assert f'id="p50"><data value="{seconds[1]["p50"]}"' in page.read_text()


def test_the_way_back_past_a_block_that_names_no_phase_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = mission()
    last = plan.phases[-1]
    block = Block(state="no-such-phase", by="a slip of the pen", loss="nothing")
    step = last.steps[-1].model_copy(update={"blocks": (block,)})
    phases = (*plan.phases[:-1], last.model_copy(update={"steps": (*last.steps[:-1], step)}))
    upgradefile.save(tmp_path / "plan.json", plan.model_copy(update={"phases": phases}))
    assert run(["plan", "show", str(tmp_path / "plan.json"), "--rollback-from", "pass-1"]) == ExitCode.PLAN
    assert f"{step.id} blocks the state before 'no-such-phase'" in capsys.readouterr().err
