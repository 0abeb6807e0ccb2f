"""How long a pass takes when every node takes its own time: the rolling window played through, often, with stragglers."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from random import Random

from upgrade_plans.planner.rollout import Batch, Group, Limit, Nodes, Rollout, Window

MOST_PLAYED = 3_000
"""Nodes of a batch that are played through one by one; the time of a larger one is drawn from its sums."""


@dataclass(frozen=True)
class StepTimes:
    """How node times scatter: lognormal around the mean with a coefficient of variation, and some take many times as long.

    `stragglers` is their share, `factor` how many times as long they take. The mean of all draws is `Nodes.seconds`.
    """

    variation: float = 0.25
    stragglers: float = 0.01
    factor: float = 4.0

    @property
    def spread(self) -> float:
        """Return the standard deviation of a draw as a share of its mean."""
        base = 1 / (1 + self.stragglers * (self.factor - 1))
        second = base**2 * (1 + self.variation**2) * (1 + self.stragglers * (self.factor**2 - 1))
        return sqrt(second - 1)

    def draw(self, nodes: Nodes, rng: Random) -> float:
        """Return how long one node takes this time, in seconds."""
        sigma2 = log(1 + self.variation**2)
        mean = nodes.seconds / (1 + self.stragglers * (self.factor - 1))
        time = mean * exp(rng.gauss(-sigma2 / 2, sqrt(sigma2)))
        return time * self.factor if rng.random() < self.stragglers else time


def play(groups: Sequence[Group], found: Sequence[Limit], takes: Sequence[tuple[int, int]], width: int,
         times: StepTimes, rng: Random) -> float:  # fmt: skip
    """Return how long a batch takes, in seconds: nodes begin as soon as the width and the limits let them."""
    window = Window(groups, found, takes)
    running: list[tuple[float, int]] = []
    now = 0.0
    while window.left or running:
        while len(running) < width and (index := window.pick()) is not None:
            window.begin(index)
            heapq.heappush(running, (now + times.draw(groups[index][0], rng), index))
        now, index = heapq.heappop(running)
        window.end(index)
    return now


def makespan(rollout: Rollout, times: StepTimes, rng: Random) -> float:
    """Return how long the pass takes this time, in seconds, with its soaks."""
    return rollout.soaks + sum(batch_time(rollout, batch, times, rng) for batch in rollout.batches)


def batch_time(rollout: Rollout, batch: Batch, times: StepTimes, rng: Random, *, played: int = MOST_PLAYED) -> float:
    """Return how long a batch takes this time, in seconds; one of more than `played` nodes is drawn from its sums."""
    if batch.size > played:
        return _large(rollout, batch, times, rng)
    return play(rollout.groups, rollout.limits, batch.takes, batch.window, times, rng)


def _large(rollout: Rollout, batch: Batch, times: StepTimes, rng: Random) -> float:
    """Return about how long a large batch takes: its tightest limit's work, a normal sum, and the wait for the last node.

    In a window that never starves a limit's places are all in use until nothing waits; what is then left of the nodes in work
    ends with the one that has most of its time before it.
    """
    taken = dict(batch.takes)
    spread = times.spread**2
    longest = 0.0
    for limit in rollout.limits:
        work = [(rollout.groups[index][0].seconds, taken.get(index, 0)) for index in limit.groups]
        mean = sum(seconds * count for seconds, count in work)
        sigma = sqrt(sum(seconds**2 * count for seconds, count in work) * spread)
        longest = max(longest, (mean + rng.gauss(0, sigma)) / limit.allowed)
    last = [rollout.groups[index][0] for index in rng.choices(list(taken), list(taken.values()), k=batch.window)]
    left = [times.draw(nodes, rng) * rng.random() for nodes in last]
    return longest + max(left) - sum(left) / len(left)


def percentiles(samples: Sequence[float], *wanted: int) -> tuple[float, ...]:
    """Return percentiles of samples, each one of them."""
    ordered = sorted(samples)
    return tuple(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] for percent in wanted)


def estimate(rollout: Rollout, times: StepTimes, *, runs: int = 50, seed: int = 1) -> tuple[float, float]:
    """Return the pass's p50 and p95 in seconds. The same arguments give the same answer."""
    rng = Random(seed)  # noqa: S311 - a simulation
    return percentiles([makespan(rollout, times, rng) for _ in range(runs)], 50, 95)  # type: ignore[return-value]
