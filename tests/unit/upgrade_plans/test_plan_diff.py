"""`kubedeb plan diff`: what is added, removed, moved and edited, and what that costs."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byhand import mission
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from upgrade_plans import upgradefile
from upgrade_plans.models.upgrade import Phase, Upgrade
from upgrade_plans.plandiff import Difference, both, compare, parts, short
from upgrade_plans.plandifftext import difference_text
from upgrade_plans.planner.estimate import estimate


def without(plan: Upgrade, name: str) -> Upgrade:
    return with_phases(plan, [phase for phase in plan.phases if phase.id != name])


def with_phases(plan: Upgrade, phases: list[Phase]) -> Upgrade:
    return plan.model_copy(update={"phases": tuple(phases)})


def found(old: Upgrade, new: Upgrade) -> Difference:
    return compare(old, new, (estimate(old.steps, runs=20), estimate(new.steps, runs=20)))


def things(names: list[str]) -> dict[str, dict[str, Any]]:
    return {name: {"id": name} for name in names}


NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(NAMES, NAMES)
def test_what_is_neither_added_removed_nor_moved_keeps_its_order(old: list[str], new: list[str]) -> None:
    made = parts(things(old), things(new))
    assert set(made.added) == set(new) - set(old)
    assert set(made.removed) == set(old) - set(new)
    kept = [old.index(name) for name in new if name in old and name not in made.moved]
    assert all(before < after for before, after in pairwise(kept))
    back = parts(things(new), things(old))
    assert (back.added, back.removed, len(back.moved)) == (made.removed, made.added, len(made.moved))
    assert parts(things(old), things(old)).same


def test_the_fewest_are_said_to_be_moved() -> None:
    made = parts(things(list("abcde")), things(list("bcdae")))
    assert made.moved == {"a": ("", "d")}


def test_equal_plans_say_the_same() -> None:
    made = found(mission(), mission())
    assert made.same
    assert all(cost.old == cost.new for cost in made.costs)
    assert list(difference_text(mission(), mission(), made)) == ["the plans say the same"]


def test_a_phase_that_is_left_out_takes_its_steps_and_its_price_with_it() -> None:
    plan = mission()
    phase = next(phase for phase in plan.phases if phase.id == "workers-1.9")
    made = found(plan, without(plan, "workers-1.9"))
    assert made.phases.removed == ("workers-1.9",)
    assert made.steps.removed == tuple(step.id for step in phase.steps)
    assert not made.steps.added
    assert not made.steps.moved
    costs = {cost.what: cost.new - cost.old for cost in made.costs}
    assert (costs["phases"], costs["steps"], costs["workers emptied in all"]) == (-1, -len(phase.steps), -8)
    assert costs["half of all runs take"] < 0


def test_a_phase_in_another_place_is_moved_and_its_steps_go_with_it() -> None:
    plan = mission()
    phases = list(plan.phases)
    place = next(number for number, phase in enumerate(phases) if phase.id == "calico-2.6")
    phases.insert(place + 2, phases.pop(place))
    made = found(plan, with_phases(plan, phases))
    assert made.phases.moved == {"calico-2.6": ("workers-1.9", phases[place + 1].id)}
    assert made.steps.same
    assert not made.same


def test_a_step_in_another_phase_is_moved() -> None:
    plan = mission()
    phases = list(plan.phases)
    first, second = phases[-2], phases[-1]
    phases[-2:] = [
        first.model_copy(update={"steps": first.steps[:-1]}),
        second.model_copy(update={"steps": (first.steps[-1], *second.steps)}),
    ]
    made = found(plan, with_phases(plan, phases))
    assert list(made.steps.moved) == [first.steps[-1].id]


def test_fields_and_what_was_asked_are_compared() -> None:
    plan = mission()
    phase = plan.phases[-1]
    steps = (phase.steps[0].model_copy(update={"reason": "another one"}), *phase.steps[1:])
    other = with_phases(plan, [*plan.phases[:-1], phase.model_copy(update={"steps": steps})])
    other = other.model_copy(update={"target": {**plan.target, "helm": "2.16.1"}, "workers": plan.workers[:1], "changes": {}})
    made = found(plan, other)
    assert [(edit.field, edit.new) for edit in made.steps.edited[steps[0].id]] == [("reason", "another one")]
    said = "\n".join(difference_text(plan, other, made))
    assert f"  ~ {steps[0].id}\n      reason: " in said
    assert f"target.helm: {plan.target.get('helm', 'nothing')} → 2.16.1" in said
    assert "workers: 1 only in the old plan, 0 only in the new one" in said
    assert f"changes: {len(plan.changes)} removed" in said
    assert "    --- " in said


def test_long_values_are_cut() -> None:
    assert [short(value, 5) for value in (None, "text", "longer", ["a"])] == ["noth…", "text", "long…", '["a"]']


def test_long_texts_are_cut_where_they_still_show_what_differs() -> None:
    alike = "one of many words " * 6
    old, new = both(f"{alike}before", f"{alike}after").split(" → ")
    assert old.endswith("before")
    assert new.endswith("after")
    assert max(len(old), len(new)) <= 80
    assert both(None, "x" * 90) == f"nothing → {'x' * 79}…"


def test_the_command_prints_text_and_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    upgradefile.save(old, mission())
    upgradefile.save(new, without(mission(), "helm-2.9"))
    assert run(["plan", "diff", str(old), str(new)]) == ExitCode.DONE
    assert "phases: 1 removed\n  - helm-2.9: " in capsys.readouterr().out
    assert run(["plan", "diff", str(old), str(new), "--json"]) == ExitCode.DONE
    values = json.loads(capsys.readouterr().out)
    assert (values["same"], values["phases"]["removed"]) == (False, ["helm-2.9"])
    old.write_text('{"format": 1}')
    assert run(["plan", "diff", str(old), str(new)]) == ExitCode.PLAN
    assert "is a plan of etcd alone" in capsys.readouterr().err
