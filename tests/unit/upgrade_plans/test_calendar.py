"""Windows of the cluster file: when steps may begin, and what that makes of a plan's time."""

from __future__ import annotations

from typing import Any

import pytest

import referencecase
from byhand import mission
from kubedeb.knowledge import load
from upgrade_plans import clusterfile, factsfile
from upgrade_plans.commands.targets import pair
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.constraints import Window
from upgrade_plans.models.upgrade import Upgrade
from upgrade_plans.models.upgradekinds import StepKind
from upgrade_plans.planner.calendar import Calendar, calendar, ends
from upgrade_plans.planner.estimate import estimate
from upgrade_plans.planner.whole import Request, make_upgrade
from upgrade_plans.upgradetree import upgrade_tree

HOUR, DAY = 3600, 24 * 3600
BASE = referencecase.CASES / "clusters"
TARGET = ["kubernetes=1.10.13", "etcd=3.1.12", "storage=etcd3", "calico=3.1.7", "helm=2.9.1"]


def windows(*rows: dict[str, Any]) -> tuple[Window, ...]:
    return tuple(Window.model_validate(row) for row in rows)


def of(*rows: dict[str, Any]) -> Calendar | None:
    return calendar(mission().model_copy(update={"windows": windows(*rows)}))


def reference(rows: tuple[Window, ...] | None = None) -> Upgrade:
    facts, cluster = factsfile.load(BASE / "dc-a.facts.json"), clusterfile.load(BASE / "dc-a.yaml")
    if rows is not None:
        tree = cluster.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        tree["constraints"]["windows"] = [row.model_dump(mode="json", by_alias=True) for row in rows]
        cluster = Cluster.model_validate(tree)
    plan = make_upgrade(facts, cluster, Request(dict(map(pair, TARGET))), load())
    assert isinstance(plan, Upgrade), plan
    return plan


def test_no_window_or_all_week_long_is_any_time() -> None:
    assert of() is None
    assert of({}) is None
    assert of({"days": ["mon", "tue", "wed", "thu"]}, {"days": ["fri", "sat", "sun"]}) is None


def test_windows_that_touch_are_one_and_the_run_begins_as_the_first_opens() -> None:
    night = of(
        {"days": ["tue"], "from": "22:00", "until": "24:00"}, {"days": ["wed"], "from": "00:00", "until": "02:00"},
        {"days": ["fri"], "from": "08:00", "until": "12:00"}, {"days": ["fri"], "from": "10:00", "until": "16:00"},
    )  # fmt: skip
    assert night is not None
    assert night.spans == ((0, 4 * HOUR), (2 * DAY + 10 * HOUR, 2 * DAY + 18 * HOUR))


@pytest.mark.parametrize(
    ("now", "begins"),
    [(0, 0), (8 * HOUR - 1, 8 * HOUR - 1), (8 * HOUR, DAY), (DAY, DAY), (DAY + 9 * HOUR, 7 * DAY), (7 * DAY + 60, 7 * DAY + 60),
     (7 * DAY + 10 * HOUR, 8 * DAY)],
)  # fmt: skip
def test_a_step_waits_for_the_next_window(now: float, begins: float) -> None:
    here = of({"days": ["mon", "tue"], "from": "08:00", "until": "16:00"})
    assert here is not None
    waiting = sorted(here.waiting)[0]
    assert here.begins(waiting, now) == begins
    assert here.begins("what has begun", now) == now


def test_what_has_begun_does_not_wait() -> None:
    plan = reference()
    here = calendar(plan)
    assert here is not None
    ids = [step.id for step in plan.steps]
    free = set(ids) - here.waiting
    assert {step.id for step in plan.steps if step.kind is StepKind.SOAK} <= free
    inside = ids[ids.index("storage-etcd3-outage") + 1 : ids.index("storage-etcd3-managers-start") + 1]
    assert set(inside) <= free
    assert {"etcd-2.3.8-drill", "etcd-2.3.8-hop"} <= free
    assert {"apiservers-1.8.15-change-a-master2", "apiservers-1.8.15-repool-a-master2"} <= free
    assert {"storage-etcd3-outage", "etcd-2.3.8-backup", "workers-1.9.11-pass-batch-2", "calico-3.1.7-open"} & here.waiting == {
        "storage-etcd3-outage", "etcd-2.3.8-backup", "workers-1.9.11-pass-batch-2"
    }  # fmt: skip


def test_silences_holds_and_freezes_say_when_they_are_over() -> None:
    plan = reference()
    over = dict(zip((step.id for step in plan.steps), ends(plan, slow=True), strict=True))
    longest = {step.id: step.longest for step in plan.steps if step.longest is not None}
    assert set(longest) == {"prepare-hold-config", "prepare-silence", "storage-etcd3-freeze", "calico-3.1.7-freeze"}
    for begin, end in (("prepare-silence", "closing-unsilence"), ("calico-3.1.7-freeze", "calico-3.1.7-unfreeze")):
        assert 0 <= (longest[begin] or 0) - (over[end] - over[begin]) < HOUR
    kinds = {StepKind.SILENCE, StepKind.HOLD_CONFIG, StepKind.FREEZE, StepKind.DEPOOL_DC}
    assert {step.kind for step in plan.steps if step.longest is None} & kinds == set()
    tree = "\n".join(upgrade_tree(plan, estimate(plan.steps, runs=20)))
    assert "prepare-silence  silence  [undo: End the silences]  (5 s, over after " in tree


def test_a_plan_takes_as_long_as_its_windows_let_it() -> None:
    night, always = windows({"days": ["sun"], "from": "01:00", "until": "05:00"}), reference(())
    plan = reference(night)
    assert plan.windows == night
    free, bound = (estimate(one.steps, runs=50, calendar=calendar(one)) for one in (always, plan))
    # Soaks of a day each end on a Monday; then it is six days more to the next Sunday.
    soaks = sum(step.kind is StepKind.SOAK and step.duration.p50 == DAY for step in plan.steps)
    assert soaks > 5
    assert bound.p50 >= (soaks - 1) * 7 * DAY
    assert free.p50 < 10 * DAY
    assert ends(always)[-1] == pytest.approx(sum(step.duration.p50 for step in always.steps))
    for step in plan.steps:
        begins = bound.begins[step.id][0] % (7 * DAY)
        assert begins < 4 * HOUR or step.id not in calendar(plan).waiting  # type: ignore[union-attr]
    assert "waits for the cluster file's windows" in "\n".join(upgrade_tree(plan, bound))
    assert "windows" not in "\n".join(list(upgrade_tree(always, free))[:4])
