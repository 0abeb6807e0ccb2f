"""What more passes over the workers than are needed cost: of a plan by the planner none, of one written by hand perhaps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubedeb.knowledge import Knowledge
from kubedeb.versions import Version, is_version
from upgrade_plans.models.upgrade import Daemon, Step, Upgrade
from upgrade_plans.models.upgradekinds import StepKind
from upgrade_plans.planner.climb import NoWay, climb
from upgrade_plans.planner.stack import Stack, Wish

GROUPS = {
    "apiservers": (StepKind.APISERVER, "kube-apiserver"),
    "managers": (StepKind.MANAGERS, "kube-controller-manager"),
    "workers": (StepKind.WORKERS, "kubelet"),
}
"""What moves with Kubernetes: the steps that move it, and the daemon whose version counts."""


@dataclass(frozen=True)
class PassPrice:
    """How often a worker is emptied, how often is enough, and how long the shortest of the others take (p50, seconds)."""

    made: int
    enough: int
    seconds: float
    beyond: tuple[str, ...]
    """The versions that those passes go to."""


def passes(plan: Upgrade) -> int:
    """Return how often the workers are emptied that are emptied most."""
    taken: dict[str, int] = {}
    for step in plan.steps:
        if step.kind is StepKind.WORKERS:
            for group, count in step.takes.items():
                taken[group] = taken.get(group, 0) + count
    return max((-(-taken.get(group.id, 0) // group.count) for group in plan.workers), default=0)


def price(plan: Upgrade, knowledge: Knowledge) -> PassPrice | None:
    """Return what the passes beyond those that are needed cost; None where there are none, or where it cannot be told."""
    made, least = passes(plan), enough(plan, knowledge)
    if least is None or made <= least:
        return None
    times: dict[str, float] = {}
    for phase in plan.phases:
        moved = [step.to for step in phase.steps if step.kind is StepKind.WORKERS and step.to]
        if moved:
            times[moved[-1]] = times.get(moved[-1], 0.0) + sum(step.duration.p50 for step in phase.steps)
    beyond = sorted(times, key=lambda version: times[version])[: made - least]
    return PassPrice(made, least, sum(times[version] for version in beyond), tuple(beyond))


def enough(plan: Upgrade, knowledge: Knowledge) -> int | None:
    """Return in how many passes Kubernetes can come from the plan's start to its end, by the rows of skew."""
    begin: dict[str, Version] = {}
    end: dict[str, Version] = {}
    for name, (kind, component) in GROUPS.items():
        there = [one.daemons for one in plan.hosts if not one.frozen] + [one.daemons for one in plan.workers if not one.frozen]
        here = _versions(daemons.get(component) for daemons in there)
        if here:
            begin[name] = min(here)
            end[name] = max([begin[name], *_versions_of(step for step in plan.steps if step.kind is kind)])
    if "workers" not in begin or "apiservers" not in begin:
        return None
    way = climb(Stack.of(begin), Wish(Stack.of(end)), knowledge)
    return None if isinstance(way, NoWay) else way.drains


def _versions(daemons: Iterable[Daemon | None]) -> list[Version]:
    texts = [one.running or one.installed for one in daemons if one is not None]
    return [Version.parse(text) for text in texts if text and is_version(text)]


def _versions_of(steps: Iterable[Step]) -> list[Version]:
    return [Version.parse(step.to) for step in steps if step.to and is_version(step.to)]
