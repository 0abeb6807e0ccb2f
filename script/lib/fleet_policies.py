"""Other tools' rollout policies under the common step-time model: the defaults of their sources, within the same floors.

Each takes groups and limits of one pass and returns its makespan in seconds.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from upgrade_plans.planner.rolling import Window
from upgrade_plans.planner.rollout import Rollout
from upgrade_plans.planner.windows import StepTimes, play

VALIDATE = 30.0
"""kops: `--node-interval` 15 s, and the cluster must validate twice in a row, 15 s apart here; up to 15 min in its code."""
SERIAL = 0.2
"""kubespray: `serial: 20%` of the workers, each batch ends with its slowest node."""


def kops(rollout: Rollout, times: StepTimes, rng: Random) -> float:
    """One node after the other (maxUnavailable 1), the cluster validated after each."""
    every = (nodes for nodes, count in rollout.groups for _ in range(count))
    return sum(times.draw(nodes, rng) + VALIDATE for nodes in every)


def kubespray(rollout: Rollout, times: StepTimes, rng: Random) -> float:
    """Batches of 20 %, but no more than the floors let go, each of which ends with its slowest node."""
    window, total = Window(rollout.groups, rollout.limits), 0.0
    most = max(1, int(SERIAL * window.left))
    while window.left:
        batch: list[int] = []
        while len(batch) < most and (index := window.pick()) is not None:
            window.begin(index)
            batch.append(index)
        total += max(times.draw(rollout.groups[index][0], rng) for index in batch)
        for index in batch:
            window.end(index)
    return total


def cluster_api(rollout: Rollout, times: StepTimes, rng: Random) -> float:
    """One MachineDeployment (a taint group) after the other, the topology controller's default; each rolls within its floor."""
    total = 0.0
    for taints in sorted({nodes.taints for nodes, _ in rollout.groups}):
        takes = tuple((i, count) for i, (nodes, count) in enumerate(rollout.groups) if nodes.taints == taints)
        part = replace(rollout, batches=())
        total += play(part.groups, part.limits, takes, sum(count for _, count in takes), times, rng)
    return total


PASSES = {"kops": 3, "kubespray": 3, "Cluster API": 2}
"""From 1.7 to 1.10: the first two go minor by minor; chained upgrades of Cluster API skip where skew lets workers."""
PEERS = {"kops": kops, "kubespray": kubespray, "Cluster API": cluster_api}
