"""`kubedeb plan`."""

from __future__ import annotations

from pathlib import Path

import click

from kubedeb.output import json_option, print_json
from upgrade_plans.commands.makeplan import make
from upgrade_plans.commands.outline import outline
from upgrade_plans.commands.showwhole import explain_whole, show_whole
from upgrade_plans.commands.steps import find_step
from upgrade_plans.commands.times import journal_option
from upgrade_plans.commands.wayback import print_way_back
from upgrade_plans.commands.wholeplans import diff, report

PATH = click.Path(path_type=Path)


@click.group()
def plan() -> None:
    """Make, show, explain and compare upgrade plans."""


plan.add_command(make)
plan.add_command(outline)
plan.add_command(diff)
plan.add_command(report)


@plan.command()
@click.argument("plan_file", metavar="PLAN", type=PATH)
@journal_option
@click.option("--rollback-from", "back_from", metavar="STEP", help="Print the way back from the end of this step instead.")
@click.option("--to", "back_to", metavar="PHASE", help="With --rollback-from: to the rest before this phase, not to the start.")
@json_option
def show(plan_file: Path, runs: Path | None, back_from: str | None, back_to: str | None, *, as_json: bool) -> None:
    """Print a plan as a tree: the reason of each step, its way back, the points of no return, the time it takes.

    The time comes from the plan drawn many times, with stragglers; where earlier runs are found, from what their steps took.
    """
    if back_from is not None or back_to is not None:
        print_way_back(plan_file, back_from, back_to, as_json=as_json)
        return
    from kubedeb.config import path_setting
    from upgrade_plans import upgradefile
    from upgrade_plans.executor.learning import observed
    from upgrade_plans.models.plan import Plan
    from upgrade_plans.planner.durations import with_learned
    from upgrade_plans.planner.estimate import estimate
    from upgrade_plans.render import eta, plan_tree

    read = upgradefile.load_any(plan_file)
    if not isinstance(read, Plan):
        show_whole(read, runs, as_json=as_json)
        return
    known = observed(runs if runs is not None else path_setting("state") / "runs")
    made = estimate(with_learned(read.steps, known))
    if as_json:
        blocking = [step.id for step in read.steps if step.blocks]
        print_json({"plan": read.model_dump(mode="json", by_alias=True), "seconds": made.values(), "blocking": blocking})
        return
    for line in plan_tree(read):
        click.echo(line)
    if read.steps:
        click.echo()
        click.echo(eta(made.p50, made.p95, sum(map(len, known.values()))))


@plan.command()
@click.argument("plan_file", metavar="PLAN", type=PATH)
@click.argument("step_id", metavar="STEP")
@journal_option
@json_option
def explain(plan_file: Path, step_id: str, runs: Path | None, *, as_json: bool) -> None:
    """Print everything about one step: why, what is asked before and after, its way back, the rules that shaped it."""
    from kubedeb.knowledge import load as load_knowledge
    from upgrade_plans import upgradefile
    from upgrade_plans.models.plan import Plan
    from upgrade_plans.render import explain_step

    read = upgradefile.load_any(plan_file)
    if not isinstance(read, Plan):
        explain_whole(read, step_id, runs, as_json=as_json)
        return
    step = find_step({one.id: one for one in read.steps}, step_id)
    knowledge = load_knowledge()
    if as_json:
        rules = [knowledge.by_id[rule].model_dump(mode="json", by_alias=True) for rule in step.rules if rule in knowledge.by_id]
        print_json({"step": step.model_dump(mode="json", by_alias=True), "rules": rules})
        return
    for line in explain_step(read, step, knowledge):
        click.echo(line)
