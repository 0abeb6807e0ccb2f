"""What the report page of a whole stack's plan shows, as rows of values; how it looks is the template's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from upgrade_plans.canonical import digest
from upgrade_plans.models.certificate import Summary
from upgrade_plans.models.claims import INHERITED
from upgrade_plans.models.upgrade import Alternative, Phase, Step, Upgrade
from upgrade_plans.models.upgradekinds import StepKind
from upgrade_plans.planner.estimate import Estimate
from upgrade_plans.rollback import Blocked, lossy, points_of_no_return
from upgrade_plans.upgradetext import included
from upgrade_plans.upgradetree import prices, sources, units, way_back
from upgrade_plans.versionmatrix import Matrix, matrix

DAY, HOUR = 86_400, 3_600
TICKS = 15
"""At most so many marks on the time's axis."""


@dataclass(frozen=True)
class Span:
    """A stretch of a phase in which one sort of thing is done: `work`, `soak`, `people` or `outage`; seconds from the begin."""

    sort: str
    begin: float
    end: float


@dataclass(frozen=True)
class Bar:
    """A phase on the timeline, in seconds from the begin: p50 of its begin and end, and p95 of its end.

    `returns` are its points of no return: step, and p50 of its end.
    """

    phase: Phase
    number: int
    begin: float
    end: float
    latest: float
    spans: tuple[Span, ...]
    returns: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class StepRow:
    """A step: its phase, whom it takes, p50 of its begin, p50 and p95 of its end (seconds from the begin), its way back."""

    step: Step
    phase: str
    on: str
    begin: float
    end: float
    latest: float
    back: str


@dataclass(frozen=True)
class Dip:
    """What a step over workers leaves of each row: `stays` by row; `emptied`, or else cordoned only."""

    step: str
    emptied: bool
    begin: float
    end: float
    stays: Mapping[str, int]


@dataclass(frozen=True)
class Capacity:
    """Workers that are up, by row, and each step that takes some of them out."""

    rows: Mapping[str, int]
    dips: tuple[Dip, ...]


@dataclass(frozen=True)
class Exposure:
    """A step while which one more of these faults would stop a service, what is wrong from the start (`inherited`); p50."""

    step: str
    faults: tuple[str, ...]
    seconds: float
    inherited: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """Everything on the page. `span`: the p95 of the whole, or one second; `ticks`: marks of the axis (seconds, text).

    `proof` is what the plan's certificate states, if one was given; `exposures` are its own, in the plan's order. `prices`: of
    this plan, then of others for the same target.
    """

    plan: Upgrade
    digest: str
    workers: int
    p50: float
    p95: float
    span: float
    ticks: tuple[tuple[int, str], ...]
    bars: tuple[Bar, ...]
    matrix: Matrix
    capacity: Capacity
    steps: tuple[StepRow, ...]
    returns: tuple[Blocked, ...]
    lossy: tuple[tuple[str, str], ...]
    proof: Summary | None
    exposures: tuple[Exposure, ...]
    prices: tuple[Alternative, ...]
    sources: str


def report(plan: Upgrade, made: Estimate, proof: Summary | None = None) -> Report:
    """Return what the page shows of a plan; `made`: its steps' times. Pure: the same plan and times give the same page."""
    span = max(made.p95, 1.0)
    steps = tuple(_steps(plan, made))
    times = {row.step.id: (row.begin, row.end) for row in steps}
    return Report(
        plan, digest(plan), sum(group.count for group in plan.workers), made.p50, made.p95, span, tuple(ticks(span)),
        tuple(_bars(plan, made, times)), matrix(plan), capacity(plan, times), steps, tuple(points_of_no_return(plan)),
        tuple(lossy(plan)), proof, tuple(_exposures(plan, proof)) if proof else (), prices(plan, made),
        f"{sources(made)}, {included(plan)}",
    )  # fmt: skip


def ticks(span: float) -> Iterator[tuple[int, str]]:
    """Yield marks of an axis of so many seconds: whole hours or days, few enough to be read."""
    unit, letter = (DAY, "d") if span > 3 * DAY else (HOUR, "h") if span > 2 * HOUR else (60, "min")
    every = max(1, -int(-(span / unit) // TICKS))
    for number in range(0, int(span / unit) + 1, every):
        yield number * unit, f"{number} {letter}"


def _steps(plan: Upgrade, made: Estimate) -> Iterator[StepRow]:
    for phase in plan.phases:
        for step in phase.steps:
            end, latest = made.ends[step.id]
            yield StepRow(step, phase.id, units(plan, step), made.begins[step.id][0], end, latest, way_back(step))


def _bars(plan: Upgrade, made: Estimate, times: Mapping[str, tuple[float, float]]) -> Iterator[Bar]:
    sorts = dict(_sorts(plan))
    begin = 0.0
    for number, phase in enumerate(plan.phases, 1):
        end, latest = made.ends[phase.steps[-1].id] if phase.steps else (begin, begin)
        spans = list[Span]()
        for step in phase.steps:
            sort, (first, last) = sorts[step.id], times[step.id]
            if spans and spans[-1].sort == sort and spans[-1].end == first:
                first = spans.pop().begin
            spans.append(Span(sort, first, last))
        returns = tuple((step.id, times[step.id][1]) for step in phase.steps if step.blocks)
        yield Bar(phase, number, begin, end, latest, tuple(spans), returns)
        begin = end


def _sorts(plan: Upgrade) -> Iterator[tuple[str, str]]:
    """Yield each step with what it looks like on the timeline; a declared stop lasts up to the step that ends it."""
    until = ""
    for step in plan.steps:
        if step.outage:
            until = step.outage.until
        usual = {StepKind.SOAK: "soak", StepKind.CHECK: "people"}.get(step.kind, "work")
        yield step.id, "outage" if until else usual
        if step.id == until:
            until = ""


def _exposures(plan: Upgrade, proof: Summary) -> Iterator[Exposure]:
    faults: dict[str, list[str]] = {}
    for one in proof.exposures:
        faults.setdefault(one.step, []).append(one.fault)
    for step in plan.steps:
        if step.id in faults:
            kinds = dict.fromkeys(faults[step.id])
            yield Exposure(step.id, tuple(kind for kind in kinds if kind not in INHERITED), step.duration.p50,
                           tuple(kind for kind in kinds if kind in INHERITED))  # fmt: skip


def capacity(plan: Upgrade, times: Mapping[str, tuple[float, float]]) -> Capacity:
    """Return how many workers of each row stay in use while steps take some out: as many are in hand as may be."""
    groups = {group.id: group for group in plan.workers}
    rows: Counter[str] = Counter()
    for group in plan.workers:
        rows[group.row] += 0 if group.down else group.count
    dips = []
    for step in plan.steps:
        if step.kind not in (StepKind.WORKERS, StepKind.CALICO_NODES):
            continue
        taken: Counter[str] = Counter()
        for name, count in step.takes.items():
            if name in groups:
                taken[groups[name].row] += count
        most = min(step.window, step.per_row or step.window)
        stays = {row: rows[row] - min(most, taken[row]) for row in sorted(rows)}
        dips.append(Dip(step.id, step.kind is StepKind.WORKERS, *times[step.id], stays))
    return Capacity(dict(sorted(rows.items())), tuple(dips))
