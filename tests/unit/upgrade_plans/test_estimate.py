"""How long plans take: priors with sources, what earlier runs teach, and the plan drawn many times."""

from __future__ import annotations

from pathlib import Path

import pytest

import bench
import referencecase
from kubedeb.knowledge import load
from upgrade_plans import clusterfile, factsfile
from upgrade_plans.commands.targets import pair
from upgrade_plans.executor.learning import observed
from upgrade_plans.models.plan import Duration, Step, StepKind
from upgrade_plans.models.upgrade import Upgrade
from upgrade_plans.planner.durations import learned, prior, priors, whole_with_learned
from upgrade_plans.planner.estimate import estimate
from upgrade_plans.planner.whole import Request, make_upgrade


def step(name: str, p50: float, p95: float, *requires: str) -> Step:
    return Step.model_validate({
        "id": name, "kind": "change", "nodes": ("m0",), "from": "3.3.25", "to": "3.4.23", "reason": "a case",
        "requires": requires, "duration": {"p50": p50, "p95": p95},
    })  # fmt: skip


def test_every_kind_has_a_prior_with_a_source() -> None:
    assert set(priors()) == set(StepKind)
    assert all(row.source and row.p50 < row.p95 for row in priors().values())


def test_backups_grow_with_the_database() -> None:
    small, large = prior(StepKind.BACKUP, 0), prior(StepKind.BACKUP, 1_000_000_000)
    assert (small.p50, large.p50, large.p95) == (2, 22, 75)


def test_an_estimate_is_the_sum_of_what_is_done_one_after_the_other() -> None:
    made = estimate([step("a", 10, 10), step("b", 20, 20, "a"), step("c", 5, 5)], runs=200)
    assert made.p50 == pytest.approx(35)
    assert made.ends["b"][0] == pytest.approx(30)


def test_an_estimate_of_a_graph_is_its_longest_way() -> None:
    made = estimate([step("a", 10, 10), step("b", 20, 20), step("c", 5, 5, "a", "b")], runs=200, parallel=True)
    assert made.p50 == pytest.approx(25)


def test_the_p95_of_many_steps_is_less_than_the_sum_of_theirs_and_more_than_the_p50() -> None:
    steps = [step(f"s{number}", 10, 40) for number in range(20)]
    made = estimate(steps)
    assert 20 * 10 < made.p50 < made.p95 < 20 * 40
    assert made == estimate(steps)


def test_nothing_takes_no_time() -> None:
    assert estimate([]).p50 == 0


@pytest.mark.parametrize(
    ("times", "expected"),
    [([], Duration(p50=6, p95=40)), ([16.0] * 5, Duration(p50=11, p95=28)), ([0.5] * 995, Duration(p50=0.5, p95=0.7))],
)
def test_observations_outweigh_the_prior_as_they_become_many(times: list[float], expected: Duration) -> None:
    assert learned(Duration(p50=6, p95=40), times) == expected


def test_what_runs_of_etcd_showed_counts_in_the_plan_of_a_whole_stack() -> None:
    plan = whole("dc-a", "kubernetes=1.8.15", "etcd=3.1.12", "storage=etcd3", "calico=3.1.7")
    many = {StepKind.CHANGE: 25.0, StepKind.BACKUP: 3.0, StepKind.DRILL: 4.0}
    seen = {kind: [seconds] * 995 for kind, seconds in many.items()} | {StepKind.AWAIT_VERSION: [50.0] * 5}
    steps, used = whole_with_learned(plan.steps, seen)
    before = {step.id: step.duration for step in plan.steps}
    after = {step.id: step.duration for step in steps}
    # Three members, each as long as was seen; five observations weigh as much as the prior.
    assert after["etcd-2.3.8-hop"].p50 == pytest.approx(3 * 25, abs=1)
    assert (before["etcd-2.3.8-await"].p50, after["etcd-2.3.8-await"].p50) == (5, 27.5)
    # No run saved a v2 store, or copied data directories.
    assert after["etcd-2.3.8-backup"] == before["etcd-2.3.8-backup"]
    assert after["etcd-2.3.8-drill"] == before["etcd-2.3.8-drill"]
    changed = {step.id for step in steps if step.duration != before[step.id]}
    assert {step.component for step in steps if step.id in changed} == {"etcd"}
    assert used == 995 + 5
    assert whole_with_learned(plan.steps, {}) == (plan.steps, 0)
    modern = {step.id: step.duration for step in whole_with_learned(whole("modern", "kubernetes=1.32.4").steps, seen)[0]}
    assert modern["apiservers-1.32.4-backup"].p50 == pytest.approx(3, abs=0.2)
    assert modern["apiservers-1.32.4-drill"].p50 == pytest.approx(4, abs=0.5)


def whole(base: str, *target: str) -> Upgrade:
    folder = referencecase.CASES / "clusters"
    facts, cluster = factsfile.load(folder / f"{base}.facts.json"), clusterfile.load(folder / f"{base}.yaml")
    plan = make_upgrade(facts, cluster, Request(dict(map(pair, target))), load())
    assert isinstance(plan, Upgrade), plan
    return plan


def test_a_run_teaches_how_long_its_steps_took(tmp_path: Path) -> None:
    stand = bench.bench(tmp_path)
    stand.go(stand.begin())
    found = observed(tmp_path / "runs")
    assert len(found[StepKind.CHANGE]) == 3
    assert all(seconds >= 0 for times in found.values() for seconds in times)
    assert observed(tmp_path / "nowhere") == {}
