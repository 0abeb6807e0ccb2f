"""A made-up fleet of any size, the same for the same seed: workers in 40 rows, of 12 hardware classes, and what runs on them.

30 pods a node of 2,000 workloads, 500 of which have a disruption budget.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from upgrade_plans.planner.rollout import Budget, Floor, Group, Nodes, Policy

ROWS, RACKS, CLASSES, WORKLOADS, BUDGETS, PODS = 40, 8, 12, 2_000, 500, 30
TAINTS = {"": 0.7, "storage": 0.12, "batch": 0.1, "gpu": 0.05, "edge": 0.03}
SHARE = {"": 0.02, "storage": 0.04, "batch": 0.05, "gpu": 0.06, "edge": 0.1}
"""How many of each taint group's nodes its capacity floor lets go at once."""
NODE_SECONDS = 300.0
"""A node's mean time: drain, packages, restart, Ready. Published: four to five minutes at best (GKE, one at a time)."""
CORES = (16, 24, 32, 48)


@dataclass(frozen=True)
class MadeFleet:
    """Groups of nodes, the policy that its operators ask for, and the pods of each workload by taint group."""

    groups: tuple[Group, ...]
    policy: Policy
    pods: dict[str, dict[str, int]]


def make(nodes: int, *, seed: int = 7, soak: float = 600.0) -> MadeFleet:
    """Return a fleet of so many workers."""
    rng = Random(seed)  # noqa: S311 - a generator of cases
    hardware = [(f"hw{number:02}", "arm64" if number % 6 == 5 else "amd64", CORES[number % 4], 0.7 + 0.06 * number)
                for number in range(CLASSES)]  # fmt: skip
    weights = [rng.uniform(1, 4) for _ in range(CLASSES)]
    names, cuts = list(TAINTS), list(accumulate(TAINTS.values()))
    counted: Counter[Nodes] = Counter()
    for number in range(nodes):
        name, architecture, cores, slow = rng.choices(hardware, weights)[0]
        taints = names[next(i for i, cut in enumerate(cuts) if (number * 0.618034) % 1 < cut)]
        row, rack = number % ROWS, number // ROWS % max(RACKS, nodes // (ROWS * 25))
        counted[Nodes(f"row{row:02}", f"rack{rack}", taints, name, architecture, NODE_SECONDS * slow, cores)] += 1
    groups = tuple(sorted(counted.items()))
    pods = _pods(groups, rng)
    return MadeFleet(groups, _policy(groups, pods, soak), pods)


def _pods(groups: tuple[Group, ...], rng: Random) -> dict[str, dict[str, int]]:
    """Share out the pods of each taint group among its workloads: a few large ones, many small ones."""
    size: Counter[str] = Counter()
    for nodes, count in groups:
        size[nodes.taints] += count
    found: dict[str, dict[str, int]] = {}
    for taints in sorted(size):
        own = max(1, round(WORKLOADS * TAINTS[taints]))
        shares = [rng.paretovariate(1.2) for _ in range(own)]
        whole = sum(shares)
        found[taints] = {
            f"{taints or 'default'}-{i}": max(1, round(PODS * size[taints] * s / whole)) for i, s in enumerate(shares)
        }
    return found


def _policy(groups: tuple[Group, ...], pods: dict[str, dict[str, int]], soak: float) -> Policy:
    """Return one node of a row at a time (BGP), one of a rack, a capacity floor for each taint group, the budgets."""
    floors, budgets = {}, []
    for taints, workloads in pods.items():
        loads = [(nodes.load, count) for nodes, count in groups if nodes.taints == taints]
        whole, largest = sum(load * count for load, count in loads), max(load for load, _ in loads)
        count = sum(count for _, count in loads)
        places = max(1, int(SHARE[taints] * count))
        floors[taints] = Floor(requested=whole - places * largest - 4.0, largest_pod=4.0)
        own = round(BUDGETS * TAINTS[taints])
        budgets += [Budget(name, taints, size, max(1, size // 10)) for name, size in list(workloads.items())[:own] if size > 1]
    return Policy(per_rack=1, floors=floors, budgets=tuple(budgets), bgp=max(1, sum(c for _, c in groups) // 1000), soak=soak)
