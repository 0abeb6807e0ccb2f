"""How long what a plan begins may last at most: silences, held configuration, freezes, users led away (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from upgrade_plans.models.upgrade import Step, Upgrade
from upgrade_plans.models.upgradekinds import StepKind
from upgrade_plans.planner.calendar import ends

ENDED_BY: Mapping[StepKind, StepKind] = {
    StepKind.SILENCE: StepKind.UNSILENCE, StepKind.HOLD_CONFIG: StepKind.RELEASE_CONFIG, StepKind.FREEZE: StepKind.UNFREEZE,
    StepKind.DEPOOL_DC: StepKind.REPOOL_DC,
}  # fmt: skip
HOUR = 3600


def bounded(plan: Upgrade) -> Upgrade:
    """Return a plan in which each step that begins such a thing says when it is over: in whole hours, if every step is slow."""
    steps, over = plan.steps, ends(plan, slow=True)
    found: dict[str, int] = {}
    for place, step in enumerate(steps):
        kind = ENDED_BY.get(step.kind)
        last = next((number for number in range(place, len(steps)) if steps[number].kind is kind), None)
        if kind is not None and last is not None:
            found[step.id] = max(1, ceil((over[last] - over[place]) / HOUR)) * HOUR
    return plan.model_copy(update={"phases": tuple(
        phase.model_copy(update={"steps": tuple(_with(step, found) for step in phase.steps)}) for phase in plan.phases
    )})  # fmt: skip


def _with(step: Step, longest: Mapping[str, int]) -> Step:
    return step.model_copy(update={"longest": longest[step.id]}) if step.id in longest else step
