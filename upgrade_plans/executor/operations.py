"""What the commands do: preflight, apply, resume, rollback. Each returns values; the commands print them."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.knowledge import Knowledge
from kubedeb.progress import Progress
from upgrade_plans.adapters.protocols import World
from upgrade_plans.canonical import digest
from upgrade_plans.executor import drift, preflight, program, runs
from upgrade_plans.executor.inspection import read_facts
from upgrade_plans.executor.journal import Journal, RunStatus
from upgrade_plans.executor.lock import ClusterLock
from upgrade_plans.executor.preflight import Finding
from upgrade_plans.executor.program import Position
from upgrade_plans.executor.report import Report, report
from upgrade_plans.executor.run import Executor, carry_out
from upgrade_plans.executor.runs import RunFolder
from upgrade_plans.executor.stopped import blocked
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.facts import Facts
from upgrade_plans.models.plan import Plan
from upgrade_plans.models.state import Direction
from upgrade_plans.prover import prove


@dataclass(frozen=True)
class Places:
    """Where runs are kept, and the locks of clusters; locks stay where they are when runs are kept elsewhere."""

    runs: Path
    locks: Path


@dataclass(frozen=True)
class Desk:
    """What an operation works with: how a cluster's world is made, where things are kept, and where progress is told."""

    world: Callable[[Cluster], World]
    places: Places
    knowledge: Callable[[], Knowledge]
    show: Progress


def ask_first(cluster: Cluster, plan: Plan, world: World) -> tuple[Finding, ...]:
    """Return every finding that can be had now: what drifted, then what the preflight asks. Changes nothing."""
    facts, _ = read_facts(cluster, world)
    differences = _differences(cluster, plan, facts)
    return (*(Finding("drift", text) for text in differences), *preflight.ask(cluster, plan, world))


def apply(
    desk: Desk,
    cluster_file: Path,
    cluster: Cluster,
    plan: Plan,
    *,
    made_from: Facts | None = None,
    forced: frozenset[str] = frozenset(),
    until: str | None = None,
) -> Report | None:
    """Carry out a plan from its beginning; None when its target is reached already. `made_from` are the plan's own facts.

    Raises `KubedebError`: PLAN (no such step), LOCKED, DRIFT, REFUSED, PREFLIGHT, STOPPED, JOURNAL.
    """
    _check_step(plan, until)
    world = desk.world(cluster)
    now = world.clock.now()
    name = runs.name(plan, now)
    with ClusterLock(desk.places.locks, plan.cluster_id, name) as lock:
        facts, warnings = read_facts(cluster, world)
        for warning in warnings:
            desk.show.say(f"warning: {warning}")
        identity = [*drift.identity(plan, facts)]
        if not identity and drift.reached(plan, facts.etcd) and not unfinished(desk.places.runs, plan):
            return None
        if differences := _differences(cluster, plan, facts):
            raise drift.drifted(differences, unfinished=unfinished(desk.places.runs, plan))
        _prove(desk, plan, made_from)
        _preflight(desk, cluster, plan, world, forced)
        folder = runs.create(desk.places.runs / name, plan, cluster_file, now)
        desk.show.say(f"run {folder.id} in {folder.path}")
        return _go(desk, folder, world, lock, until)


def resume(desk: Desk, folder: RunFolder, *, until: str | None = None) -> Report:
    """Go on with a run from what the world shows; one that is finished is only reported."""
    cluster, plan = folder.cluster(), folder.plan()
    _check_step(plan, until)
    world = desk.world(cluster)
    with ClusterLock(desk.places.locks, plan.cluster_id, folder.id) as lock:
        with closing(folder.journal()) as journal:
            status = journal.run().status
        if status in (RunStatus.DONE, RunStatus.ROLLED_BACK):
            desk.show.say(f"run {folder.id} is {status}: nothing to do")
            return report(world, folder)
        _same_cluster(cluster, plan, world)
        return _go(desk, folder, world, lock, until)


def rollback(desk: Desk, folder: RunFolder) -> Report:
    """Take a run back to where its hop began. Raises `KubedebError`: NO_WAY_BACK with what blocks it, and as `resume`."""
    cluster, plan = folder.cluster(), folder.plan()
    world = desk.world(cluster)
    with ClusterLock(desk.places.locks, plan.cluster_id, folder.id) as lock:
        with closing(folder.journal()) as journal:
            target = _way_back(plan, journal)
            if target is not None:
                _same_cluster(cluster, plan, world)
                if target != journal.run().position:
                    journal.move(target, world.clock.now())
        if target is None:
            desk.show.say(f"run {folder.id}: nothing of this hop was begun that could be taken back")
            return report(world, folder)
        return _go(desk, folder, world, lock, None)


