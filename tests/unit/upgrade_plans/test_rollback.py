"""The way back from a step of a whole stack's plan: what is undone, what that costs, what stands in the way."""

from __future__ import annotations

import pytest

from byhand import mission
from upgrade_plans.rollback import lossy, points_of_no_return, rollback_from
from upgrade_plans.rollbackview import no_return_text, way_text, way_values


def test_what_is_undone_stands_in_the_order_of_the_way_back() -> None:
    way = rollback_from(mission(), "pass-1", "workers-1.9")
    assert way.reachable
    assert [one.step for one in way.undone] == ["pass-1", "pass-1-canary"]
    assert [one.to for one in way.undone] == ["1.7.16", "1.7.16"]
    assert "From the end of pass-1 back to before workers-1.9: 2 steps are undone, in about 120 s" in list(way_text(way))


def test_a_block_stands_in_the_way_and_says_what_brings_the_state_back() -> None:
    way = rollback_from(mission(), "server-1.10-m2", "servers-1.8")
    assert [(one.step, one.state, one.backup) for one in way.blocked] == [
        ("server-1.9-m1", "servers-1.8", None), ("calico-complete", "calico-3.1", "b-calico"),
        ("server-1.10-m1", "servers-1.9", None),
    ]  # fmt: skip
    assert way.reaches == "servers-1.10"
    assert [one.step for one in way.undone] == ["server-1.10-m2", "server-1.10-m1"]
    said = "\n".join(way_text(way))
    assert "NO WAY BACK to before servers-1.8" in said
    assert "brings it back: the backup of b-calico, at that loss" in said
    assert "brings it back: nothing" in said
    assert not way_values(way)["reachable"]


def test_a_block_that_is_still_to_come_does_not_count() -> None:
    before = rollback_from(mission(), "repool-42", "servers-1.9")
    assert [one.step for one in before.undone] == ["server-1.9-m1"]
    assert rollback_from(mission(), "tillers-2.8", "servers-1.8").reachable


def test_inside_the_phase_that_a_block_names_nothing_can_be_undone() -> None:
    way = rollback_from(mission(), "hop-2.3")
    assert (way.to, way.reaches, way.undone) == ("ready", None, ())
    assert "Nothing can be undone." in list(way_text(way))


def test_every_point_of_no_return_is_listed() -> None:
    plan = mission()
    assert [one.step for one in points_of_no_return(plan)] == [step.id for step in plan.steps for _ in step.blocks]
    assert list(lossy(plan)) == []
    assert next(iter(no_return_text(plan))) == f"points of no return: {sum(len(step.blocks) for step in plan.steps)}"


@pytest.mark.parametrize(("step", "to"), [("no-such-step", None), ("hop-2.3", "no-such-phase"), ("hop-2.3", "workers-1.9")])
def test_what_is_not_there_or_lies_ahead_is_no_way_back(step: str, to: str | None) -> None:
    with pytest.raises(KeyError):
        rollback_from(mission(), step, to)
