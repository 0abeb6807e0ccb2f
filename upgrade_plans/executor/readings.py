"""What the members say of themselves at one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from kubedeb.versions import Version
from upgrade_plans.adapters.protocols import Etcd, RefusedError, Status, UnreachableError, World
from upgrade_plans.models.state import Line

T = TypeVar("T")


@dataclass(frozen=True)
class MemberReading:
    """One member's answers; what it did not answer is None, and `why` says why."""

    node: str
    running: str | None = None
    cluster_version: str | None = None
    healthy: bool = False
    status: Status | None = None
    alarms: tuple[str, ...] = ()
    why: str = ""

    @property
    def leads(self) -> bool:
        """Return whether this member is the leader, by its own word."""
        return self.status is not None and self.status.leader == self.status.member_id

    @property
    def line(self) -> Line | None:
        """Return the cluster version's line that it reports."""
        return line_of(self.cluster_version) if self.cluster_version else None


def line_of(version: str) -> Line:
    """Return the minor line of an upstream version."""
    return Version.parse(version).line


def read_member(etcd: Etcd, node: str) -> MemberReading:
    """Read one member; what it refuses or does not answer is left out. Never raises for the member's sake."""
    running = cluster_version = None
    healthy = False
    alarms: tuple[str, ...] = ()
    try:
        running, cluster_version = etcd.versions(node)
        if cluster_version == "not_decided":
            cluster_version = None
        healthy = etcd.healthy(node)
        status = etcd.status(node)
        alarms = etcd.alarms(node)
    except (UnreachableError, RefusedError) as error:
        why = f"{error.brief}: {error.details}"
        return MemberReading(node, running, cluster_version, healthy, None, alarms, why)
    return MemberReading(node, running, cluster_version, healthy, status, alarms)


def read_members(world: World, nodes: Iterable[str]) -> dict[str, MemberReading]:
    """Read every member, all at the same time."""
    return on_all(world, nodes, lambda node: read_member(world.etcd, node))


def on_all(world: World, nodes: Iterable[str], ask: Callable[[str], T]) -> dict[str, T]:
    """Return `ask(node)` for every node, asked at the same time; the first error in the nodes' order is raised."""
    names = list(nodes)
    with ThreadPoolExecutor(max_workers=max(1, min(world.workers, len(names)))) as pool:
        return dict(zip(names, pool.map(ask, names), strict=True))
