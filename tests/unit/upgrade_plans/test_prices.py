"""What plans cost: passes over the workers that need not be, and other plans for the same target."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

import byhand
import referencecase
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from kubedeb.knowledge import load
from upgrade_plans import clusterfile, factsfile, upgradefile
from upgrade_plans.commands.targets import pair
from upgrade_plans.models.upgrade import Alternative, Upgrade
from upgrade_plans.models.upgradekinds import Mode, StepKind
from upgrade_plans.passprice import passes, price
from upgrade_plans.planner.estimate import FEW, estimate
from upgrade_plans.planner.whole import Request, make_upgrade
from upgrade_plans.planner.whole.alternatives import past_no_return
from upgrade_plans.prover.whole import prove_whole
from upgrade_plans.reportpage import page
from upgrade_plans.reportrows import report
from upgrade_plans.upgradetree import prices, upgrade_tree

BASE = referencecase.CASES / "clusters"
THREE = "a hand plan with three worker passes is legal"
GOALS = dict(map(pair, ["kubernetes=1.32.4"]))


def hand_plan(name: str) -> Upgrade:
    plan: Upgrade = next(case["plan"] for case in byhand.cases() if case["name"] == name)
    return plan


def made(mode: Mode = Mode.USUAL, *, priced: bool = False, **limits: str) -> Upgrade:
    facts, cluster = factsfile.load(BASE / "modern.facts.json"), clusterfile.load(BASE / "modern.yaml")
    plan = make_upgrade(facts, cluster, Request(GOALS, mode, limits), load(), with_alternatives=priced)
    assert isinstance(plan, Upgrade), plan
    return plan


@cache
def priced() -> Upgrade:
    return made(priced=True)


def test_two_passes_cost_nothing_beyond() -> None:
    assert passes(byhand.mission()) == 2
    assert price(byhand.mission(), load()) is None


def test_a_third_pass_is_accepted_and_priced() -> None:
    plan = hand_plan(THREE)
    assert prove_whole(plan, load()).proven
    cost = price(plan, load())
    assert cost is not None
    assert (passes(plan), cost.made, cost.enough, cost.beyond) == (3, 3, 2, ("1.8.15",))
    phase = next(phase for phase in plan.phases if any(step.id == "pass-0" for step in phase.steps))
    assert cost.seconds == sum(step.duration.p50 for step in phase.steps)
    head = list(upgrade_tree(plan, estimate(plan.steps, runs=20), cost))[1:3]
    assert head[0].endswith("each worker is emptied 3 times")
    assert head[1] == "  twice is enough by the rows of skew: the pass to 1.8.15 costs 60 s, and a drain of every worker"


def test_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    upgradefile.save(tmp_path / "p.json", hand_plan(THREE))
    assert run(["plan", "show", str(tmp_path / "p.json"), "--json"]) == ExitCode.DONE
    said = json.loads(capsys.readouterr().out)["passes"]
    assert said == {"made": 3, "beyond": {"made": 3, "enough": 2, "seconds": 60, "beyond": ["1.8.15"]}}


def test_a_pass_over_a_part_of_the_workers_is_none_of_its_own() -> None:
    """The canary and the rest are one pass."""
    plan = byhand.mission()
    taken = [step for step in plan.steps if step.kind is StepKind.WORKERS]
    assert (len(taken), passes(plan)) == (4, 2)


def test_of_a_plan_without_kubernetes_nothing_is_said() -> None:
    plan = byhand.mission().model_copy(update={"workers": (), "hosts": ()})
    assert (passes(plan), price(plan, load())) == (0, None)


def named(plan: Upgrade, name: str) -> Alternative:
    return next(one for one in plan.alternatives if one.name == name)


def test_each_alternative_costs_what_its_plan_costs() -> None:
    assert [one.name for one in priced().alternatives] == ["fast", "careful", "one-at-a-time", "twice-as-many"]
    window = max(step.window for step in priced().steps if step.kind is StepKind.WORKERS)
    rows = max(step.per_row or 0 for step in priced().steps if step.kind is StepKind.WORKERS)
    limits = {"total": str(2 * window)} | ({"row": str(2 * rows)} if rows else {})
    for name, plan in (
        ("fast", made(Mode.FAST)), ("careful", made(Mode.CAREFUL)), ("one-at-a-time", made(total="1")),
        ("twice-as-many", made(**limits)),
    ):  # fmt: skip
        time = estimate(plan.steps, runs=FEW)
        one = named(priced(), name)
        assert (one.drains, one.risk, one.p50, one.p95) == (plan.drains, plan.risk, round(time.p50), round(time.p95))
        assert one.exposed == round(past_no_return(plan))


def test_they_lie_along_the_front_between_risk_and_time() -> None:
    mine = estimate(priced().steps, runs=FEW).p50
    assert named(priced(), "fast").p50 < mine < named(priced(), "careful").p50
    assert named(priced(), "twice-as-many").p50 <= mine <= named(priced(), "one-at-a-time").p50


def test_time_past_no_return_begins_after_the_first_block() -> None:
    plan = byhand.mission()
    ids = [step.id for step in plan.steps]
    assert past_no_return(plan) == sum(step.duration.p50 for step in plan.steps[ids.index("hop-2.3") + 1 :])
    assert past_no_return(hand_plan("Kubernetes alone is proven")) == 0


def test_the_tree_ends_with_the_prices_or_says_how_to_get_them() -> None:
    lines = list(upgrade_tree(priced(), estimate(priced().steps, runs=20)))
    listed = lines[lines.index("alternatives (median, 95 of 100; after the first point of no return):") + 1 :]
    assert [line.split(":")[0].strip() for line in listed[:2]] == ["this-plan", "fast"]
    assert len(listed) == 5
    assert list(upgrade_tree(made(), estimate(made().steps, runs=20)))[-1].startswith("alternatives: not priced")


@pytest.mark.parametrize("mode", [Mode.FAST, Mode.CAREFUL])
def test_the_other_modes_are_proven_too(mode: Mode) -> None:
    assert prove_whole(made(mode), load()).proven


def test_fast_is_proven_on_the_reference_cluster() -> None:
    facts, cluster = factsfile.load(BASE / "staging.facts.json"), clusterfile.load(BASE / "staging.yaml")
    goals = ["kubernetes=1.10.13", "etcd=3.1.12", "storage=etcd3", "calico=3.1.7", "helm=2.9.1"]
    plan = make_upgrade(facts, cluster, Request(dict(map(pair, goals)), Mode.FAST), load())
    assert isinstance(plan, Upgrade)
    assert plan.drains == 2
    assert prove_whole(plan, load()).proven


def test_the_page_names_the_same_prices() -> None:
    time = estimate(priced().steps, runs=20)
    text = page(report(priced(), time))
    rows = re.findall(r'<tr data-plan="([^"]+)">.*?<td class="n"><data value="([^"]+)">', text)
    assert rows == [("this-plan", str(time.p50)), *((one.name, str(one.p50)) for one in prices(priced(), time)[1:])]
    assert len(rows) == 5
    assert "Not priced" in page(report(made(), estimate(made().steps, runs=20)))
