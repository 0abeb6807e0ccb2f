"""`kubedeb fleet plan` and `kubedeb fleet prove`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.output import json_option, print_json, print_table
from upgrade_plans.commands.makeplan import mode_of, request_of, target_option

if TYPE_CHECKING:
    from upgrade_plans.fleetfile import LoadedFleet
    from upgrade_plans.models.fleetplan import FleetPlan
    from upgrade_plans.models.upgrade import Upgrade

PATH = click.Path(path_type=Path)
FLEET = "fleet.json"


@click.command("plan")
@click.argument("file", metavar="FLEET.yaml", type=PATH)
@target_option
@click.option("-o", "--output", required=True, type=PATH, metavar="DIR", help="Where the plans are written.")
@click.option("--fast", is_flag=True, help="As in plan make, for every cluster.")
@click.option("--careful", is_flag=True, help="As in plan make, for every cluster.")
@json_option
def fleet_plan(file: Path, target: dict[str, str], output: Path, *, fast: bool, careful: bool, as_json: bool) -> None:
    """Make the plan of every cluster in FLEET.yaml, and the order of their turns: one after the other, staging first.

    Writes DIR/CLUSTER.json for each and DIR/fleet.json. Where one cluster has no legal plan nothing is written.
    """
    from kubedeb.errors import storage_errors
    from kubedeb.files import canonical_json, write_text
    from upgrade_plans import fleetfile, fleetplan, upgradefile

    read = fleetfile.load(file)
    plans = _plans(file, read, target, mode_of(fast=fast, careful=careful))
    made = fleetplan.make(read.fleet, next(iter(plans.values())).target, plans, lambda name: f"{name}.json")
    with storage_errors("the plans", ExitCode.PLAN):
        output.mkdir(parents=True, exist_ok=True)
        for name, plan in plans.items():
            upgradefile.save(output / f"{name}.json", plan)
        write_text(output / FLEET, canonical_json(made.model_dump(mode="json")))
    if as_json:
        print_json({"plan": str(output / FLEET), **made.model_dump(mode="json")})
        return
    _print(made, plans)
    click.echo(f"written to {output / FLEET}; next: kubedeb fleet prove {output / FLEET}")


def _plans(file: Path, read: LoadedFleet, target: dict[str, str], mode: str | None) -> dict[str, Upgrade]:
    """Make every cluster's plan. Raises `KubedebError` (CLUSTER, NO_PLAN)."""
    from kubedeb.knowledge import load as load_knowledge
    from upgrade_plans import factsfile
    from upgrade_plans.commands.makeplan import refusal
    from upgrade_plans.planner import NoPlan
    from upgrade_plans.planner.whole import make_upgrade

    plans: dict[str, Upgrade] = {}
    refused = []
    for name, entry in read.fleet.clusters.items():
        if entry.facts is None:
            raise KubedebError(
                f"{file}: the cluster {name} has no facts", code=ExitCode.CLUSTER,
                hint=f"Read them (kubedeb inspect {entry.file} -o facts.json) and name them: facts: facts.json.",
            )  # fmt: skip
        facts = factsfile.load(file.parent / entry.facts)
        factsfile.check_same(facts, read.clusters[name])
        request = request_of(target, mode, {}, (), (), depool=entry.depool)
        made = make_upgrade(facts, read.clusters[name], request, load_knowledge())
        if isinstance(made, NoPlan):
            refused += [f"{name}:", refusal(made, target).details or ""]
        else:
            plans[name] = made
    if refused:
        raise KubedebError("not every cluster has a legal plan", details="\n".join(refused), code=ExitCode.NO_PLAN,
                           hint="Change what each arrow names, read the facts again, and make the plans again.")  # fmt: skip
    return plans


def _print(made: FleetPlan, plans: dict[str, Upgrade]) -> None:
    from upgrade_plans.passprice import passes
    from upgrade_plans.upgradetext import long, times

    rows = [
        (str(number), turn.cluster, turn.stage, "asked for" if turn.approval else "no", "yes" if turn.depool else "no",
         f"{len(plans[turn.cluster].phases)}", times(passes(plans[turn.cluster])), long(turn.duration.p50), long(turn.soak))
        for number, turn in enumerate(made.turns, 1)
    ]  # fmt: skip
    print_table(("turn", "cluster", "stage", "approval", "users away", "phases", "emptied", "takes", "then soaks"), rows)
    whole = sum(turn.duration.p50 + turn.soak for turn in made.turns)
    click.echo(f"{long(whole)} in all, soaks included; waiting for approvals is not")
    for text in made.findings:
        click.echo(f"warn: {text}")


@click.command("prove")
@click.argument("file", metavar="FLEET.json", type=PATH)
@json_option
def fleet_prove(file: Path, *, as_json: bool) -> None:
    """Prove the plan of each cluster, and what must hold over all: order, one target, the same rules, users away in time."""
    from kubedeb.knowledge import load as load_knowledge
    from upgrade_plans import fleetplan, upgradefile
    from upgrade_plans.prover.whole import prove_whole

    fleet, knowledge = fleetplan.load(file), load_knowledge()
    plans = {turn.cluster: upgradefile.load(file.parent / turn.plan) for turn in fleet.turns}
    wrong = [f"{cluster}: {what}" for cluster, what in fleetplan.broken(fleet, plans)]
    for turn in fleet.turns:
        verdict = prove_whole(plans[turn.cluster], knowledge)
        names = dict.fromkeys(one.invariant for one in verdict.violations)
        wrong += [f"{turn.cluster}: {turn.plan} is refused ({', '.join(names)})"] if names else []
        if not as_json and not names:
            click.echo(f"{turn.cluster}: PROVEN, {verdict.sequence.states} states of the sequence")
    if as_json:
        print_json({"fleet": fleet.fleet, "proven": not wrong, "wrong": wrong})
    if wrong:
        raise KubedebError("the fleet's plan is refused", details="\n".join(wrong), code=ExitCode.REFUSED,
                           hint="Make it again: kubedeb fleet plan FLEET.yaml --to … -o DIR")  # fmt: skip
    if not as_json:
        click.echo(
            f"PROVEN: {len(fleet.turns)} turns, one after the other; at most one production cluster is disturbed at a time"
        )
