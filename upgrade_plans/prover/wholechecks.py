"""What the checks of a step mean in the model of a whole stack's plan (docs/semantics.md, 13)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kubedeb.versions import Version
from upgrade_plans.models.upgrade import Step
from upgrade_plans.models.upgradekinds import Check
from upgrade_plans.prover.wholekinds import MANAGERS
from upgrade_plans.prover.wholerecords import WholeCase
from upgrade_plans.prover.wholestate import BACK, State, View


@dataclass(slots=True)
class Asked:
    """What is asked about: a state and what is there, the step, and whether it is asked at the step's end."""

    case: WholeCase
    view: View
    state: State
    step: Step
    post: bool

    def standing(self, component: str) -> bool:
        """Say whether every daemon of a component runs that is not in hand."""
        return all(key in self.view.there.up or key in self.view.hand for key in self.view.there.may if key[0] == component)


def _cluster_version(asked: Asked) -> bool:
    step = asked.step
    wanted = step.to if asked.post and asked.state.direction != BACK else step.from_
    return wanted is None or asked.state.memory.cluster == Version.parse(wanted).line


def _proven(asked: Asked) -> bool:
    named = {block.backup for block in asked.step.blocks if block.backup is not None}
    return named <= asked.state.memory.proven


def _rest(asked: Asked) -> bool:
    return not asked.view.hand and asked.view.around.rests


def _balancer(asked: Asked) -> bool:
    balancer, servers = asked.case.plan.balancer, asked.case.apiservers
    if balancer is None or not servers:
        return True
    pooled = {key for key in servers if key in asked.view.there.up and key[1] not in asked.view.around.depooled}
    left = pooled if asked.post else pooled - {(key[0], where) for where in asked.step.takes for key in servers}
    return len(left) / len(servers) >= balancer.threshold


def _managers(asked: Asked) -> bool:
    known = {name for name, _ in asked.view.there.may if name in MANAGERS}
    return asked.view.there.serving and known <= {name for name, _ in asked.view.there.up}


def _standby(asked: Asked) -> bool:
    others = {name for name, where in asked.view.there.up if where not in asked.step.takes}
    return {name for name, where in asked.view.there.may if name in MANAGERS and where in asked.step.takes} <= others


def _writers_stopped(asked: Asked) -> bool:
    return not asked.view.there.runs("kube-apiserver")


def _serving(asked: Asked) -> bool:
    return asked.view.there.serving or not asked.case.apiservers


Means = tuple[Callable[[Asked], bool], ...]
MEANS: dict[Check, Callable[[Asked], bool]] = {
    Check.REST: _rest,
    Check.MEMBERS_HEALTHY: lambda asked: asked.standing("etcd"),
    Check.CLUSTER_VERSION: _cluster_version,
    Check.BACKUP_PROVEN: _proven,
    Check.BALANCER: _balancer,
    Check.STANDBY_HEALTHY: _standby,
    Check.APIS_COMPLETE: _serving,
    Check.MANAGERS_LEAD: _managers,
    Check.NODES_READY: _serving,
    Check.HEARTBEATS_FRESH: _serving,
    Check.WRITERS_STOPPED: _writers_stopped,
    Check.MEMBERS_EQUAL: lambda asked: asked.state.memory.compared,
    Check.OLD_DATASTORE_CLOSED: lambda asked: asked.view.around.calico != "before",
    Check.NEW_DATASTORE_OPEN: lambda asked: asked.view.around.calico == "after",
    Check.CONFIG_HELD: lambda asked: asked.view.around.held,
}
"""The others hold always: they ask about what the model leaves out, or what another model judges."""


def known(checks: tuple[Check, ...]) -> Means:
    """Return what must hold for checks to hold, of those that the model knows."""
    return tuple(MEANS[check] for check in checks if check in MEANS)
