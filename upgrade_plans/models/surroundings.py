"""What stands around the nodes: load balancers, configuration management, hooks, and what is declared of clients."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from kubedeb.yamlfile import StrictModel
from upgrade_plans.models.nodesets import NodeNames
from upgrade_plans.models.words import AbsolutePath, Address, Argument, Duration, Fraction, QuotedVersion


class BalancerKind(StrEnum):
    """Which software balances a pool; each counts its threshold by a formula of its own."""

    PYBAL = "pybal"
    HAPROXY = "haproxy"
    KEEPALIVED = "keepalived"
    EXTERNAL = "external"


class Forwarding(StrEnum):
    """How packets reach a server. With direct routing a depool stops new connections only."""

    DIRECT = "direct-routing"
    NAT = "nat"
    PROXY = "proxy"


class Pool(StrictModel):
    """A pool of servers behind a load balancer.

    `version` is the balancer's own; `depool_threshold` the part of the pool below which it takes no server out any more.
    """

    kind: BalancerKind
    version: QuotedVersion | None = None
    nodes: NodeNames
    address: Address
    port: int = Field(ge=1, le=65535)
    depool_threshold: Fraction = "0"
    forwarding: Forwarding = Forwarding.PROXY


class Manager(StrEnum):
    """What writes the configuration of the nodes."""

    PUPPET = "puppet"
    ANSIBLE = "ansible"
    SALT = "salt"
    CHEF = "chef"
    BY_HAND = "by-hand"


class Configuration(StrictModel):
    """How configuration is managed: by what, how often it runs by itself, and which files and folders are its own.

    `unattended_upgrades`: the nodes install packages by themselves, which must be held while a plan runs.
    """

    manager: Manager = Manager.BY_HAND
    every: Duration | None = None
    owns: tuple[AbsolutePath, ...] = ()
    unattended_upgrades: bool = False


class HookAt(StrEnum):
    """When a hook is called."""

    BEFORE_RUN = "before-run"
    AFTER_RUN = "after-run"
    BEFORE_BATCH = "before-batch"
    AFTER_BATCH = "after-batch"
    BEFORE_NODE = "before-node"
    AFTER_NODE = "after-node"
    ON_STOP = "on-stop"


class HookOn(StrEnum):
    """Where a hook runs: beside the executor, or on the node that the step is about."""

    EXECUTOR = "executor"
    NODE = "node"


class Hook(StrictModel):
    """A command of the operators' own: words, never a shell's text; a status but 0 stops the run."""

    at: HookAt
    run: tuple[Argument, ...] = Field(min_length=1)
    where: HookOn = Field(default=HookOn.EXECUTOR, alias="on")
    timeout: Duration = "60s"

    @model_validator(mode="after")
    def _somewhere(self) -> Hook:
        """Only what is about nodes can run on one."""
        if self.where is HookOn.NODE and self.at not in (HookAt.BEFORE_NODE, HookAt.AFTER_NODE):
            raise ValueError(f"a hook at {self.at} is about no node, so it cannot run on one")
        return self


class ManagersReach(StrEnum):
    """Which API server controller-managers and schedulers speak to."""

    LOOPBACK = "loopback"
    BALANCER = "balancer"


class Kubernetes(StrictModel):
    """What no API says about how the cluster is used.

    `kubelet_user`: whom kubelets authenticate as (`kubelet`, one for all; `system:node` each as itself).
    `clients_tolerate_dead_apiserver`: in-cluster clients live with one address of default/kubernetes that does not answer.
    """

    managers_reach: ManagersReach = ManagersReach.LOOPBACK
    kubelet_user: str = "system:node"
    clients_tolerate_dead_apiserver: bool = False


class Assumption(StrictModel):
    """A key of this file (`kubernetes.kubelet_user`) whose value nobody has read anywhere, and why it is taken to be so."""

    key: Annotated[str, Field(pattern=r"^[a-z_]+(?:\.[A-Za-z0-9_-]+)*$")]
    why: str
