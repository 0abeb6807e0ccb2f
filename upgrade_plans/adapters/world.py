"""The real adapters of a cluster, put together as its cluster file says."""

from __future__ import annotations

from upgrade_plans.adapters.backups import SnapshotBackups
from upgrade_plans.adapters.clock import SystemClock
from upgrade_plans.adapters.etcd import GatewayEtcd
from upgrade_plans.adapters.hosts import hosts_of
from upgrade_plans.adapters.packages import AptPackages
from upgrade_plans.adapters.probes import NodeProbes
from upgrade_plans.adapters.protocols import World
from upgrade_plans.adapters.units import SystemdUnits
from upgrade_plans.models.cluster import Cluster


def world_of(cluster: Cluster) -> World:
    """Return the adapters for `cluster`; nothing is asked yet."""
    hosts = hosts_of(cluster)
    return World(
        etcd=GatewayEtcd(cluster), packages=AptPackages(hosts), units=SystemdUnits(hosts, cluster.etcd.unit),
        backups=SnapshotBackups(hosts, cluster), probes=NodeProbes(hosts), clock=SystemClock(),
    )  # fmt: skip
