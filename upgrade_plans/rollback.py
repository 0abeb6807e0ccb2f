"""The way back from a step of a whole stack's plan, known beforehand: what is undone, what that costs, what blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from upgrade_plans.models.upgrade import Block, Step, Upgrade


@dataclass(frozen=True)
class Undone:
    """A step that is taken back: how, to which version, what it asks for first, and what is lost by it."""

    step: str
    how: str
    to: str | None
    asks: tuple[str, ...]
    loss: str
    seconds: float


@dataclass(frozen=True)
class Blocked:
    """What stands in the way: the step that blocks, the state out of reach, through what, at what loss, and the backup."""

    step: str
    state: str
    by: str
    loss: str
    backup: str | None


@dataclass(frozen=True)
class WayBack:
    """The way back from the end of `step` to the rest before phase `to`.

    `undone` leads there, or, where `blocked` says why not, to the rest before phase `reaches` (None: nothing can be undone).
    """

    step: str
    to: str
    reaches: str | None
    undone: tuple[Undone, ...]
    blocked: tuple[Blocked, ...]

    @property
    def reachable(self) -> bool:
        """Say whether the state that was asked for can be reached without a backup."""
        return not self.blocked

    @property
    def losses(self) -> tuple[str, ...]:
        """Return what is lost on the way, each once."""
        return tuple(dict.fromkeys(one.loss for one in self.undone if one.loss))


def rollback_from(plan: Upgrade, step: str, to: str | None = None) -> WayBack:
    """Return the way back from the end of a step to the rest before a phase (None: the plan's start). Raises `KeyError`."""
    phases = [phase.id for phase in plan.phases]
    goal = phases[0] if to is None else to
    here = _phase_of(plan, step)
    if goal not in phases or phases.index(goal) > here:
        raise KeyError(goal)
    before = list(_until(plan, step))
    blocked = tuple(
        _blocked(one, block) for one in before for block in one.blocks if phases.index(block.state) >= phases.index(goal)
    )
    lowest = max((phases.index(block.state) + 1 for one in before for block in one.blocks), default=0)
    lowest = max(lowest, phases.index(goal))
    if lowest > here:
        return WayBack(step, goal, None, (), blocked)
    first = sum(len(phase.steps) for phase in plan.phases[:lowest])
    undone = tuple(
        Undone(one.id, one.undo.how, one.undo.to, tuple(one.undo.pre), one.undo.loss, one.duration.p50)
        for one in reversed(before[first:]) if one.undo is not None
    )  # fmt: skip
    return WayBack(step, goal, phases[lowest], undone, blocked)


def points_of_no_return(plan: Upgrade) -> Iterator[Blocked]:
    """Yield every block of a plan, in its order: what each puts out of reach, and what brings it back."""
    for step in plan.steps:
        for block in step.blocks:
            yield _blocked(step, block)


def lossy(plan: Upgrade) -> Iterator[tuple[str, str]]:
    """Yield the steps whose undo costs something, and what."""
    for step in plan.steps:
        if step.undo is not None and step.undo.loss:
            yield step.id, step.undo.loss


def _blocked(step: Step, block: Block) -> Blocked:
    return Blocked(step.id, block.state, block.by, block.loss, block.backup)


def _phase_of(plan: Upgrade, step: str) -> int:
    for number, phase in enumerate(plan.phases):
        if any(one.id == step for one in phase.steps):
            return number
    raise KeyError(step)


def _until(plan: Upgrade, step: str) -> Iterator[Step]:
    for one in plan.steps:
        yield one
        if one.id == step:
            return
