"""A model cluster, its plan made by the real planner, and the desk to run it from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubedeb import knowledge
from kubedeb.progress import Progress, progress
from modelworld import Model
from upgrade_plans import clusterfile
from upgrade_plans.executor import operations, runs
from upgrade_plans.executor.inspection import read_facts
from upgrade_plans.executor.lock import ClusterLock
from upgrade_plans.executor.operations import Desk, Places
from upgrade_plans.executor.report import Report
from upgrade_plans.executor.runs import RunFolder
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.plan import Plan
from upgrade_plans.planner import NoPlan, make_plan

NODES = ("etcd1", "etcd2", "etcd3")
CLUSTER = """\
name: model
transport: {kind: docker}
roles: {etcd: "etcd[1-3]"}
rows:
  row-a: {rack-1: etcd1}
  row-b: {rack-1: etcd2}
  row-c: {rack-1: etcd3}
"""


@dataclass
class Bench:
    """Everything that a test of the executor needs."""

    folder: Path
    model: Model
    cluster_file: Path
    cluster: Cluster
    plan: Plan
    desk: Desk

    def begin(self) -> RunFolder:
        """Make the run's folder as `apply` does after its checks (which take their time and have tests of their own)."""
        now = self.model.now()
        return runs.create(self.desk.places.runs / runs.name(self.plan, now), self.plan, self.cluster_file, now)

    def go(self, run: RunFolder, until: str | None = None) -> Report:
        """Carry the run on, as `resume` does."""
        return operations.resume(self.desk, run, until=until)

    def lock(self) -> ClusterLock:
        """Return the cluster's lock."""
        return ClusterLock(self.desk.places.locks, self.plan.cluster_id, "another run")


def bench(folder: Path, *, start: str = "3.4.23", to: str = "3.5.16", show: Progress | None = None) -> Bench:
    """Return a bench with three members that run `start` and a plan to `to`."""
    model = Model(NODES, start)
    path = folder / "cluster.yaml"
    path.write_text(CLUSTER)
    cluster = clusterfile.load(path)
    facts, warnings = read_facts(cluster, model.world())
    assert not warnings
    plan = make_plan(facts, cluster, {"etcd": to}, knowledge.load())
    assert not isinstance(plan, NoPlan), plan
    places = Places(runs=folder / "runs", locks=folder / "locks")
    desk = Desk(world=lambda _: model.world(), places=places, knowledge=knowledge.load, show=show or progress())
    return Bench(folder, model, path, cluster, plan, desk)
