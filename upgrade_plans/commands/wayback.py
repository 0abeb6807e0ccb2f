"""`kubedeb plan show PLAN --rollback-from STEP`: the way back, known before anything is done."""

from __future__ import annotations

from pathlib import Path

import click

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.output import print_json
from upgrade_plans.commands.steps import find_step


def print_way_back(plan_file: Path, step: str | None, to: str | None, *, as_json: bool) -> None:
    """Print what is undone from the end of a step back to the rest before a phase, and what stands in the way."""
    from upgrade_plans import upgradefile
    from upgrade_plans.rollback import points_of_no_return, rollback_from
    from upgrade_plans.rollbackview import way_text, way_values

    if step is None:
        raise KubedebError("--to says how far to go back: it needs --rollback-from STEP", code=ExitCode.USAGE)
    if not upgradefile.is_whole(plan_file):
        raise KubedebError(
            "--rollback-from is for the plan of a whole stack", code=ExitCode.PLAN,
            hint="In a plan of etcd alone each phase is turned back as one: kubedeb plan explain PLAN STEP.",
        )  # fmt: skip
    plan = upgradefile.load(plan_file)
    phases = {phase.id for phase in plan.phases}
    for one in points_of_no_return(plan):
        if one.state not in phases:
            raise KubedebError(
                f"{one.step} blocks the state before {one.state!r}, and the plan has no such phase", code=ExitCode.PLAN,
                hint="kubedeb prove PLAN says all that is wrong with a plan written by hand.",
            )  # fmt: skip
    find_step({one.id: one for one in plan.steps}, step)
    try:
        way = rollback_from(plan, step, to)
    except KeyError as error:
        raise KubedebError(
            f"the plan has no phase up to that step {str(error.args[0])!r}", code=ExitCode.USAGE,
            details=f"It has {', '.join(phase.id for phase in plan.phases)}.", hint="kubedeb plan show PLAN prints them.",
        ) from error  # fmt: skip
    if as_json:
        print_json(way_values(way))
        return
    for line in way_text(way):
        click.echo(line)
