"""The planner's run for a whole stack: where it stands, in which order it moves, what each move takes."""

from __future__ import annotations

from collections.abc import Iterator

from kubedeb.garbage import no_search_for_garbage
from kubedeb.knowledge import Knowledge, RuleKind
from kubedeb.knowledge.journey import NEWEST
from kubedeb.versions import Version
from upgrade_plans.canonical import digest
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.facts import Facts
from upgrade_plans.models.upgrade import Finding, Inputs, Upgrade
from upgrade_plans.models.upgradekinds import StepKind
from upgrade_plans.planner.calendar import ends
from upgrade_plans.planner.detect import detect
from upgrade_plans.planner.reasons import NoPlan, RefusedError
from upgrade_plans.planner.stack import BY_NAME, shown
from upgrade_plans.planner.whole import catalogue
from upgrade_plans.planner.whole.alternatives import alternatives
from upgrade_plans.planner.whole.dwell import bounded
from upgrade_plans.planner.whole.order import COMPONENTS, find_order
from upgrade_plans.planner.whole.people import people
from upgrade_plans.planner.whole.refusals import expiring, refusals, remarks
from upgrade_plans.planner.whole.survey import Survey, survey
from upgrade_plans.planner.whole.wishes import Request
from upgrade_plans.planner.whole.writer import Writer
from upgrade_plans.rollback import rollback_from

NAMED = 8
"""So many things are named in a finding."""


@no_search_for_garbage()
def make_upgrade(
    facts: Facts, cluster: Cluster, request: Request, knowledge: Knowledge, *, with_alternatives: bool = False
) -> Upgrade | NoPlan:
    """Return the plan that takes the cluster of `facts` to a target, or why there is none.

    Pure: the same input gives the same plan, byte for byte. A target that is reached already gives a plan without phases.
    `with_alternatives`: other modes and limits are planned too, and the plan says what each costs; it takes some times as long.
    """
    try:
        found = survey(facts, cluster, knowledge)
        plan = _make(found, request, knowledge)
        if with_alternatives and plan.phases:
            others = alternatives(plan, request, lambda other: _make(found, other, knowledge))
            plan = plan.model_copy(update={"alternatives": others})
    except RefusedError as refused:
        return NoPlan(tuple(dict.fromkeys(refused.reasons)))
    return plan


def _make(found: Survey, request: Request, knowledge: Knowledge) -> Upgrade:
    order = find_order(found, request, knowledge)
    goals = request.goals(found.at)
    detected = detect(found.facts, _goals(goals), knowledge)
    seen = frozenset(one.rule.id for one in detected.seen)
    if reasons := [*refusals(found, order, seen, knowledge)]:
        raise RefusedError(*reasons)
    writer = Writer(found, request, order, knowledge, detected)
    writer.write()
    plan = bounded(_document(writer))
    if reasons := [*expiring(found, *_longest(plan))]:
        raise RefusedError(*reasons)
    return plan


def _longest(plan: Upgrade) -> tuple[float, float]:
    """Return how long a plan takes, and the way back from its end as far as there is one, if every step is slow (seconds)."""
    if not plan.steps:
        return 0.0, 0.0
    slow = {step.id: step.duration.p95 for step in plan.steps}
    return ends(plan, slow=True)[-1], sum(slow[one.step] for one in rollback_from(plan, plan.steps[-1].id).undone)


def _goals(goals: dict[str, Version]) -> dict[str, Version]:
    """Return the target by component, as rules speak of it."""
    return {name: goal for group, goal in goals.items() for name in (group, *COMPONENTS[group])} | {
        "kubernetes": max((goals[group] for group in ("apiservers", "workers") if group in goals), default=Version(0, 0)),
        "kubectl": goals.get("apiservers", Version(0, 0)),
    }


def _document(writer: Writer) -> Upgrade:
    found, request = writer.found, writer.request
    plan = people(found, request)
    return plan.model_copy(update={
        "target": {name: shown(name, version) for name, version in sorted(request.target.items())},
        "inputs": Inputs(facts=digest(found.facts), cluster_file=digest(found.cluster), knowledge=writer.knowledge.digest,
                         procedures=catalogue.digest()),
        "settings": writer.start, "changes": writer.ledger.changes,
        "phases": tuple(writer.scribe.phases), "drains": writer.order.drains, "risk": writer.order.way.risk,
        "findings": tuple(_findings(writer)),
    })  # fmt: skip


def _findings(writer: Writer) -> Iterator[Finding]:
    for severity, what, remedy in remarks(writer.found):
        yield Finding(severity=severity, what=what, remedy=remedy)
    if writer.request.also and not any(stage.move.group == "workers" for stage in writer.order.stages):
        yield Finding(
            severity="warn", what=f"{', '.join(writer.request.also)}: left out, because this plan empties no worker",
            remedy="Ask for it with a plan that moves the workers.",
        )  # fmt: skip
    if not writer.order.stages:
        return
    yield from _stand_ins(writer)
    yield from _stand_still(writer)
    for one in writer.detected.seen:
        rule = one.rule
        if rule.id not in writer.handled and rule.kind not in (RuleKind.HOP, RuleKind.STONE):
            yield Finding(
                severity=str(rule.severity), what=rule.what, where=", ".join(one.evidence[:4]), remedy=rule.remedy, rule=rule.id
            )


def _stand_still(writer: Writer) -> Iterator[Finding]:
    """Yield what makes pods by itself, where a plan freezes that for a time."""
    kubernetes = writer.found.facts.kubernetes
    freezes = [step.id for phase in writer.scribe.phases for step in phase.steps if step.kind is StepKind.FREEZE]
    workloads = kubernetes.workloads if kubernetes is not None and freezes else ()
    jobs = [
        f"the CronJob {one.namespace}/{one.name} ({one.schedule})" for one in workloads if one.schedule and not one.suspended
    ]
    scaled = [f"the autoscaler of {one.namespace}/{one.name}" for one in workloads if one.autoscaled]
    if stopped := [*jobs, *scaled]:
        more = f" and {len(stopped) - NAMED} more" if len(stopped) > NAMED else ""
        yield Finding(
            severity="warn", what=f"from {' and from '.join(freezes)} on these stand still for a time: "
            + ", ".join(stopped[:NAMED]) + more,
            remedy="Tell those who rely on them, and run by hand what must not be left out.",
        )  # fmt: skip


def _stand_ins(writer: Writer) -> Iterator[Finding]:
    """Yield the lines that are passed with no patch that anybody knows: what stands for it can be installed nowhere."""
    passed = {(BY_NAME[stage.move.group].product, stage.move.new) for stage in writer.order.stages}
    for product, version in sorted(passed):
        if version.patch == NEWEST:
            line = f"{product}={version.major}.{version.minor}"
            yield Finding(
                severity="warn", remedy=f"Make the plan again with --via {line}.PATCH.",
                what=f"{version} stands for the newest patch of its line, not known here: name it with --via {line}.PATCH",
            )  # fmt: skip
