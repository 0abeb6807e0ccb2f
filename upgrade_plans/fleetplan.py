"""The plan of a fleet, made and judged: which cluster's plan comes when, and what must hold over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from kubedeb.errors import ExitCode
from upgrade_plans import jsonfile
from upgrade_plans.canonical import digest
from upgrade_plans.models.fleet import Fleet, Stage
from upgrade_plans.models.fleetplan import FORMAT, FleetEntry, FleetPlan
from upgrade_plans.models.plan import Duration
from upgrade_plans.models.upgrade import Step, Upgrade
from upgrade_plans.models.upgradekinds import StepKind
from upgrade_plans.models.words import seconds
from upgrade_plans.planner.calendar import calendar
from upgrade_plans.planner.estimate import FEW, estimate

BESIDE = {
    StepKind.APPROVE, StepKind.GATE, StepKind.SILENCE, StepKind.UNSILENCE, StepKind.HOLD_CONFIG, StepKind.RELEASE_CONFIG,
    StepKind.DEPOOL_DC, StepKind.REPOOL_DC, StepKind.DOWNLOAD, StepKind.SOAK,
}  # fmt: skip
"""What disturbs no user."""
Move = tuple[str, str | None, str | None]


def load(path: Path) -> FleetPlan:
    """Read a fleet's plan. Raises `KubedebError` (PLAN)."""
    return jsonfile.load(path, FleetPlan, what="fleet plan", formats=(FORMAT,), code=ExitCode.PLAN)


def make(fleet: Fleet, target: Mapping[str, str], plans: Mapping[str, Upgrade], name_of: Callable[[str], str]) -> FleetPlan:
    """Return the plan of a fleet from its clusters' plans, in the fleet's order. `name_of`: the file of a cluster's plan."""
    turns = []
    for name, entry in fleet.clusters.items():
        time = estimate(plans[name].steps, runs=FEW, calendar=calendar(plans[name]))
        duration = Duration(p50=round(time.p50, 1), p95=round(time.p95, 1))
        turns.append(FleetEntry(
            cluster=name, stage=entry.stage, plan=name_of(name), sha256=digest(plans[name]), depool=entry.depool,
            approval=entry.approval, duration=duration, soak=seconds(entry.soak),
        ))  # fmt: skip
    return FleetPlan(fleet=fleet.name, target=dict(target), turns=tuple(turns), findings=tuple(_findings(fleet, plans)))


def _findings(fleet: Fleet, plans: Mapping[str, Upgrade]) -> Iterator[str]:
    production = [name for name, entry in fleet.clusters.items() if entry.stage is Stage.PRODUCTION]
    staging = [name for name, entry in fleet.clusters.items() if entry.stage is Stage.STAGING]
    tried = {move for name in staging for move in moves(plans[name])}
    if production and not staging:
        yield "no staging cluster goes first: nothing was tried before production"
    for name in production if staging else ():
        new = [f"{group} {old} → {to}" for group, old, to in moves(plans[name]) if (group, old, to) not in tried]
        if new:
            yield f"{name} makes moves that no staging cluster tries: {', '.join(new)}"
    for name in production:
        if fleet.clusters[name].depool and len(production) < 2:
            yield f"users of {name} are to be led away, and the fleet has no other production cluster"


def moves(plan: Upgrade) -> tuple[Move, ...]:
    """Return what moves from which version to which, in order: what one cluster tries for another."""
    return tuple((phase.group, phase.from_, phase.to) for phase in plan.phases if phase.group is not None)


def broken(fleet: FleetPlan, plans: Mapping[str, Upgrade]) -> Iterator[tuple[str, str]]:
    """Yield (cluster, what) that forbids a fleet's plan; whether each cluster's is proven is asked apart."""
    stages = [turn.stage for turn in fleet.turns]
    for number, turn in enumerate(fleet.turns):
        plan = plans[turn.cluster]
        if turn.stage is Stage.STAGING and Stage.PRODUCTION in stages[:number]:
            yield turn.cluster, "staging comes after production: it would show nothing"
        if [one.cluster for one in fleet.turns].index(turn.cluster) < number:
            yield turn.cluster, "it has two turns"
        if plan.cluster != turn.cluster or digest(plan) != turn.sha256:
            yield turn.cluster, f"{turn.plan} is not the plan that the fleet's was made with"
        if plan.target != fleet.target:
            yield turn.cluster, "its plan has another target than the fleet's"
        first = plans[fleet.turns[0].cluster]
        if (plan.inputs.knowledge, plan.inputs.procedures) != (first.inputs.knowledge, first.inputs.procedures):
            yield (
                turn.cluster,
                f"its plan was made with other rules than that of {first.cluster}: what that one shows is another plan",
            )
        if turn.depool and plan.phases and not led_away(plan.steps):
            yield turn.cluster, "users are to be led away, and its plan disturbs them before that or leads them back too early"
        if turn.stage is Stage.PRODUCTION and turn.soak == 0 and number + 1 < len(fleet.turns):
            yield turn.cluster, "the next cluster begins at once: nobody has seen whether this one runs well"


def led_away(steps: tuple[Step, ...]) -> bool:
    """Say whether users are elsewhere while anything is done that they could feel."""
    away = False
    for step in steps:
        if step.kind in (StepKind.DEPOOL_DC, StepKind.REPOOL_DC):
            away = step.kind is StepKind.DEPOOL_DC
        elif not away and step.kind not in BESIDE:
            return False
    return not away
