"""The plan of a fleet: turns in their order, what one cluster tries for another, and what forbids it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import byhand
import referencecase
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from upgrade_plans import fleetplan, upgradefile
from upgrade_plans.canonical import digest
from upgrade_plans.models.fleet import Fleet
from upgrade_plans.models.fleetplan import FleetPlan
from upgrade_plans.models.upgrade import Inputs, Upgrade

CASES = {str(case["name"]): case["plan"] for case in byhand.cases()}
PLAIN, LED = "Kubernetes alone is proven", "users are led away and back"
Turns = dict[str, Upgrade]


def named(name: str, cluster: str) -> Upgrade:
    plan: Upgrade = CASES[name].model_copy(update={"cluster": cluster})
    return plan


def fleet(*, depool: bool = True, **more: dict[str, Any]) -> Fleet:
    clusters = {"try": {"file": "t.yaml", "stage": "staging", "soak": "24h"}, "a": {"file": "a.yaml", "stage": "production",
                "depool": depool, "soak": "72h"}, "b": {"file": "b.yaml", "stage": "production", "depool": depool}}  # fmt: skip
    return Fleet.model_validate({"name": "two", "clusters": {**clusters, **more}})


@cache
def plans() -> Turns:
    return {"try": named(PLAIN, "try"), "a": named(LED, "a"), "b": named(LED, "b")}


def made(turns: Turns | None = None, **more: Any) -> FleetPlan:
    return fleetplan.make(fleet(**more), {}, turns or plans(), lambda name: f"{name}.json")


def test_turns_stand_in_the_order_of_the_file_with_what_lies_between() -> None:
    turns = made().turns
    assert [(one.cluster, one.depool, one.soak) for one in turns] == [
        ("try", False, 86_400),
        ("a", True, 259_200),
        ("b", True, 86_400),
    ]
    assert [one.sha256 for one in turns] == [digest(plan) for plan in plans().values()]
    assert all(0 < one.duration.p50 <= one.duration.p95 for one in turns)
    assert made().findings == ()
    assert list(fleetplan.broken(made(), plans())) == []


def test_moves_that_staging_does_not_try_are_told() -> None:
    moved = plans()["a"].phases[0].model_copy(update={"group": "apiservers", "from_": "1.8.15", "to": "1.9.11"})
    turns = {**plans(), "a": plans()["a"].model_copy(update={"phases": (moved, *plans()["a"].phases[1:])})}
    tried = {**turns, "try": turns["a"].model_copy(update={"cluster": "try"})}
    other = {**turns, "try": turns["try"].model_copy(update={"phases": (moved.model_copy(update={"to": "1.9.9"}),)})}
    assert made(tried).findings == ()
    assert made(other).findings == ("a makes moves that no staging cluster tries: apiservers 1.8.15 → 1.9.11",)


def test_a_fleet_without_staging_or_without_another_cluster_is_told() -> None:
    alone = Fleet.model_validate({"name": "one", "clusters": {"a": {"file": "a.yaml", "stage": "production", "depool": True}}})
    assert fleetplan.make(alone, {}, {"a": plans()["a"]}, lambda name: f"{name}.json").findings == (
        "no staging cluster goes first: nothing was tried before production",
        "users of a are to be led away, and the fleet has no other production cluster",
    )


def swapped(plan: FleetPlan) -> FleetPlan:
    return plan.model_copy(update={"turns": (*plan.turns[1:], plan.turns[0])})


def twice(plan: FleetPlan) -> FleetPlan:
    return plan.model_copy(update={"turns": (*plan.turns, plan.turns[0])})


def at_once(plan: FleetPlan) -> FleetPlan:
    turns = [turn.model_copy(update={"soak": 0}) for turn in plan.turns]
    return plan.model_copy(update={"turns": tuple(turns)})


@pytest.mark.parametrize(
    ("change", "says"), [(swapped, "staging comes after production"), (twice, "has two turns"), (at_once, "begins at once")]
)  # fmt: skip
def test_an_order_that_is_none_is_refused(change: Callable[[FleetPlan], FleetPlan], says: str) -> None:
    assert any(says in what for _, what in fleetplan.broken(change(made()), plans()))


INPUTS = Inputs(facts="", cluster_file="", knowledge="0" * 64, procedures="")


@pytest.mark.parametrize(
    ("update", "says"),
    [({"drains": 7}, "is not the plan that the fleet's was made with"), ({"target": {"etcd": "3.5.16"}}, "another target"),
     ({"inputs": INPUTS}, "other rules")],
)  # fmt: skip
def test_a_plan_that_was_changed_is_refused(update: dict[str, Any], says: str) -> None:
    turns = {**plans(), "b": plans()["b"].model_copy(update=update)}
    assert any(name == "b" and says in what for name, what in fleetplan.broken(made(), turns))


@pytest.mark.parametrize("name", [PLAIN, "users are led away and never back"])
def test_users_that_are_not_led_away_in_time_are_told(name: str) -> None:
    turns = {**plans(), "b": named(name, "b")}
    assert [what for _, what in fleetplan.broken(made(turns), turns)] == [
        "users are to be led away, and its plan disturbs them before that or leads them back too early"
    ]
    assert list(fleetplan.broken(made(turns, depool=False), turns)) == []


FLEET = """name: one
clusters:
  modern: {{file: {base}/modern.yaml, facts: {base}/modern.facts.json, stage: staging, soak: 1h}}
"""


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "fleet.yaml", tmp_path / "plans"
    file.write_text(FLEET.format(base=referencecase.CASES / "clusters"))
    assert run(["fleet", "plan", str(file), "--to", "kubernetes=1.32.4", "-o", str(out)]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "modern" in said
    assert "once" in said
    assert run(["fleet", "prove", str(out / "fleet.json")]) == ExitCode.DONE
    assert "PROVEN: 1 turns" in capsys.readouterr().out
    plan = upgradefile.load(out / "modern.json")
    upgradefile.save(out / "modern.json", plan.model_copy(update={"drains": 9}))
    assert run(["fleet", "prove", str(out / "fleet.json"), "--json"]) == ExitCode.REFUSED
    assert json.loads(capsys.readouterr().out)["proven"] is False
    assert run(["fleet", "plan", str(file), "--to", "kubernetes=1.30.0", "-o", str(tmp_path / "none")]) == ExitCode.NO_PLAN
    assert "would go down" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_cluster_without_facts_has_no_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "fleet.yaml"
    text = FLEET.format(base=referencecase.CASES / "clusters")
    file.write_text(text.replace(f" facts: {referencecase.CASES}/clusters/modern.facts.json,", ""))
    assert run(["fleet", "plan", str(file), "--to", "kubernetes=1.32.4", "-o", str(tmp_path / "p")]) == ExitCode.CLUSTER
    assert "modern has no facts" in capsys.readouterr().err


@pytest.mark.long
def test_the_two_data_centres(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    goals = ["kubernetes=1.10.13", "etcd=3.1.12", "storage=etcd3", "calico=3.1.7", "helm=2.9.1"]
    to = [word for goal in goals for word in ("--to", goal)]
    assert run(["fleet", "plan", str(referencecase.CASES / "fleets/two-dc.yaml"), *to, "-o", str(tmp_path)]) == ExitCode.DONE
    assert "warn" not in capsys.readouterr().out
    assert run(["fleet", "prove", str(tmp_path / "fleet.json")]) == ExitCode.DONE
