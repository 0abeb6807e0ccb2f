"""The planner's run: where it stands, which versions it passes, which phases that makes."""

from __future__ import annotations

from collections.abc import Iterator

from kubedeb.knowledge import Knowledge, RuleKind, Severity
from kubedeb.versions import Version
from upgrade_plans.canonical import digest
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.facts import Facts
from upgrade_plans.models.plan import Inputs, Member, Phase, Plan
from upgrade_plans.planner.detect import Look
from upgrade_plans.planner.phases import Builder, Hop, hop_phase, hops, prepare
from upgrade_plans.planner.reasons import NoPlan, Reason, RefusedError
from upgrade_plans.planner.route import Route, find_route
from upgrade_plans.planner.start import Start, read_start


def make_plan(facts: Facts, cluster: Cluster, target: dict[str, str], knowledge: Knowledge) -> Plan | NoPlan:
    """Return the plan that takes the cluster of `facts` to `target` (`{"etcd": "3.5.16"}`), or why there is none.

    Pure: the same input gives the same plan, byte for byte. One member at a time, one line at a time; a target that is
    reached already gives a plan without phases. Rules: the rows of `knowledge`, named in each step.
    """
    try:
        version = _etcd_target(target)
        start = read_start(facts, knowledge)
        route = find_route(start, version, facts, knowledge)
        all_hops = tuple(hops(start, route.stops))
        if reasons := [*_forbidden(all_hops, facts, knowledge)]:
            raise RefusedError(*reasons)
    except RefusedError as refused:
        return NoPlan(refused.reasons)
    return _plan(facts, cluster, version, knowledge, start, route, all_hops)


def _etcd_target(target: dict[str, str]) -> Version:
    unknown = sorted(set(target) - {"etcd"})
    if unknown or not target:
        raise RefusedError(Reason(
            f"no rules are known for {', '.join(unknown)}" if unknown else "no target",
            "Targets that can be planned for: etcd=VERSION.",
        ))  # fmt: skip
    try:
        return Version.parse(target["etcd"].removeprefix("v"))
    except ValueError as error:
        raise RefusedError(Reason(str(error), "Name a whole version: --to etcd=3.5.16")) from error


def _forbidden(all_hops: tuple[Hop, ...], facts: Facts, knowledge: Knowledge) -> Iterator[Reason]:
    """Yield the traps on the way that no plan may walk into and that the facts show; what was not read is a finding."""
    look = Look(facts, {}, knowledge)
    for hop in all_hops:
        for rule in knowledge.between("etcd", hop.lowest, hop.to):
            forbids = rule.kind is RuleKind.TRAP and rule.severity is Severity.FORBID
            if forbids and rule.detect.when is not None and look.satisfied(rule.detect.when, "etcd"):
                yield Reason(f"on the way from etcd {hop.lowest} to {hop.to}: {rule.what}", rule.remedy, rule.id)


def _plan(
    facts: Facts, cluster: Cluster, target: Version, knowledge: Knowledge, start: Start, route: Route, all_hops: tuple[Hop, ...]
) -> Plan:
    return Plan(
        cluster=cluster.name,
        cluster_id=start.cluster_id,
        cluster_version=str(start.cluster_version),
        target={"etcd": str(target)},
        inputs=Inputs(facts=digest(facts), cluster_file=digest(cluster), knowledge=knowledge.digest),
        members=tuple(
            Member(node=member.node, row=member.row, member_id=member.member_id,
                   running=str(member.version), installed=str(member.version))
            for member in start.members
        ),
        releases=route.releases,
        phases=tuple(_phases(facts, knowledge, all_hops)),
    )  # fmt: skip


def _phases(facts: Facts, knowledge: Knowledge, all_hops: tuple[Hop, ...]) -> Iterator[Phase]:
    if not all_hops:
        return
    db_size = max(member.db_size for member in facts.etcd)
    builder = Builder(knowledge, db_size)
    yield prepare(all_hops, builder)
    for hop in all_hops:
        builder = Builder(knowledge, db_size, builder.before)
        yield hop_phase(hop, builder)
