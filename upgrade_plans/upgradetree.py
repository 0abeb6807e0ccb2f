"""A whole stack's plan as a tree for people, and as JSON values: steps, reasons, the time, the way back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from kubedeb.output import counted
from upgrade_plans.models.upgrade import Alternative, Phase, Step, Upgrade
from upgrade_plans.passprice import PassPrice, passes
from upgrade_plans.planner.estimate import Estimate
from upgrade_plans.planner.whole.alternatives import past_no_return
from upgrade_plans.render import NO_RETURN
from upgrade_plans.rollback import points_of_no_return
from upgrade_plans.rollbackview import no_return_text
from upgrade_plans.upgradetext import heading, included, long, times, too_many

NOTHING = "nothing to undo"
FEW = 4
"""So many hosts of a step are named in the tree."""


def upgrade_tree(plan: Upgrade, made: Estimate, price: PassPrice | None = None) -> Iterator[str]:
    """Yield a plan as a tree: phases, steps with reason and way back, when each phase ends; then outages, no returns, prices.

    `price`: what passes over the workers cost that need not be.
    """
    yield from heading(plan)
    yield from too_many(price)
    if not plan.phases:
        return
    yield eta(plan, made)
    for number, phase in enumerate(plan.phases, 1):
        yield ""
        yield from _phase(number, phase, plan, made)
    yield ""
    yield from outages_text(plan)
    yield from no_return_text(plan)
    yield from _alternatives(plan, made)


def eta(plan: Upgrade, made: Estimate) -> str:
    """Return the line about the time that a plan takes."""
    return (
        f"ETA: {long(made.p50)} in half of all runs, {long(made.p95)} or less in 95 of 100 ({sources(made)}; {included(plan)})"
    )


def sources(made: Estimate) -> str:
    """Return where a plan's times come from."""
    runs = f", and of etcd from {counted(made.learned, 'step')} of earlier runs" if made.learned else ""
    return f"from the priors{runs}"


def outages_text(plan: Upgrade) -> Iterator[str]:
    """Yield the declared stops: where each begins and ends, how long it is at most, and what does not serve."""
    found = [step for step in plan.steps if step.outage]
    yield f"outages: {len(found) or 'none'}"
    for step in found:
        if step.outage:
            yield f"  {step.id} to {step.outage.until}, at most {long(step.outage.longest)}: {', '.join(step.outage.scope)}"


def way_back(step: Step) -> str:
    """Return what the rollback column says of a step."""
    if step.blocks:
        return f"{NO_RETURN} to before {', '.join(dict.fromkeys(block.state for block in step.blocks))}"
    if step.undo is None:
        return NOTHING
    lossy = ", at a loss" if step.undo.loss else ""
    return f"undo{lossy}: back to {step.undo.to}" if step.undo.to else f"undo{lossy}: {step.undo.how.rstrip('.')}"


def units(plan: Upgrade, step: Step) -> str:
    """Return in short what a step takes: a few hosts by name, workers and Tillers by number; empty: nothing of its own."""
    workers = {group.id for group in plan.workers}
    tillers = {group.id for group in plan.tillers}
    hosts = [name for name in step.takes if name not in workers | tillers]
    said = [", ".join(hosts)] if 0 < len(hosts) <= FEW else [f"{len(hosts)} hosts"] if hosts else []
    for what, groups in (("worker", workers), ("Tiller", tillers)):
        if count := sum(number for name, number in step.takes.items() if name in groups):
            said.append(f"{count} {what}{'s' if count > 1 else ''}")
    return ", ".join(said)


def _phase(number: int, phase: Phase, plan: Upgrade, made: Estimate) -> Iterator[str]:
    ends = made.ends.get(phase.steps[-1].id) if phase.steps else None
    when = f" (ends {long(ends[0])} after the begin, {long(ends[1])} at most in 95 of 100)" if ends else ""
    yield f"{number}. {phase.id}: {phase.title}{when}"
    yield f"│  {phase.reason}"
    for step in phase.steps:
        last = step is phase.steps[-1]
        on = units(plan, step)
        yield f"{'└─' if last else '├─'} {step.id}  {step.kind}{f' on {on}' if on else ''}  [{way_back(step)}]{_more(step)}"
        yield f"{'  ' if last else '│ '}    {step.reason}"


def _more(step: Step) -> str:
    said = [] if step.duration.p95 <= 0 else [long(step.duration.p50)]
    if step.outage:
        said.append(f"OUTAGE of at most {long(step.outage.longest)}")
    if step.longest is not None:
        said.append(f"over after {long(step.longest)} at most")
    if step.max_backup_age is not None:
        said.append(f"backup at most {long(step.max_backup_age)} old")
    return f"  ({', '.join(said)})" if said else ""


def prices(plan: Upgrade, made: Estimate) -> tuple[Alternative, ...]:
    """Return the price of this plan, then of others for the same target, cheapest in drains first, then in time."""
    mine = Alternative(name="this-plan", what="", drains=passes(plan), risk=plan.risk, p50=made.p50, p95=made.p95,
                       exposed=past_no_return(plan))  # fmt: skip
    return mine, *sorted(plan.alternatives, key=lambda one: (one.drains, one.p50))


def _alternatives(plan: Upgrade, made: Estimate) -> Iterator[str]:
    """Yield what this plan and others cost."""
    if not plan.alternatives:
        yield "alternatives: not priced (kubedeb plan make … --alternatives does)"
        return
    yield "alternatives (median, 95 of 100; after the first point of no return):"
    for one in prices(plan, made):
        price = f"{long(one.p50)}, {long(one.p95)}; {long(one.exposed)}; each worker is emptied {times(one.drains)}"
        yield f"  {one.name}: {price}, {counted(one.risk, 'warning')}" + (f"; {one.what}" if one.what else "")


def upgrade_values(plan: Upgrade, made: Estimate, price: PassPrice | None = None) -> dict[str, Any]:
    """Return a plan with its times and its points of no return as JSON values; times in seconds from the begin."""
    return {
        "plan": plan.model_dump(mode="json", by_alias=True),
        "seconds": made.values(),
        "blocking": [step.id for step in plan.steps if step.blocks],
        "no_return": list(points_of_no_return(plan)),
        "passes": {"made": passes(plan), "beyond": None if price is None else asdict(price)},
        "outages": [
            {"step": step.id, **step.outage.model_dump(mode="json")} for step in plan.steps if step.outage
        ],
    }  # fmt: skip
