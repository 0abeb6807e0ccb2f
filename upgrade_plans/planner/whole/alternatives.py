"""Other plans for the same target along the front between risk and time, each with its price."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from upgrade_plans.models.upgrade import Alternative, Upgrade
from upgrade_plans.models.upgradekinds import Mode, StepKind
from upgrade_plans.planner.calendar import calendar, ends
from upgrade_plans.planner.estimate import FEW, estimate
from upgrade_plans.planner.reasons import RefusedError
from upgrade_plans.planner.whole.wishes import Request

MODES = {
    Mode.USUAL: ("usual", "as the cluster file asks for"),
    Mode.FAST: ("fast", "--fast: batches grow twice as quickly, no soak between them, a quarter of the other soaks"),
    Mode.CAREFUL: (
        "careful",
        "--careful: smaller batches, soaks twice as long, points of no return late, workers on the lowest minor that costs no "
        "drain",
    ),
}


def priced(name: str, what: str, plan: Upgrade) -> Alternative:
    """Return what a plan costs."""
    time = estimate(plan.steps, runs=FEW, calendar=calendar(plan))
    return Alternative(name=name, what=what, drains=plan.drains, risk=plan.risk, p50=round(time.p50), p95=round(time.p95),
                       exposed=round(past_no_return(plan)))  # fmt: skip


def past_no_return(plan: Upgrade) -> float:
    """Return how long a plan goes on (p50, seconds) after the first step that blocks a way back."""
    steps = list(plan.steps)
    first = next((number for number, step in enumerate(steps) if step.blocks), len(steps))
    over = ends(plan)
    return over[-1] - over[first] if first < len(steps) else 0.0


def alternatives(plan: Upgrade, request: Request, make: Callable[[Request], Upgrade]) -> tuple[Alternative, ...]:
    """Return the price of the other modes and of tighter and looser limits; those that have no plan are left out."""
    found = []
    for name, what, other in _others(plan, request):
        try:
            found.append(priced(name, what, make(other)))
        except RefusedError:
            continue
    return tuple(found)


def _others(plan: Upgrade, request: Request) -> Iterator[tuple[str, str, Request]]:
    for mode, (name, what) in MODES.items():
        if mode is not request.mode:
            yield name, what, replace(request, mode=mode)
    passes = [step for step in plan.steps if step.kind is StepKind.WORKERS]
    window = max((step.window for step in passes), default=0)
    if window > 1:
        yield "one-at-a-time", "--max-unavailable 1", replace(request, limits={**request.limits, "total": "1"})
    if window:
        per_row = max((step.per_row for step in passes if step.per_row is not None), default=None)
        limits = {"total": str(2 * window)} | ({"row": str(2 * per_row)} if per_row is not None else {})
        said = " ".join(f"--max-{'unavailable' if name == 'total' else 'per-row'} {text}" for name, text in limits.items())
        yield "twice-as-many", said, replace(request, limits={**request.limits, **limits})
