"""How long a plan takes: its graph drawn many times, each step from its own distribution, with stragglers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, log
from random import Random

from upgrade_plans.models.plan import Duration, Step
from upgrade_plans.planner.windows import percentiles

Z95 = 1.6448536269514722
"""The 95th percentile of the standard normal distribution."""
STRAGGLERS, FACTOR = 0.01, 4.0
"""How many steps hang in something that nobody measured, and how many times as long they take then."""


@dataclass(frozen=True)
class Estimate:
    """The p50 and p95 of the whole, in seconds from its begin, and of the moment when each step ends."""

    p50: float
    p95: float
    ends: Mapping[str, tuple[float, float]]


def draw(duration: Duration, rng: Random) -> float:
    """Return how long a step takes this time: lognormal through its p50 and p95, or as a straggler."""
    if duration.p50 <= 0:
        return duration.p95 * rng.random()
    sigma = max(0.0, log(max(duration.p95, duration.p50) / duration.p50) / Z95)
    time = duration.p50 * exp(rng.gauss(0, sigma))
    return time * FACTOR if rng.random() < STRAGGLERS else time


def estimate(steps: Iterable[Step], *, runs: int = 1000, seed: int = 1, parallel: bool = False) -> Estimate:
    """Return how long steps take that are carried out in this order, one after the other: as the executor does.

    `parallel`: a step begins when all that it `requires` have ended, whatever else is in work. The same arguments give the same
    answer.
    """
    listed, rng = list(steps), Random(seed)  # noqa: S311 - a simulation
    ends: dict[str, list[float]] = {step.id: [] for step in listed}
    whole = []
    for _ in range(runs):
        now, ended = 0.0, dict[str, float]()
        for step in listed:
            begins = max((ended[needed] for needed in step.requires if needed in ended), default=0.0) if parallel else now
            now = ended[step.id] = begins + draw(step.duration, rng)
            ends[step.id].append(now)
        whole.append(max(ended.values(), default=0.0))
    p50, p95 = percentiles(whole, 50, 95)
    return Estimate(
        p50, p95, {name: (found[0], found[1]) for name, times in ends.items() for found in [percentiles(times, 50, 95)]}
    )