def unfinished(folder: Path, plan: Plan) -> str | None:
    """Return the newest run of this very plan that is not finished."""
    for run in reversed(runs.every(folder)):
        # A damaged journal of some other run is no reason to stop this one.
        with suppress(KubedebError), closing(run.journal()) as journal:
            row = journal.run()
            if row.plan_sha256 == digest(plan) and row.status in (RunStatus.RUNNING, RunStatus.STOPPED):
                return run.id
    return None


def _way_back(plan: Plan, journal: Journal) -> Position | None:
    """Return where the way back begins or goes on; None when there is nothing to take back. Changes nothing."""
    run = journal.run()
    if run.position.direction is not Direction.FORWARD:
        return None if run.status is RunStatus.ROLLED_BACK else run.position
    if blocking := blocked(plan, journal):
        raise KubedebError(
            "there is no way back", details="\n".join(blocking), code=ExitCode.NO_WAY_BACK,
            hint=f"The way on:  kubedeb resume {run.id}\nThe backup of before is in {journal.path.parent / runs.BACKUPS}.",
        )  # fmt: skip
    if program.finished(plan, run.position):
        return None
    target = program.turn_back(plan, run.position, idle=not journal.acts(run.position))
    return None if target.direction is Direction.ROLLED_BACK else target


def _go(desk: Desk, folder: RunFolder, world: World, lock: ClusterLock, until: str | None) -> Report:
    with closing(folder.journal()) as journal:
        journal.take_over(lock.token, os.getpid(), platform.node(), world.clock.now())
        carry_out(Executor(world, folder.plan(), journal, lock, folder.backups, desk.show), until=until)
    return report(world, folder)


def _differences(cluster: Cluster, plan: Plan, facts: Facts) -> list[str]:
    found = [*drift.identity(plan, facts), *drift.versions(plan, facts)]
    if plan.inputs.cluster_file != digest(cluster):
        found.append("the cluster file is not the one that the plan was made from")
    return found


def _same_cluster(cluster: Cluster, plan: Plan, world: World) -> None:
    """In the middle of a run versions differ; who the members are must not."""
    facts, _ = read_facts(cluster, world)
    if differences := [*drift.identity(plan, facts)]:
        raise drift.drifted(differences, unfinished=None)


def _prove(desk: Desk, plan: Plan, made_from: Facts | None) -> None:
    verdict = prove(plan, made_from, desk.knowledge())
    for finding in verdict.findings:
        desk.show.say(f"note: {finding}")
    if verdict.proven:
        desk.show.say(f"the plan is proven: {verdict.states:,} reachable states, none violates an invariant")
        return
    found = "\n".join(f"{violation.invariant}: {violation.what}" for violation in verdict.violations)
    raise KubedebError(
        "the plan is not proven: it is not carried out", details=found, code=ExitCode.REFUSED,
        hint="`kubedeb prove PLAN` tells the shortest way into trouble.",
    )  # fmt: skip


def _preflight(desk: Desk, cluster: Cluster, plan: Plan, world: World, forced: frozenset[str]) -> None:
    findings = preflight.ask(cluster, plan, world)
    left = [finding for finding in findings if not (finding.forceable and finding.id in forced)]
    for finding in findings:
        if finding not in left:
            desk.show.say(f"forced: {finding.id}: {finding.text}")
    if not left:
        return
    forceable = sorted({finding.id for finding in left if finding.forceable})
    ways = [] if all(finding.forceable for finding in left) else ["Mend what is mandatory."]
    ways += [f"Accept what is forceable:  {' '.join(f'--force {name}' for name in forceable)}"] if forceable else []
    raise KubedebError(
        "preflight found what must be put right first",
        details="\n".join(f"{'forceable' if item.forceable else 'mandatory'}: {item.id}: {item.text}" for item in left),
        hint="\n".join(ways), code=ExitCode.PREFLIGHT,
    )  # fmt: skip


def _check_step(plan: Plan, until: str | None) -> None:
    known = [step.id for step in plan.steps]
    if until is not None and until not in known:
        raise KubedebError(f"the plan has no step {until!r}", details=f"its steps: {', '.join(known)}", code=ExitCode.USAGE)
