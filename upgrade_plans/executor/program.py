"""Where a run is in its plan, and where it goes from there: the program of docs/semantics.md, with no world in it."""

from __future__ import annotations

from dataclasses import dataclass

from upgrade_plans.models.plan import ACTS, Act, Block, Check, Phase, Plan, Step
from upgrade_plans.models.state import Direction


@dataclass(frozen=True)
class Position:
    """The program counter: `step` indexes the plan's steps (their number when done), `act` the step's acts."""

    direction: Direction = Direction.FORWARD
    step: int = 0
    act: int = 0


@dataclass(frozen=True)
class Task:
    """One act of a step in one direction: `from_` and `to` are swapped for the way back, `pre` is then the undo's."""

    position: Position
    step: Step
    act: Act
    from_: str
    to: str
    pre: tuple[Check, ...]
    post: tuple[Check, ...]
    last: bool

    @property
    def back(self) -> bool:
        """Return whether this takes the step back."""
        return self.position.direction is Direction.BACK


def task(plan: Plan, position: Position) -> Task:
    """Return what is done at `position`, which must not be a finished one."""
    step = plan.steps[position.step]
    acts = ACTS[step.kind]
    act, last = acts[position.act], position.act == len(acts) - 1
    if position.direction is Direction.BACK and step.undo is not None:
        return Task(position, step, act, step.to, step.undo.to, step.undo.pre, step.undo.pre, last)
    return Task(position, step, act, step.from_, step.to, step.pre, step.post, last)


def finished(plan: Plan, position: Position) -> bool:
    """Return whether nothing is left to do: the end of the plan, or rolled back."""
    return position.direction is Direction.ROLLED_BACK or (
        position.direction is Direction.FORWARD and position.step >= len(plan.steps)
    )


def advance(plan: Plan, position: Position) -> Position:
    """Return the position after the act at `position` is done on all its nodes."""
    if position.act + 1 < len(ACTS[plan.steps[position.step].kind]):
        return Position(position.direction, position.step, position.act + 1)
    if position.direction is Direction.FORWARD:
        return Position(Direction.FORWARD, position.step + 1, 0)
    return _back(plan, position.step, position.step)


def begun(plan: Plan, position: Position, *, idle: bool) -> tuple[Step, ...]:
    """Return the begun steps of the current phase, in their order; none when the plan is done."""
    if position.step >= len(plan.steps):
        return ()
    _, first = phase_at(plan, position.step)
    end = position.step + (position.act > 0 or not idle)
    return plan.steps[first:end]


def blocks(plan: Plan, position: Position, *, idle: bool) -> tuple[tuple[Step, Block], ...]:
    """Return what blocks the way back from `position`; nothing when it is open."""
    return tuple((step, block) for step in begun(plan, position, idle=idle) for block in step.blocks)


def turn_back(plan: Plan, position: Position, *, idle: bool) -> Position:
    """Return where the way back begins. The caller has asked `blocks` before."""
    return _back(plan, position.step, position.step + (position.act > 0 or not idle))


def phase_at(plan: Plan, index: int) -> tuple[Phase, int]:
    """Return the phase of a step, and the index of its first step."""
    found = [(phase, number) for phase, number, _ in plan.numbered()]
    phase = found[index][0]
    return phase, min(number for other, number in found if other is phase)


def _back(plan: Plan, current: int, end: int) -> Position:
    """Return the highest step of the current step's phase below `end` that can be taken back, else rolled back."""
    _, first = phase_at(plan, current)
    for index in range(end - 1, first - 1, -1):
        if plan.steps[index].undo is not None:
            return Position(Direction.BACK, index, 0)
    return Position(Direction.ROLLED_BACK, first, 0)
