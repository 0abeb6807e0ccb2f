"""Which versions of each component are in use at the start and after each phase of a whole stack's plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from upgrade_plans.models.upgrade import Step, Upgrade
from upgrade_plans.models.upgradekinds import StepKind, Store

Units = dict[str, dict[str, Counter[str]]]
"""By component and by what is taken (a host, a group): how many units run which version."""
MANAGERS = ("kube-controller-manager", "kube-scheduler")
MOVERS: dict[StepKind, tuple[str, ...]] = {
    StepKind.APISERVER: ("kube-apiserver",), StepKind.MANAGERS: MANAGERS, StepKind.WORKERS: ("kubelet", "kube-proxy"),
    StepKind.ETCD_HOP: ("etcd",), StepKind.CALICO_NODES: ("calico-node",), StepKind.TILLERS: ("tiller",), StepKind.CLIENTS: (),
}  # fmt: skip
"""Kinds that bring components to another version, and which those are where the step does not name them."""
ORDER = ("etcd", "data of kubernetes", "data of calico", "kube-apiserver", *MANAGERS, "kubelet", "kube-proxy",
         "calico-node")  # fmt: skip
"""Columns that come first; the others follow by name."""


@dataclass(frozen=True)
class Cell:
    """How many units run which version, the commonest first; whether that is new in this row."""

    versions: tuple[tuple[str, int], ...]
    new: bool

    @property
    def text(self) -> str:
        """Return it in words: one version alone, or each with its number."""
        if len(self.versions) == 1:
            return self.versions[0][0]
        return ", ".join(f"{count} × {version}" for version, count in self.versions)


@dataclass(frozen=True)
class Matrix:
    """Components, and for the start (an empty name) and each phase in which something moves, a cell for each."""

    components: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def matrix(plan: Upgrade) -> Matrix:
    """Return the versions over time, as the plan's steps say they move."""
    units = _start(plan)
    found = [name for name in ORDER if name in units]
    found += sorted(name for name in units if name not in found)
    before = _counted(units, found)
    rows = [("", tuple(Cell(versions, new=False) for versions in before))]
    for phase in plan.phases:
        for step in phase.steps:
            move(units, step)
        now = _counted(units, found)
        if now != before:
            rows.append((phase.id, tuple(Cell(new, new != old) for old, new in zip(before, now, strict=True))))
        before = now
    return Matrix(tuple(found), tuple(rows))


def _start(plan: Upgrade) -> Units:
    units: Units = {}
    for name, count, component, version in _found(plan):
        units.setdefault(component, {}).setdefault(name, Counter())[version] += count
    return units


def _found(plan: Upgrade) -> Iterator[tuple[str, int, str, str]]:
    for host in plan.hosts:
        yield from ((host.node, 1, part, one.running) for part, one in host.daemons.items() if one.running)
    for group in plan.workers:
        yield from ((group.id, group.count, part, one.running) for part, one in group.daemons.items() if one.running)
    for some in plan.tillers:
        yield some.id, len(some.namespaces), "tiller", some.version
    for name, store in (("kubernetes", plan.stores.kubernetes), ("calico", plan.stores.calico)):
        if store:
            yield "", 1, f"data of {name}", store


def move(units: Units, step: Step) -> None:
    """Let the units that a step takes run its `to`: those of its `from` first."""
    if step.kind is StepKind.SWITCH_STORE:
        _bring(units, "data of kubernetes", "", 1, None, Store.V3)
    elif step.kind is StepKind.CALICO_COMPLETE:
        _bring(units, "data of calico", "", 1, None, Store.V3)
    elif step.kind in MOVERS and step.to:
        for part in step.moves or MOVERS[step.kind] or (step.component,):
            for name, count in step.takes.items():
                _bring(units, part, name, count, step.from_, step.to)


def _bring(units: Units, part: str, name: str, count: int, old: str | None, new: str) -> None:
    here = units.get(part, {}).get(name)
    if here is None:
        return
    for version in sorted(here, key=lambda one: (one != old, one)):
        moved = min(count, here[version]) if version != new else 0
        here[version] -= moved
        here[new] += moved
        count -= moved


def _counted(units: Units, components: list[str]) -> list[tuple[tuple[str, int], ...]]:
    sums = [sum(units[name].values(), Counter()) for name in components]
    return [tuple(sorted(one.items(), key=lambda item: (-item[1], item[0]))) for one in sums]
