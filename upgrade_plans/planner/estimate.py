"""How long a plan takes: its graph drawn many times, each step from its own distribution, with stragglers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, log
from random import Random
from typing import Any, Protocol

from upgrade_plans.models.plan import Duration
from upgrade_plans.models.upgradekinds import StepKind
from upgrade_plans.planner.calendar import Calendar
from upgrade_plans.planner.windows import percentiles

Z95 = 1.6448536269514722
"""The 95th percentile of the standard normal distribution."""
FEW = 200
"""How often a plan is drawn where only its price is asked for: the p95 then differs by some percent from that of many draws."""
STRAGGLERS, FACTOR = 0.01, 4.0
"""How many steps hang in something that nobody measured, and how many times as long they take then."""


class Timed(Protocol):
    """What is known of a step here; the steps of both formats of a plan are such."""

    @property
    def id(self) -> str:
        """Return its name."""

    @property
    def kind(self) -> str:
        """Return what it does."""

    @property
    def requires(self) -> tuple[str, ...]:
        """Return the steps that must have ended."""

    @property
    def duration(self) -> Duration:
        """Return its median and 95th percentile."""


@dataclass(frozen=True)
class Estimate:
    """The p50 and p95 of the whole, in seconds from its begin, and of the moments when each step begins and ends."""

    p50: float
    p95: float
    begins: Mapping[str, tuple[float, float]]
    ends: Mapping[str, tuple[float, float]]
    learned: int = 0
    """From how many steps of earlier runs the times come, beside the priors."""

    def values(self) -> dict[str, Any]:
        """Return it as JSON values, times in seconds."""
        begins, ends = (
            {name: {"p50": p50, "p95": p95} for name, (p50, p95) in times.items()} for times in (self.begins, self.ends)
        )
        return {"p50": self.p50, "p95": self.p95, "learned": self.learned, "begins": begins, "ends": ends}


def draw(duration: Duration, rng: Random) -> float:
    """Return how long a step takes this time: lognormal through its p50 and p95, or as a straggler."""
    if duration.p50 <= 0:
        return duration.p95 * rng.random()
    sigma = max(0.0, log(max(duration.p95, duration.p50) / duration.p50) / Z95)
    time = duration.p50 * exp(rng.gauss(0, sigma))
    return time * FACTOR if rng.random() < STRAGGLERS else time


def _drawn(step: Timed, rng: Random) -> float:
    # Nobody watches longer because something hangs: the clock ends a soak.
    return step.duration.p50 if step.kind == StepKind.SOAK else draw(step.duration, rng)


def estimate(
    steps: Iterable[Timed], *, runs: int = 1000, seed: int = 1, parallel: bool = False, calendar: Calendar | None = None
) -> Estimate:
    """Return how long steps take that are carried out in this order, one after the other: as the executor does.

    `parallel`: a step begins when all that it `requires` have ended, whatever else is in work. `calendar`: when steps may
    begin, if not at any time. The same arguments give the same answer.
    """
    listed, rng = list(steps), Random(seed)  # noqa: S311 - a simulation
    begun: dict[str, list[float]] = {step.id: [] for step in listed}
    ends: dict[str, list[float]] = {step.id: [] for step in listed}
    whole = []
    for _ in range(runs):
        now, ended = 0.0, dict[str, float]()
        for step in listed:
            begins = max((ended[needed] for needed in step.requires if needed in ended), default=0.0) if parallel else now
            if calendar is not None:
                begins = calendar.begins(step.id, begins)
            begun[step.id].append(begins)
            now = ended[step.id] = begins + _drawn(step, rng)
            ends[step.id].append(now)
        whole.append(max(ended.values(), default=0.0))
    p50, p95 = percentiles(whole, 50, 95)
    return Estimate(p50, p95, _spread(begun), _spread(ends))


def _spread(times: Mapping[str, list[float]]) -> dict[str, tuple[float, float]]:
    """Return the p50 and p95 of each step's times."""
    return {name: (found[0], found[1]) for name, drawn in times.items() for found in [percentiles(drawn, 50, 95)]}
