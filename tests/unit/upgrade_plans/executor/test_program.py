"""The program counter of docs/semantics.md, on a plan of two hops."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench import Bench
from upgrade_plans.executor import program
from upgrade_plans.executor.program import Position
from upgrade_plans.models.plan import Act, Plan
from upgrade_plans.models.state import Direction

BACK, FORWARD, ROLLED_BACK = Direction.BACK, Direction.FORWARD, Direction.ROLLED_BACK


@pytest.fixture
def plan(make: Callable[..., Bench]) -> Plan:
    return make(start="3.3.25").plan


def at(plan: Plan, step: str, act: int = 0, direction: Direction = FORWARD) -> Position:
    return Position(direction, [step.id for step in plan.steps].index(step), act)


def test_forward_goes_through_every_act_once(plan: Plan) -> None:
    position, seen = Position(), []
    while not program.finished(plan, position):
        task = program.task(plan, position)
        seen.append((task.step.id, task.act))
        position = program.advance(plan, position)
    assert len(seen) == len(set(seen)) == len(plan.steps) + sum(act is Act.RESTART for _, act in seen)
    assert position == Position(FORWARD, len(plan.steps), 0)


WAYS = [
    ("download-3.4.23", 0, True, (ROLLED_BACK, "download-3.4.23")),
    ("3.4-backup", 0, True, (ROLLED_BACK, "3.4-backup")),
    ("3.4-change-etcd2", 0, True, (ROLLED_BACK, "3.4-backup")),
    ("3.4-change-etcd2", 0, False, (BACK, "3.4-change-etcd2")),
    ("3.4-change-etcd2", 1, True, (BACK, "3.4-change-etcd2")),
    ("3.4-change-etcd3", 0, True, (BACK, "3.4-change-etcd2")),
    ("3.4-change-etcd1", 0, True, (BACK, "3.4-change-etcd3")),
    ("3.5-backup", 0, True, (ROLLED_BACK, "3.5-backup")),
    ("3.5-backup", 0, False, (ROLLED_BACK, "3.5-backup")),
]


@pytest.mark.parametrize(("step", "act", "idle", "target"), WAYS)
def test_turn_back(plan: Plan, step: str, act: int, idle: bool, target: tuple[Direction, str]) -> None:
    position = at(plan, step, act)
    assert program.blocks(plan, position, idle=idle) == ()
    assert program.turn_back(plan, position, idle=idle) == at(plan, target[1], 0, target[0])


@pytest.mark.parametrize(
    ("step", "act", "idle"), [("3.4-change-etcd1", 0, False), ("3.4-change-etcd1", 1, True), ("3.4-await", 0, True)]
)
def test_blocked_once_the_last_member_is_begun(plan: Plan, step: str, act: int, idle: bool) -> None:
    assert [step.id for step, _ in program.blocks(plan, at(plan, step, act), idle=idle)] == ["3.4-change-etcd1"]


def test_the_way_back_takes_the_steps_in_reverse(plan: Plan) -> None:
    position, seen = at(plan, "3.4-change-etcd3", 0, BACK), []
    while not program.finished(plan, position):
        task = program.task(plan, position)
        seen.append((task.step.id, task.act, task.from_, task.to))
        position = program.advance(plan, position)
    assert seen == [
        ("3.4-change-etcd3", Act.INSTALL, "3.4.23", "3.3.25"), ("3.4-change-etcd3", Act.RESTART, "3.4.23", "3.3.25"),
        ("3.4-change-etcd2", Act.INSTALL, "3.4.23", "3.3.25"), ("3.4-change-etcd2", Act.RESTART, "3.4.23", "3.3.25"),
    ]  # fmt: skip
    assert position == at(plan, "3.4-backup", 0, ROLLED_BACK)
