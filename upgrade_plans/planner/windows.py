"""How long a pass takes when every node takes its own time: the rolling window played through, often, with stragglers."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from math import exp, log, sqrt
from random import Random

from upgrade_plans.planner.rolling import Window
from upgrade_plans.planner.rollout import Batch, Group, Limit, Nodes, Rollout

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

    @cached_property
    def _scatter(self) -> tuple[float, float, float]:
        """Return by what the mean of all is the mean of those that do not straggle, and mu and sigma of their logarithms."""
        sigma2 = log(1 + self.variation**2)
        return 1 + self.stragglers * (self.factor - 1), -sigma2 / 2, sqrt(sigma2)

    def draw(self, nodes: Nodes, rng: Random) -> float:
        """Return how long one node takes this time, in seconds."""
        more, mu, sigma = self._scatter
        time = nodes.seconds / more * exp(rng.gauss(mu, sigma))
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
    return rollout.soaks + sum(next(batch_times(rollout, batch, times, rng)) for batch in rollout.batches)


def batch_times(rollout: Rollout, batch: Batch, times: StepTimes, rng: Random, *, played: int = MOST_PLAYED) -> Iterator[float]:
    """Yield how long a batch takes, in seconds, time after time; one of more than `played` nodes is drawn from its sums."""
    groups, found, takes = _of_batch(rollout, batch)
    if batch.size > played:
        yield from _large(groups, found, takes, batch.window, times, rng)
    while True:
        yield play(groups, found, takes, batch.window, times, rng)


def _of_batch(rollout: Rollout, batch: Batch) -> tuple[list[Group], list[Limit], list[tuple[int, int]]]:
    """Return the groups that a batch takes of, and the limits that they are under, as if there were no others."""
    places = {index: place for place, (index, _) in enumerate(batch.takes)}
    groups = [rollout.groups[index] for index in places]
    here = ((limit, tuple(places[index] for index in limit.groups if index in places)) for limit in rollout.limits)
    found = [replace(limit, groups=members) for limit, members in here if members]
    return groups, found, [(places[index], count) for index, count in batch.takes]


def _large(
    groups: Sequence[Group], found: Sequence[Limit], takes: Sequence[tuple[int, int]], width: int, times: StepTimes, rng: Random
) -> Iterator[float]:
    """Yield about how long a large batch takes: its tightest limit's work, a normal sum, and the wait for the last node.

    In a window that never starves a limit's places are all in use until nothing waits; what is then left of the nodes in work
    ends with the one that has most of its time before it.
    """
    counts = [count for _, count in takes]
    several, sums_of = range(len(groups)), list(accumulate(counts))
    spread = times.spread**2
    sums: list[tuple[float, float, int]] = []
    for limit in found:
        work = [(groups[index][0].seconds, counts[index]) for index in limit.groups]
        mean = sum(seconds * count for seconds, count in work)
        sums.append((mean, sqrt(sum(seconds**2 * count for seconds, count in work) * spread), limit.allowed))
    while True:
        longest = max([0.0, *((mean + rng.gauss(0, sigma)) / allowed for mean, sigma, allowed in sums)])
        last = rng.choices(several, cum_weights=sums_of, k=min(width, MOST_PLAYED))
        left = [times.draw(groups[index][0], rng) * rng.random() for index in last]
        yield longest + max(left) - sum(left) / len(left)


def percentiles(samples: Sequence[float], *wanted: int) -> tuple[float, ...]:
    """Return percentiles of samples, each one of them."""
    ordered = sorted(samples)
    return tuple(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] for percent in wanted)


def estimate(rollout: Rollout, times: StepTimes, *, runs: int = 50, seed: int = 1) -> tuple[float, float]:
    """Return the pass's p50 and p95 in seconds. The same arguments give the same answer."""
    rng = Random(seed)  # noqa: S311 - a simulation
    return percentiles([makespan(rollout, times, rng) for _ in range(runs)], 50, 95)  # type: ignore[return-value]
