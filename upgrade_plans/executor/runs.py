"""The folders of runs: plan, cluster file, journal and backups of each, kept together."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import sync_folder, write_bytes, write_text
from upgrade_plans import clusterfile, planfile
from upgrade_plans.canonical import digest, text_of
from upgrade_plans.executor.journal import Journal, Run, RunStatus
from upgrade_plans.executor.program import Position
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.plan import Plan

PLAN, CLUSTER, JOURNAL, BACKUPS = "plan.json", "cluster.yaml", "journal.sqlite", "backups"


@dataclass(frozen=True)
class RunFolder:
    """A run's folder."""

    path: Path

    @property
    def id(self) -> str:
        """Return the run's id."""
        return self.path.name

    @property
    def backups(self) -> Path:
        """Return where the operator's copies of the backups lie."""
        return self.path / BACKUPS

    def journal(self) -> Journal:
        """Open the journal."""
        return Journal(self.path / JOURNAL)

    def plan(self) -> Plan:
        """Read the run's plan. Raises `KubedebError` (JOURNAL) when it is not the one that was proven as the run began."""
        plan = planfile.load(self.path / PLAN)
        with closing(self.journal()) as journal:
            begun_with = journal.run().plan_sha256
        if digest(plan) != begun_with:
            raise KubedebError(
                f"{self.path / PLAN} is not the plan that the run {self.id} was begun with",
                details=f"the journal says {begun_with}, the file is {digest(plan)}", code=ExitCode.JOURNAL,
                hint="Put the file back as it was. To go another way: kubedeb inspect, kubedeb plan make, kubedeb apply.",
            )  # fmt: skip
        return plan

    def cluster(self) -> Cluster:
        """Read the run's copy of the cluster file."""
        return clusterfile.load(self.path / CLUSTER)


def name(plan: Plan, now: float) -> str:
    """Return the id of a run that begins now; ids sort as they began."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
    return f"{stamp}Z-{plan.cluster}"


def create(target: Path, plan: Plan, cluster_file: Path, now: float) -> RunFolder:
    """Make a new run's folder; it appears whole. Raises `KubedebError` (JOURNAL)."""
    folder = target.parent
    run = Run(
        id=target.name, cluster=plan.cluster, cluster_id=plan.cluster_id, plan_sha256=digest(plan), created=now,
        status=RunStatus.STOPPED, reason="made, not begun", position=Position(), token=0, pid=os.getpid(),
        host=platform.node(), ended=None,
    )  # fmt: skip
    with storage_errors("the run's folder", ExitCode.JOURNAL):
        folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder, prefix=".new-"))
        try:
            write_text(draft / PLAN, text_of(plan), sync=True)
            write_bytes(draft / CLUSTER, cluster_file.read_bytes(), sync=True)
            Journal.create(draft / JOURNAL, run)
            draft.rename(target)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync_folder(folder)
    return RunFolder(target)


def every(folder: Path) -> list[RunFolder]:
    """Return all runs under `folder`, the newest last."""
    return [RunFolder(path.parent) for path in sorted(folder.glob(f"[!.]*/{JOURNAL}"))]


def find(folder: Path, name: str | None) -> RunFolder:
    """Return the run called `name` (an id, or a run's folder), else the newest. Raises `KubedebError` (JOURNAL)."""
    if name is not None and (Path(name) / JOURNAL).is_file():
        return RunFolder(Path(name).resolve())
    runs = every(folder)
    chosen = [run for run in runs if run.id == name] if name is not None else runs[-1:]
    if not chosen:
        what = f"there is no run {name}" if name is not None else "there is no run yet"
        known = "\n".join(run.id for run in runs[-10:]) or "none"
        raise KubedebError(
            f"{what} in {folder}", details=f"runs there: {known}", code=ExitCode.JOURNAL,
            hint="`kubedeb apply PLAN` begins one; --journal says where runs are kept.",
        )  # fmt: skip
    return chosen[0]
