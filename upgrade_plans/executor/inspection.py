"""Reads a live cluster into facts; nothing is changed."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import ValidationError

from kubedeb.errors import ExitCode, KubedebError
from upgrade_plans.adapters.protocols import RefusedError, UnreachableError, World
from upgrade_plans.executor.readings import MemberReading, on_all, read_member
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.facts import AvailablePackage, Facts, MemberFacts, NodeFacts, PackageFacts

PACKAGES = ("etcd-client", "etcd-server")


def read_facts(cluster: Cluster, world: World) -> tuple[Facts, tuple[str, ...]]:
    """Return the facts, and a warning for each node and member that did not answer, or not all that was asked.

    Raises `KubedebError` (INSPECT) when no member answers, or one answers what no daemon and no apt says.
    """
    try:
        return _read_facts(cluster, world)
    except ValidationError as error:
        said = "\n".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise KubedebError(
            f"{cluster.name} answers what cannot be right", details=said, code=ExitCode.INSPECT,
            hint="Does client_url lead to etcd, and are apt and dpkg of the nodes in order?",
        ) from error  # fmt: skip


def _read_facts(cluster: Cluster, world: World) -> tuple[Facts, tuple[str, ...]]:
    nodes = on_all(world, cluster.nodes, lambda node: _node(cluster, world, node))
    members = on_all(world, cluster.members, lambda node: read_member(world.etcd, node))
    warnings = [warning for _, warning in nodes.values() if warning]
    warnings += [f"member {node}: {reading.why}" for node, reading in members.items() if reading.why]
    if all(reading.running is None for reading in members.values()):
        raise KubedebError(
            f"no etcd member of {cluster.name} answers", details="\n".join(warnings), code=ExitCode.INSPECT,
            hint="Are addresses, client_url and transport of the cluster file right, and does etcd run?",
        )  # fmt: skip
    facts = Facts(
        cluster=cluster.name, read_at=datetime.fromtimestamp(world.clock.now(), UTC).isoformat(timespec="seconds"),
        nodes={node: found for node, (found, _) in nodes.items()},
        etcd=tuple(_member(reading) for reading in members.values()),
    )  # fmt: skip
    return facts, tuple(warnings)


def _node(cluster: Cluster, world: World, node: str) -> tuple[NodeFacts, str]:
    row, rack = cluster.place(node)
    try:
        return NodeFacts(row=row, rack=rack, packages=_packages(world, node)), ""
    except (UnreachableError, RefusedError) as error:
        return NodeFacts(row=row, rack=rack), f"{error.brief}: {error.details}"


def _packages(world: World, node: str) -> dict[str, PackageFacts]:
    installed = world.packages.installed(node, PACKAGES)
    available = world.packages.available(node, PACKAGES)
    cached = world.packages.cached(node, PACKAGES)
    return {
        name: PackageFacts(
            installed=installed[name],
            available=tuple(
                AvailablePackage(version=item.version, sha256=item.sha256, size=item.size)
                for item in sorted(available[name], key=lambda item: (item.version, item.sha256))
            ),
            # Only what is the package that the signed index means.
            cached=tuple(sorted({item.version for item in available[name] if cached[name].get(item.version) == item.sha256})),
        )
        for name in PACKAGES
    }


def _member(reading: MemberReading) -> MemberFacts:
    status = reading.status
    return MemberFacts(
        node=reading.node, running=reading.running, cluster_version=reading.cluster_version, healthy=reading.healthy,
        alarms=reading.alarms, leader=reading.leads,
        member_id=status.member_id if status else None, cluster_id=status.cluster_id if status else None,
        raft_index=status.raft_index if status else 0, revision=status.revision if status else 0,
        db_size=status.db_size if status else 0,
    )  # fmt: skip
