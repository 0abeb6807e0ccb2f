"""Who serves at a place of a whole stack's plan: etcd's majority, the pool, and what one more fault would be too much of."""

from __future__ import annotations

from collections.abc import Iterator

from upgrade_plans.models.upgradekinds import Service
from upgrade_plans.prover.wholerecords import Key, WholeCase
from upgrade_plans.prover.wholestate import View
from upgrade_plans.prover.wholeversions import Clause


def exposed(case: WholeCase, view: View) -> Iterator[str]:
    """Yield a fault of what would, one more, take etcd's majority, or the pool below its threshold or its last server;
    and a reboot that would start an API server on another store, as it would have before the plan.
    """
    members, servers, balancer = case.members, case.apiservers, case.plan.balancer
    stopped = case.stopped(view.around)
    if members and Service.ETCD not in stopped:
        up = sum(key in view.there.up for key in members)
        if len(members) - up == 1 and up - 1 < len(members) // 2 + 1:
            yield "node"
    if len(servers) > 1 and Service.APISERVERS not in stopped:
        pooled = len(_pooled(case, view))
        threshold = balancer.threshold if balancer is not None else 0.0
        if pooled < len(servers) and (pooled < 2 or (pooled - 1) / len(servers) < threshold):
            yield "host"
    astray = case.astray if view.step is not None else frozenset()
    if astray and any((key, one) in astray for key in servers for one in view.there.may[key]):
        yield "reboot"


def off(case: WholeCase, view: View) -> bool:
    """Say whether an outage excuses that no API server serves."""
    return Service.APISERVERS in case.stopped(view.around)


def _pooled(case: WholeCase, view: View) -> list[Key]:
    return [key for key in case.apiservers if key in view.there.up and key[1] not in view.around.depooled]


def quorum(case: WholeCase, view: View) -> Iterator[Clause]:
    """Yield what members that are down violate."""
    members = case.members
    if not members or Service.ETCD in case.stopped(view.around):
        return
    up = sum(key in view.there.up for key in members)
    if up < len(members) // 2 + 1 and len(members) > 1:
        yield "etcd-quorum", "majority", ("etcd-quorum",)
    if len(members) - up > 1:
        yield "etcd-quorum", "two", ("etcd-rolling",)


def served(case: WholeCase, view: View) -> Iterator[Clause]:
    """Yield what API servers that are not in the pool violate, or one that is handled in it."""
    servers, balancer = case.apiservers, case.plan.balancer
    if len(servers) < 2 or off(case, view):
        return
    pooled = _pooled(case, view)
    if not pooled:
        yield "outage", "undeclared", ()
    if balancer is not None:
        if len(pooled) / len(servers) < balancer.threshold:
            yield "lb-threshold", "below", ()
        if any(key in view.hand and key[1] not in view.around.depooled for key in servers):
            yield "lb-threshold", "pooled", ()
