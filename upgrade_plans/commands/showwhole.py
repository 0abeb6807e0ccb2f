"""`kubedeb plan show` and `plan explain` of a whole stack's plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubedeb.output import print_json
from upgrade_plans.commands.steps import find_step
from upgrade_plans.commands.times import estimated

if TYPE_CHECKING:
    from upgrade_plans.models.upgrade import Upgrade


def show_whole(plan: Upgrade, runs: Path | None, *, as_json: bool) -> None:
    """Print the plan as a tree, with its outages and points of no return."""
    from kubedeb.knowledge import load as load_knowledge
    from upgrade_plans.passprice import price
    from upgrade_plans.upgradetree import upgrade_tree, upgrade_values

    made, beyond = estimated(plan, runs), price(plan, load_knowledge())
    if as_json:
        print_json(upgrade_values(plan, made, beyond))
        return
    for line in upgrade_tree(plan, made, beyond):
        click.echo(line)


def explain_whole(plan: Upgrade, step_id: str, runs: Path | None, *, as_json: bool) -> None:
    """Print everything about one step."""
    from kubedeb.knowledge import load as load_knowledge
    from upgrade_plans.stepview import explain, explain_values

    step = find_step({one.id: one for one in plan.steps}, step_id)
    knowledge = load_knowledge()
    if as_json:
        print_json(explain_values(plan, step, knowledge))
        return
    for line in explain(plan, step, knowledge, estimated(plan, runs)):
        click.echo(line)
