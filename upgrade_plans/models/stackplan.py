"""A whole stack's plan as the prover judges it (docs/semantics.md, part two): where it starts, and its steps, nodes counted."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from kubedeb.yamlfile import StrictModel
from upgrade_plans.models.words import Identifier, Name, NodeName, VersionText

FORMAT = 1


class Via(StrEnum):
    """Which API server the managers of a host speak to."""

    BESIDE = "beside"
    """The one on their own host, by a loopback address."""
    BALANCER = "balancer"
    """Any of them, by the load balancer's address."""


class StackKind(StrEnum):
    """What a step does."""

    DOWNLOAD = "download"
    """Put the packages of `from` and `to` on every target, ready; installs nothing."""
    APISERVER = "apiserver"
    """Take API servers out of the pool, install, restart, put them back."""
    MANAGERS = "managers"
    """Install and restart scheduler and controller-manager."""
    WORKERS = "workers"
    """Empty nodes, install and restart kubelet and kube-proxy, let pods come back."""


class StackCheck(StrEnum):
    """What must hold before a step takes one more unit in hand."""

    HEALTHY = "healthy"
    """Nothing is down but what the plan knows to be down, and what is in hand."""
    FLOOR = "floor"
    """The unit's taint group stays at its floor without it, with one node to spare unless nothing else of it is in hand."""
    BALANCER = "balancer"
    """The pool stays at its threshold without it, with one server to spare unless nothing else of it is in hand."""


class Server(StrictModel):
    """A control-plane host: its API server and its managers; `installed` is what would start on a reboot."""

    node: NodeName
    row: Identifier
    version: VersionText
    installed: VersionText | None = None
    managers: VersionText | None = None
    via: Via = Via.BESIDE


class Workers(StrictModel):
    """Workers that are alike. Those that are `down` hold the version that would start when they come back."""

    id: Identifier
    count: int = Field(ge=1)
    row: Identifier
    taints: str = ""
    version: VersionText
    proxy: VersionText | None = None
    installed: VersionText | None = None
    down: bool = False


class Pool(StrictModel):
    """The load balancer's pool: the servers that are up and pooled, divided by all, must be at least `threshold`."""

    threshold: float = Field(ge=0, le=1)


class StackStep(StrictModel):
    """One step. `takes` maps a server's node or a group of workers to how many units of it the step moves.

    `window` is how many units may be in hand at once, `per_row` how many of a row. `proxy` is kube-proxy's target where it is
    not the kubelet's. `bgp`: a node in hand is without its BGP sessions. Without `undo` the step cannot be turned back.
    """

    id: Identifier
    kind: StackKind
    takes: dict[Identifier, int]
    from_: VersionText = Field(alias="from")
    to: VersionText
    proxy: VersionText | None = None
    window: int = Field(default=1, ge=1)
    per_row: int | None = Field(default=None, ge=1)
    bgp: bool = False
    pre: tuple[StackCheck, ...] = ()
    undo: bool = True


class StackPlan(StrictModel):
    """A whole plan. `needed` is how many nodes of a taint group must be ready and schedulable.

    `apiserver_count` is the API servers' flag, None where endpoints are kept by leases. `tolerant`: in-cluster clients are
    declared to bear an API server's address that does not answer. `bgp` is how many nodes of a row may be without sessions.
    """

    format: int = FORMAT
    cluster: Name
    servers: tuple[Server, ...]
    workers: tuple[Workers, ...]
    pool: Pool = Pool(threshold=0.0)
    apiserver_count: int | None = None
    tolerant: bool = True
    needed: dict[str, int] = {}
    bgp: int | None = None
    steps: tuple[StackStep, ...]
