"""Who is there, as the plan's document says it: hosts by name, workers counted, what the invariants are judged with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from upgrade_plans.models.cluster import Role
from upgrade_plans.models.nodefacts import NodeFacts
from upgrade_plans.models.upgrade import Asked, Balancer, Daemon, Host, Inputs, Upgrade, Where, Workers
from upgrade_plans.planner.whole.passes import needed
from upgrade_plans.planner.whole.survey import Survey
from upgrade_plans.planner.whole.unfit import ON_HOSTS, TOOLS
from upgrade_plans.planner.whole.wishes import Request
from upgrade_plans.planner.whole.world import tillers


def people(found: Survey, request: Request) -> Upgrade:
    """Return a plan without phases: everything that is said of the cluster itself."""
    kubernetes = found.facts.kubernetes
    pool = next((pool for pool in found.cluster.balancers.values() if set(pool.nodes) & set(found.apiservers)), None)
    asked = Asked(mode=request.mode, limits=request.limits, via={name: str(version) for name, version in request.via.items()},
                  also=request.also, depool=request.depool)  # fmt: skip
    return Upgrade(
        cluster=found.cluster.name, cluster_uid=kubernetes.uid if kubernetes else None, etcd_cluster_id=found.cluster_id,
        cluster_version=found.cluster_version, target={}, asked=asked,
        inputs=Inputs(facts="", cluster_file="", knowledge="", procedures=""),
        hosts=tuple(_hosts(found)), workers=tuple(_workers(found)), tillers=tillers(found.at.get("tillers", {})),
        balancer=Balancer(kind=pool.kind, version=pool.version, threshold=float(pool.depool_threshold)) if pool else None,
        managers_reach=found.cluster.kubernetes.managers_reach,
        apiserver_count=next(iter(found.endpoint_counts.values()), None),
        tolerant=found.cluster.kubernetes.clients_tolerate_dead_apiserver,
        stores=Where(kubernetes=found.store, calico=found.calico_store), needed=needed(found, request),
        windows=found.cluster.constraints.windows,
        bgp_per_row=found.cluster.constraints.bgp_per_row if any(crowd.facts.bgp for crowd in found.crowds) else None,
        phases=(),
    )  # fmt: skip


def _hosts(found: Survey) -> Iterator[Host]:
    """Yield every node that is taken by its own name."""
    members = {member.node: member for member in found.facts.etcd}
    workers = set(found.cluster.roles.get(Role.WORKER, ()))
    frozen = {node for rule in found.cluster.constraints.frozen for node in rule.nodes}
    named = dict.fromkeys((*found.cluster.members, *found.apiservers, *found.managers, *found.clients))
    for node in sorted(named):
        facts, (row, rack) = found.facts.of(node), found.cluster.place(node)
        daemons = dict(_daemons(facts, ON_HOSTS))
        if node not in workers:
            daemons |= {
                tool: Daemon(running=facts.tools[tool], installed=facts.tools[tool]) for tool in TOOLS if tool in facts.tools
            }
        if node in members:
            daemons["etcd"] = Daemon(running=members[node].running, installed=daemons.get("etcd", Daemon()).installed)
        yield Host(
            node=node,
            row=row,
            rack=rack,
            member_id=members[node].member_id if node in members else None,
            daemons=daemons,
            frozen=node in frozen,
        )


def _workers(found: Survey) -> Iterator[Workers]:
    """Yield the crowds; the daemons of those that stand in one entry of the facts are read once."""
    known: dict[str, dict[str, Daemon]] = {}
    for crowd in found.crowds:
        one = crowd.traits
        if crowd.key not in known:
            known[crowd.key] = dict(_daemons(crowd.facts, sorted(set(crowd.facts.daemons) - set(ON_HOSTS))))
        yield Workers(
            id=crowd.id, nodes=crowd.folded, count=crowd.count, row=one.row, rack=one.rack, taints=one.taint_group,
            hardware=one.hardware, architecture=one.architecture, frozen=bool(one.frozen), down=crowd.down,
            daemons=known[crowd.key],
        )  # fmt: skip


def _daemons(facts: NodeFacts, names: Iterable[str]) -> Iterator[tuple[str, Daemon]]:
    for name in names:
        daemon = facts.daemons.get(name)
        if daemon is not None:
            yield name, Daemon(running=daemon.running.version if daemon.running else None,
                               installed=daemon.disk.version if daemon.disk else None)  # fmt: skip
