"""`kubedeb plan`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.output import json_option, print_json
from upgrade_plans.commands.outline import outline
from upgrade_plans.commands.wayback import print_way_back

if TYPE_CHECKING:
    from upgrade_plans.models.plan import Plan, Step
    from upgrade_plans.planner import NoPlan

PATH = click.Path(path_type=Path)


@click.group()
def plan() -> None:
    """Make, show and explain upgrade plans."""


plan.add_command(outline)


def _target(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    target: dict[str, str] = {}
    for value in values:
        component, sign, version = value.partition("=")
        if not (sign and component and version):
            raise click.BadParameter(f"{value!r} is not COMPONENT=VERSION, as in etcd=3.5.16")
        if component in target:
            raise click.BadParameter(f"{component} is there twice")
        target[component] = version
    return target


@plan.command()
@click.argument("cluster_file", metavar="CLUSTER.yaml", type=PATH)
@click.option("--facts", "facts_file", required=True, type=PATH, help="What `kubedeb inspect` read of the cluster.")
@click.option("--to", "target", required=True, multiple=True, callback=_target, metavar="COMPONENT=VERSION",
              help="The target, as in etcd=3.5.16.")  # fmt: skip
@click.option("-o", "--output", required=True, type=PATH, help="Where the plan is written.")
@json_option
def make(cluster_file: Path, facts_file: Path, target: dict[str, str], output: Path, *, as_json: bool) -> None:
    """Make the plan that takes the cluster to a target, or say why there is none."""
    from kubedeb.knowledge import load as load_knowledge
    from upgrade_plans import clusterfile, factsfile, planfile
    from upgrade_plans.planner import NoPlan, make_plan
    from upgrade_plans.planner.findings import findings
    from upgrade_plans.render import plan_tree

    cluster = clusterfile.load(cluster_file)
    facts = factsfile.load(facts_file)
    factsfile.check_same(facts, cluster)
    knowledge = load_knowledge()
    made = make_plan(facts, cluster, target, knowledge)
    if isinstance(made, NoPlan):
        raise _no_plan(made, target)
    planfile.save(output, made)
    found = findings(made, knowledge)
    if as_json:
        listed = [{"severity": item.severity, "what": item.what, "remedy": item.remedy, "rule": item.rule} for item in found]
        print_json({"plan": str(output), "steps": len(made.steps), "findings": listed})
        return
    for line in plan_tree(made):
        click.echo(line)
    click.echo()
    for item in found:
        click.echo(f"{item.severity}: {item.what}" + (f" [{item.rule}]" if item.rule else ""))
        click.echo(f"      {item.remedy}")
    click.echo(f"written to {output}; next: kubedeb prove {output} --facts {facts_file}")


def _no_plan(made: NoPlan, target: dict[str, str]) -> KubedebError:
    wanted = ", ".join(f"{component}={version}" for component, version in target.items())
    lines = []
    for reason in made.reasons:
        lines.append(f"- {reason.what}" + (f" [{reason.rule}]" if reason.rule else ""))
        lines.append(f"  → {reason.remedy}")
    rules = next((reason.rule for reason in made.reasons if reason.rule), "")
    hint = "Change what each arrow names, read the facts again, and make the plan again."
    return KubedebError(
        f"there is no legal plan to {wanted}", details="\n".join(lines), code=ExitCode.NO_PLAN,
        hint=hint + (f"\nThe rule and its source: kubedeb rules show {rules}" if rules else ""),
    )  # fmt: skip


@plan.command()
@click.argument("plan_file", metavar="PLAN", type=PATH)
@click.option("--journal", "runs", metavar="DIR", type=PATH, help="Runs to learn times from, instead of those in STATE/runs.")
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
    from upgrade_plans import planfile
    from upgrade_plans.executor.learning import observed
    from upgrade_plans.planner.durations import with_learned
    from upgrade_plans.planner.estimate import estimate
    from upgrade_plans.render import eta, plan_tree

    read = planfile.load(plan_file)
    known = observed(runs if runs is not None else path_setting("state") / "runs")
    made = estimate(with_learned(read.steps, known))
    if as_json:
        seconds = {"p50": made.p50, "p95": made.p95, "ends": {name: {"p50": a, "p95": b} for name, (a, b) in made.ends.items()}}
        blocking = [step.id for step in read.steps if step.blocks]
        print_json({"plan": _dump(read), "seconds": seconds, "blocking": blocking})
        return
    for line in plan_tree(read):
        click.echo(line)
    if read.steps:
        click.echo()
        click.echo(eta(made.p50, made.p95, sum(map(len, known.values()))))


@plan.command()
@click.argument("plan_file", metavar="PLAN", type=PATH)
@click.argument("step_id", metavar="STEP")
@json_option
def explain(plan_file: Path, step_id: str, *, as_json: bool) -> None:
    """Print everything about one step: why, what is asked before and after, its way back, the rules that shaped it."""
    from kubedeb.knowledge import load as load_knowledge
    from upgrade_plans import planfile
    from upgrade_plans.render import explain_step

    read = planfile.load(plan_file)
    step = _find(read, step_id)
    knowledge = load_knowledge()
    if as_json:
        rules = [knowledge.by_id[rule].model_dump(mode="json", by_alias=True) for rule in step.rules if rule in knowledge.by_id]
        print_json({"step": step.model_dump(mode="json", by_alias=True), "rules": rules})
        return
    for line in explain_step(read, step, knowledge):
        click.echo(line)


def _find(read: Plan, step_id: str) -> Step:
    steps = {step.id: step for step in read.steps}
    if step_id not in steps:
        near = difflib.get_close_matches(step_id, steps, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"its steps: {', '.join(steps) or 'none'}"
        raise KubedebError(f"the plan has no step {step_id!r}", details=advice, code=ExitCode.USAGE)
    return steps[step_id]


def _dump(read: Plan) -> dict[str, Any]:
    return read.model_dump(mode="json", by_alias=True)
