"""What a person reads when a run stops: what failed, what runs where, how to go on and how to go back."""

from __future__ import annotations

from kubedeb.errors import ExitCode, KubedebError
from upgrade_plans.adapters.protocols import World
from upgrade_plans.executor import program
from upgrade_plans.executor.journal import Journal
from upgrade_plans.executor.readings import MemberReading, read_members
from upgrade_plans.models.plan import Plan
from upgrade_plans.models.state import Direction


def stopped(world: World, plan: Plan, journal: Journal, error: KubedebError) -> KubedebError:
    """Return the error (STOPPED) for a run that `error` stopped; the members are read once more for it."""
    run = journal.run()
    step = plan.steps[min(run.position.step, len(plan.steps) - 1)]
    members = read_members(world, [member.node for member in plan.members])
    details = [f"run {run.id}, step {step.id}: {error.brief}", *error.details.splitlines(), "what runs where:",
               *(f"  {said(reading)}" for reading in members.values())]  # fmt: skip
    ways = [error.hint] if error.hint else []
    ways += [f"Mend it, then go on:  kubedeb resume {run.id}", way_back(plan, journal)]
    return KubedebError("the run stopped", details="\n".join(details), hint="\n".join(ways), code=ExitCode.STOPPED)


def said(reading: MemberReading) -> str:
    """Return one member's reading as a line."""
    if reading.running is None:
        return f"{reading.node}: no answer"
    health = "healthy" if reading.healthy else "not healthy"
    leads = ", leader" if reading.leads else ""
    return f"{reading.node}: {reading.running}, cluster version {reading.cluster_version}, {health}{leads}"


def way_back(plan: Plan, journal: Journal) -> str:
    """Return the line that says whether and how a run can be taken back."""
    run = journal.run()
    if run.position.direction is not Direction.FORWARD:
        return "It is on its way back already: resume goes on with that."
    blocking = blocked(plan, journal)
    if blocking:
        return "No way back: " + "; ".join(blocking)
    return f"Or go back to where this hop began:  kubedeb rollback {run.id}"


def blocked(plan: Plan, journal: Journal) -> list[str]:
    """Return what blocks the way back, a line each."""
    position = journal.run().position
    idle = not journal.acts(position)
    if position.step >= len(plan.steps):
        last = plan.phases[-1].steps if plan.phases else ()
        found = [(step, block) for step in last for block in step.blocks]
    else:
        found = list(program.blocks(plan, position, idle=idle))
    return [f"{step.id} made {block.state} unreachable: {block.by} (loss: {block.loss})" for step, block in found]
