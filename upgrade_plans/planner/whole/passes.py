"""Passes over counted nodes within all limits: over workers that are emptied, and over nodes whose network is replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from random import Random

from upgrade_plans.models.cluster import NO_GROUP
from upgrade_plans.models.kubefacts import DisruptionBudget, Workload, WorkloadKind
from upgrade_plans.models.plan import Duration
from upgrade_plans.models.upgrade import Bound
from upgrade_plans.models.upgradekinds import Mode
from upgrade_plans.models.words import nodes_of, seconds
from upgrade_plans.planner.reasons import Reason, RefusedError
from upgrade_plans.planner.rollout import Batch, Budget, Floor, Kind, Limit, Nodes, Policy, Rollout, roll_out
from upgrade_plans.planner.whole.survey import Crowd, Survey
from upgrade_plans.planner.whole.wishes import Request
from upgrade_plans.planner.windows import StepTimes, batch_times, percentiles

TIMES = StepTimes()
DRAWS, PLAYED = 9, 100
"""How often a batch is drawn, and up to how many nodes it is played through for it."""
GROWTH = {Mode.USUAL: 4, Mode.FAST: 8, Mode.CAREFUL: 2}


@dataclass(frozen=True)
class Portion:
    """A batch: how many of each crowd, how many at once, how long it takes, how long to watch it afterwards (seconds)."""

    takes: dict[str, int]
    window: int
    per_row: int | None
    bounds: tuple[Bound, ...]
    duration: Duration
    soak: int
    canary: bool


@dataclass(frozen=True)
class Needs:
    """By taint group: what its nodes can carry, and what is asked of them, in the scarcer resource."""

    loads: dict[str, int]
    """By crowd: what one of its nodes can carry."""
    requested: float
    largest: float
    resource: str
    row: float = 0.0
    """What the nodes of the row that carries most can carry: with `row_loss` it counts as requested."""


def portions(
    found: Survey, crowds: tuple[Crowd, ...], request: Request, *, mean: float, drains: bool, bgp: bool
) -> Iterator[Portion]:
    """Yield the batches of a pass over crowds, one node taking `mean` seconds. Raises `RefusedError` where no node may go."""
    capacity = needs(found) if drains else {}
    fleet: dict[Nodes, list[Crowd]] = {}
    for crowd in crowds:
        fleet.setdefault(_nodes(crowd, mean, capacity), []).append(crowd)
    policy = _policy(found, request, capacity, drains=drains, bgp=bgp)
    try:
        rollout = roll_out([(nodes, sum(crowd.count for crowd in some)) for nodes, some in fleet.items()], policy)
    except ValueError as error:
        raise RefusedError(Reason(
            f"no worker may be taken out: {error}",
            "Raise the limit (constraints of the cluster file, --max-unavailable …), add nodes, or lower what is asked for"
            f"{' (row_loss asks for as much as the largest row carries)' if found.cluster.constraints.row_loss else ''}.",
        )) from error  # fmt: skip
    left = {crowd.id: crowd.count for crowd in crowds}
    soak, rng = found.cluster.constraints.soak, Random(1)  # noqa: S311 - a simulation
    per_row, bounds = _per_row(rollout), _bounds(rollout, row_loss=found.cluster.constraints.row_loss)
    for number, batch in enumerate(rollout.batches):
        takes = _shared(rollout, batch, fleet, left)
        wait = 0 if request.mode is Mode.FAST else seconds(soak.batch if number else soak.canary)
        last = number == len(rollout.batches) - 1
        yield Portion(
            takes, max(1, batch.window), per_row, bounds, _time(rollout, batch, rng),
            0 if last else wait, canary=not number and not last,
        )  # fmt: skip


def _nodes(crowd: Crowd, mean: float, capacity: Mapping[str, Needs]) -> Nodes:
    here = capacity.get(crowd.traits.taint_group)
    load = float(here.loads.get(crowd.id, 1)) if here else 1.0
    one = crowd.traits
    return Nodes(one.row, one.rack, one.taint_group, one.hardware, one.architecture, mean, load)


def _shared(rollout: Rollout, batch: Batch, fleet: Mapping[Nodes, list[Crowd]], left: dict[str, int]) -> dict[str, int]:
    """Return how many of each crowd a batch takes: of crowds that the rollout counts as one, the first that are left."""
    takes: dict[str, int] = {}
    for index, count in batch.takes:
        for crowd in fleet[rollout.groups[index][0]]:
            part = min(count, left[crowd.id])
            if part:
                takes[crowd.id] = part
                left[crowd.id] -= part
                count -= part
    return takes


def _time(rollout: Rollout, batch: Batch, rng: Random) -> Duration:
    times = list(islice(batch_times(rollout, batch, TIMES, rng, played=PLAYED), DRAWS))
    p50, p95 = percentiles(times, 50, 95)
    return Duration(p50=round(p50, 1), p95=round(p95, 1))


def _per_row(rollout: Rollout) -> int | None:
    return min((limit.allowed for limit in rollout.limits if limit.kind in (Kind.ROW, Kind.BGP)), default=None)


def _bounds(rollout: Rollout, *, row_loss: bool) -> tuple[Bound, ...]:
    """Return the tightest limit of each kind, the one that the pass waits for most first."""
    tightest: dict[Kind, Limit] = {}
    for limit in rollout.limits:
        if limit.kind not in tightest or rollout.work(limit) > rollout.work(tightest[limit.kind]):
            tightest[limit.kind] = limit
    ranked = sorted(tightest.values(), key=lambda limit: (-rollout.work(limit), limit.kind))
    more = {Kind.CAPACITY: "; asked for is what the largest row carries too, which may be lost"} if row_loss else {}
    return tuple(
        Bound(kind=limit.kind, domain=limit.domain, allowed=limit.allowed, why=limit.why + more.get(limit.kind, ""))
        for limit in ranked
    )


# Limits.


def _policy(found: Survey, request: Request, capacity: Mapping[str, Needs], *, drains: bool, bgp: bool) -> Policy:
    limits, asked = found.cluster.constraints.unavailable, request.limits
    rows, racks, groups = _counts(found)
    total = asked.get("total") or limits.total
    row, rack = asked.get("row") or limits.row, asked.get("rack") or limits.rack
    group = asked.get("taint_group") or limits.taint_group
    per_row = {name: nodes_of(limits.rows.get(name) or row or str(count), count) for name, count in rows.items()}
    per_group = {
        name: nodes_of(share, count)
        for name, count in groups.items()
        if (share := limits.taint_groups.get(name) or (group if name != NO_GROUP else None))
    }
    return Policy(
        in_all=nodes_of(total, sum(rows.values())) if total else None,
        per_row=per_row if row or limits.rows else None,
        per_rack={name: nodes_of(rack, count) for name, count in racks.items()} if rack else None,
        per_taints=per_group,
        floors={name: Floor(need.requested, need.largest, need.resource) for name, need in capacity.items()} if drains else {},
        budgets=tuple(_budgets(found)) if drains else (),
        bgp=int(asked["bgp"]) if "bgp" in asked else found.cluster.constraints.bgp_per_row if bgp else None,
        growth=GROWTH[request.mode],
    )  # fmt: skip


def _counts(found: Survey) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    rows, racks, groups = dict[str, int](), dict[str, int](), dict[str, int]()
    for crowd in found.crowds:
        one = crowd.traits
        for counted, name in ((rows, one.row), (racks, f"{one.row}/{one.rack}"), (groups, one.taint_group)):
            counted[name] = counted.get(name, 0) + crowd.count
    return rows, racks, groups


def needs(found: Survey) -> dict[str, Needs]:
    """Return what each taint group must carry, in the resource of which fewer nodes are to spare; where a floor is asked.

    With `row_loss` and no floor all that is requested must stay.
    """
    row_loss = found.cluster.constraints.row_loss
    share = found.cluster.constraints.floor or ("1" if row_loss else None)
    workloads = found.facts.kubernetes.workloads if found.facts.kubernetes else ()
    if share is None or not workloads:
        return {}
    made: dict[str, Needs] = {}
    sizes = _counts(found)[2]
    for group in sorted({crowd.traits.taint_group for crowd in found.crowds}):
        here = [crowd for crowd in found.crowds if crowd.traits.taint_group == group]
        mine = [one for one in workloads if group in _groups(one, sizes)]
        able = [need for resource in ("cpu", "memory") if (need := _needs(here, mine, resource, float(share)))]
        if able:
            made[group] = min(able, key=lambda need: _spare(need, here))
            if row_loss:
                made[group] = replace(made[group], requested=made[group].requested + made[group].row)
    return made


def _groups(one: Workload, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """Return the taint groups that pods go to; a daemon set of more pods than those have nodes is everywhere."""
    groups = one.tolerates or (NO_GROUP,)
    more = one.kind is WorkloadKind.DAEMON_SET and one.replicas > sum(sizes.get(group, 0) for group in groups)
    return (NO_GROUP, *groups) if more else groups


def _needs(crowds: list[Crowd], workloads: list[Workload], resource: str, share: float) -> Needs | None:
    each = sum(getattr(one, resource) for one in workloads if one.kind is WorkloadKind.DAEMON_SET)
    loads = {crowd.id: crowd.facts.capacity.get(resource, 0) - each for crowd in crowds}
    mine = [one for one in workloads if one.kind is not WorkloadKind.DAEMON_SET]
    requested = share * sum(getattr(one, resource) * one.replicas for one in mine)
    largest = max((getattr(one, resource) for one in mine), default=0)
    rows: dict[str, float] = {}
    for crowd in crowds:
        rows[crowd.traits.row] = rows.get(crowd.traits.row, 0) + loads[crowd.id] * crowd.count
    needs = Needs(loads, requested, largest, resource, max(rows.values(), default=0))
    return needs if all(load > 0 for load in loads.values()) else None


def _spare(need: Needs, crowds: list[Crowd]) -> float:
    """Return how many nodes are to spare."""
    whole = sum(need.loads[crowd.id] * crowd.count for crowd in crowds)
    return (whole - need.requested - need.largest) / max(need.loads.values())


def needed(found: Survey, request: Request) -> dict[str, int]:
    """Return how many nodes of each taint group must be ready and schedulable, for the proof."""
    limits, asked = found.cluster.constraints.unavailable, request.limits
    capacity = needs(found)
    made: dict[str, int] = {}
    for group, count in _counts(found)[2].items():
        if group in capacity:
            need = capacity[group]
            made[group] = min(count - 1, -int(-(need.requested + need.largest) // min(need.loads.values())))
        else:
            share = (
                asked.get("taint_group")
                or limits.taint_groups.get(group)
                or limits.taint_group
                or asked.get("total")
                or limits.total
            )
            made[group] = max(0, count - 1 - nodes_of(share, count)) if share else 0
    return made


def _budgets(found: Survey) -> Iterator[Budget]:
    if found.facts.kubernetes is None:
        return
    workloads = {(one.namespace, one.name): one for one in found.facts.kubernetes.workloads}
    for budget in found.facts.kubernetes.budgets:
        mine = [one for name in budget.workloads if (one := workloads.get((budget.namespace, name)))]
        groups = {group for one in mine for group in one.tolerates or (NO_GROUP,)}
        if mine and len(groups) == 1:
            pods = sum(one.replicas for one in mine)
            yield Budget(f"{budget.namespace}/{budget.name}", groups.pop(), pods, allowed(budget, pods))


def allowed(budget: DisruptionBudget, pods: int) -> int:
    """Return how many of a budget's pods may be gone at full health; percentages of what must stay are rounded up."""
    if budget.max_unavailable is not None:
        return (
            -(-pods * int(budget.max_unavailable[:-1]) // 100)
            if budget.max_unavailable.endswith("%")
            else int(budget.max_unavailable)
        )
    text = budget.min_available or "0"
    return pods - (-(-pods * int(text[:-1]) // 100) if text.endswith("%") else int(text))
