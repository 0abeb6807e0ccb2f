"""`script/bench plan`: planning fleets of 10 to 100,000 workers, and rollouts beside other tools' policies."""

from __future__ import annotations

import gc
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from kubedeb import knowledge
from kubedeb.cli import COLLECTED
from kubedeb.versions import Version
from script.lib import made_fleet, made_stack
from script.lib.fleet_policies import PASSES, PEERS
from script.lib.measure import Figure, figure, median
from upgrade_plans import clusterfile, factsfile
from upgrade_plans.commands.targets import pair
from upgrade_plans.models.upgrade import Upgrade
from upgrade_plans.planner.climb import Climb, climb
from upgrade_plans.planner.rollout import roll_out
from upgrade_plans.planner.stack import Stack, Wish
from upgrade_plans.planner.whole import Request, make_upgrade
from upgrade_plans.planner.windows import StepTimes, makespan, percentiles
from upgrade_plans.prover.whole import prove_whole

SIZES = (10, 100, 1_000, 10_000, 100_000)
RUNS = 21
GOAL = {1_000: 2.0, 100_000: 60.0}
MISSION = ("kubernetes=1.10.13", "etcd=3.1.12", "storage=etcd3", "calico=3.1.7", "helm=2.9.1")
TOLERANCE = 1.15
RATE = 20
"""MB a second at which facts are to be read."""
DIFFERENT = 5_000
"""Workers of a fleet in which no two are alike: reported, without a goal."""
TIMES = StepTimes()


def plan() -> list[Figure]:
    """Measure whole stacks planned and proven, planning passes, and the quality of rollouts."""
    gc.set_threshold(COLLECTED)  # as the command does (kubedeb/cli.py): the facts that were read stay
    return [*_drains(), *_stacks(), *_speed(), *_quality(1_000)]


def _stacks() -> Iterator[Figure]:
    """Yield what it takes to plan and prove whole stacks, in seconds of CPU, beside what reading their facts takes."""
    times = dict[int, float]()
    sizes = [int(size) for size in os.environ.get("KUBEDEB_BENCH_SIZES", "").split()] or list(SIZES)
    for size in sizes:
        one = _stack(size)
        times[size] = one.planned + one.proven
        made = figure(f"plan and prove the upgrade of {size:,} workers, s of CPU", times[size], GOAL.get(size, 60.0))
        yield {**made, **one.shown}
        if size >= 10_000:
            ratio = times[size] / (one.megabytes / RATE)
            yield figure(f"plan and prove {size:,} workers ÷ their facts at {RATE} MB/s, times", ratio, 5)
    if {1_000, 100_000} <= times.keys():
        yield figure("plan and prove 100,000 workers ÷ 1,000, times", times[100_000] / times[1_000], 110)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    yield figure(f"memory after planning and proving {max(sizes):,} workers, GB", memory, 1.5)
    if max(sizes) >= DIFFERENT:
        one = _stack(DIFFERENT, classes=DIFFERENT)
        taken = one.planned + one.proven
        made = figure(f"plan and prove {DIFFERENT:,} workers of which no two are alike, s of CPU", taken, 60.0)
        yield {**made, "goal": None, **one.shown}


@dataclass(frozen=True)
class _Taken:
    """Seconds of CPU that planning and proving took, and the size of the facts."""

    planned: float
    proven: float
    megabytes: float

    @property
    def shown(self) -> Figure:
        return {"plan": round(self.planned, 2), "prove": round(self.proven, 2), "facts, MB": round(self.megabytes, 1)}


def _stack(size: int, *, classes: int = made_stack.CLASSES) -> _Taken:
    """Plan and prove the mission for so many workers."""
    known = knowledge.load()
    with tempfile.TemporaryDirectory() as folder:
        cluster_file, facts_file = made_stack.write(Path(folder), size, classes=classes)
        facts, cluster = factsfile.load(facts_file), clusterfile.load(cluster_file)
        megabytes = facts_file.stat().st_size / 1e6
    begun = time.process_time()
    made = make_upgrade(facts, cluster, Request(dict(map(pair, MISSION))), known)
    planned = time.process_time()
    if not isinstance(made, Upgrade) or not prove_whole(made, known).proven:
        raise TypeError(f"no proven plan for {size} workers: {made if not isinstance(made, Upgrade) else 'refused'}")
    return _Taken(planned - begun, time.process_time() - planned, megabytes)


def way() -> Climb:
    """Return the cheapest way of the workers from 1.7 to 1.10, with etcd and Calico."""
    versions = {"etcd": "2.2.1", "storage": "2.0", "apiservers": "1.7.16", "managers": "1.7.16", "workers": "1.7.16",
                "calico": "2.2.0"}  # fmt: skip
    target = {"etcd": "3.1.12", "storage": "3.0", "apiservers": "1.10.13", "managers": "1.10.13", "workers": "1.10.13",
              "calico": "3.1.7"}  # fmt: skip
    begin, end = (Stack.of({name: _version(text) for name, text in some.items()}) for some in (versions, target))
    found = climb(begin, Wish(end), knowledge.load())
    if not isinstance(found, Climb):
        raise TypeError(f"no way: {found}")
    return found


def _version(text: str) -> Version:
    return Version.parse(text if text.count(".") == 2 else f"{text}.0")


def _drains() -> Iterator[Figure]:
    ours = way().drains
    for name, drains in PASSES.items():
        yield {**figure(f"drains of each worker, 1.7.16 → 1.10.13, peer {name}, times", ours, min(2, drains), drains)}


def _speed() -> Iterator[Figure]:
    times: dict[int, float] = {}
    for size in SIZES:
        fleet = made_fleet.make(size)
        times[size] = median(lambda fleet=fleet: roll_out(fleet.groups, fleet.policy), 3)  # type: ignore[misc]
        yield figure(f"plan a pass over {size:,} workers, s", times[size], GOAL.get(size, 60.0))
    yield figure("a pass over 100,000 workers ÷ over 1,000, times", times[100_000] / times[1_000], 110)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    yield figure("memory at 100,000 workers, GB", memory, 1.5)


def _quality(size: int) -> Iterator[Figure]:
    fleet = made_fleet.make(size)
    rollout, passes = roll_out(fleet.groups, fleet.policy), way().drains
    binding, bound = max(rollout.limits, key=rollout.work), rollout.at_least * passes
    rng = Random(1)  # noqa: S311 - a simulation
    ours = percentiles([passes * makespan(rollout, TIMES, rng) for _ in range(RUNS)], 50, 95)
    shown = {
        "lower bound": f"{passes} passes × ({rollout.work(binding):.0f} s of {binding.kind} {binding.domain or 'default'}: "
        f"{sum(rollout.groups[i][1] for i in binding.groups)} nodes ÷ {binding.allowed}; + {rollout.soaks:.0f} s of soaks)",
        "p95": round(ours[1]), "batches": [batch.size for batch in rollout.batches],
    }  # fmt: skip
    made: Any = figure(f"makespan for {size:,} workers ÷ lower bound, times", ours[0] / bound, TOLERANCE)
    yield {**made, **shown}
    for name, policy in PEERS.items():
        peer = percentiles([sum(policy(rollout, TIMES, rng) for _ in range(PASSES[name])) for _ in range(5)], 50)[0]
        made = figure(f"makespan for {size:,} workers, peer {name}, h", ours[0] / 3600, peer / 3600, peer / 3600)
        yield {**made, "holds": ours[0] < peer}
