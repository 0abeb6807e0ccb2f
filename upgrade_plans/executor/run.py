"""Carries out a plan act by act: ask the checks, write down the intent, act, read back from the running daemon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.progress import Progress as Show
from kubedeb.progress import Task as Line
from upgrade_plans.adapters.protocols import RefusedError, UnreachableError, World
from upgrade_plans.executor import acts, program
from upgrade_plans.executor.checks import Finding, Question, Scene, judge
from upgrade_plans.executor.journal import Journal, RunStatus
from upgrade_plans.executor.lock import ClusterLock
from upgrade_plans.executor.program import Position, Task
from upgrade_plans.executor.readings import on_all, read_members
from upgrade_plans.executor.renewal import backup_step, drill
from upgrade_plans.executor.stopped import said, stopped
from upgrade_plans.models.plan import Act, Check, Plan
from upgrade_plans.models.state import Direction, Progress
from upgrade_plans.models.state import Line as LineOf

POLL = 0.3
GRACE = 3.0
PATIENCE = 30.0
SLACK = 3
"""A check, or an effect, is waited for `SLACK` times as long as the plan's 95th percentile, and `PATIENCE` seconds at least."""
LASTING = frozenset({Check.CACHED, Check.BACKUP_PROVEN})
"""Checks that do not become true by waiting."""


@dataclass(frozen=True)
class Executor:
    """Everything that a run needs: the world, the plan, its journal, the cluster's lock, the copies of backups, the screen."""

    world: World
    plan: Plan
    journal: Journal
    lock: ClusterLock
    copies: Path
    show: Show


def carry_out(executor: Executor, *, until: str | None = None) -> RunStatus:
    """Go on from the journal's position to the end of the plan, or of the way back, or after the step `until`.

    Raises `KubedebError`: STOPPED with what failed, what runs where and the ways out; LOCKED; JOURNAL.
    """
    now = executor.world.clock.now
    try:
        _settle(executor)
        while not program.finished(executor.plan, position := executor.journal.run().position):
            if until is not None and _past(executor.plan, position, until):
                executor.journal.turn(RunStatus.STOPPED, f"as asked, after {until}", now())
                return RunStatus.STOPPED
            _step(executor, program.task(executor.plan, position))
            executor.journal.move(program.advance(executor.plan, position), now())
    except KeyboardInterrupt:
        executor.journal.turn(RunStatus.STOPPED, "interrupted from the keyboard", now())
        raise
    except KubedebError as error:
        if error.code in (ExitCode.LOCKED, ExitCode.JOURNAL):
            raise
        executor.journal.turn(RunStatus.STOPPED, error.brief, now())
        raise stopped(executor.world, executor.plan, executor.journal, error) from error
    ended = RunStatus.ROLLED_BACK if position.direction is Direction.ROLLED_BACK else RunStatus.DONE
    executor.journal.turn(ended, "", now())
    return ended


def _past(plan: Plan, position: Position, until: str) -> bool:
    return position.act == 0 and position.step > [step.id for step in plan.steps].index(until)


def _settle(executor: Executor) -> None:
    """Wait for what a dead executor left going on; only then does the world tell what came of it."""
    nodes = {taken.node for taken in executor.journal.acts() if taken.state is Progress.UNKNOWN}
    on_all(executor.world, sorted(nodes), executor.world.units.settle)


def _step(executor: Executor, task: Task) -> None:
    """Take one act on all nodes of its step."""
    way = "back: " if task.back else ""
    number = f"{task.position.step + 1}/{len(executor.plan.steps)}"
    with executor.show.task(f"[{number}] {way}{task.step.id}: {task.act} on {', '.join(task.step.nodes)}") as line:
        if task.act is Act.OBSERVE:
            _observe(executor, task)
        else:
            failed = {taken.node for taken in executor.journal.acts(task.position) if taken.detail}
            _issue(executor, task, _intend(executor, task, line), line, failed)
        if task.last:
            _await(executor, task, task.post, _question(task, again=task.back, first=True), "after")


def _observe(executor: Executor, task: Task) -> None:
    """Wait for what no command brings about."""
    if executor.journal.acts(task.position):
        return
    _await(executor, task, task.pre, _question(task, again=False), "before")
    _read_back(executor, task, task.step.nodes)
    _record(executor, task, task.step.nodes, Progress.DONE)


def _intend(executor: Executor, task: Task, line: Line) -> tuple[str, ...]:
    """Ask the guard, write down what will be done where, and return those nodes; what is shown already is skipped."""
    states = {taken.node: taken.state for taken in executor.journal.acts(task.position)}
    left = tuple(node for node in task.step.nodes if states.get(node) is not Progress.DONE)
    again = bool(states)
    if not again:
        _guard(executor, task, line, again=False, when="before")
    stage = _stage(executor)
    found = on_all(executor.world, left, lambda node: acts.shown(stage, task, node))
    todo = tuple(node for node in left if not found[node])
    if again and todo:
        _guard(executor, task, line, again=True, when="before another")
    executor.lock.verify()
    intent = {node: Progress.ISSUED if node in todo else Progress.DONE for node in left}
    executor.journal.record(task.position, task.act, intent, executor.world.clock.now(), "")
    return todo


def _guard(executor: Executor, task: Task, line: Line, *, again: bool, when: str) -> None:
    """Ask every check of the guard; a backup that is not there any more, or is too old, is taken and compared again first."""
    question = replace(_question(task, again=again), max_age=None if task.back else task.step.max_backup_age)
    source, proven = backup_step(executor.plan, task), _proven(executor, task.pre)
    if Check.BACKUP_PROVEN in task.pre and not task.back and source is not None:
        asked = (Check.BACKUP_PROVEN,)
        if judge(asked, question, _scene(executor, asked, task, proven)):
            others = tuple(check for check in task.pre if check is not Check.BACKUP_PROVEN)
            _await(executor, task, others, question, when)
            executor.lock.verify()
            drill(lambda: _stage(executor), executor.journal, task, source[1].nodes[0], line.note, anew=True)
            proven = _proven(executor, task.pre)
    _await(executor, task, task.pre, question, when, proven)


def _issue(executor: Executor, task: Task, nodes: tuple[str, ...], line: Line, failed_before: Set[str]) -> None:
    """Take the act on `nodes` and read it back; a call that failed may have worked nevertheless."""
    stage = _stage(executor)

    def attempt(node: str) -> acts.Effect | KubedebError:
        try:
            if task.act is Act.COMPARE:
                # A drill that failed is not tried again with the same backup.
                again = node in failed_before
                return drill(lambda: _stage(executor), executor.journal, task, node, line.note, anew=again)
            return acts.issue(stage, task, node)
        except (UnreachableError, RefusedError) as error:
            return error

    # The drill writes to the journal, which belongs to this thread.
    results = {node: attempt(node) for node in nodes} if task.act is Act.COMPARE else on_all(executor.world, nodes, attempt)
    failed = {node: result for node, result in results.items() if isinstance(result, KubedebError)}
    for node, result in results.items():
        if isinstance(result, acts.Effect):
            line.note(f"{node}: {result.text}")
            if result.backup is not None:
                executor.journal.keep(result.backup, executor.world.clock.now())
    try:
        _read_back(executor, task, [node for node in nodes if node not in failed])
        _forgive(executor, task, failed)
    except KubedebError as error:
        _record(executor, task, nodes, Progress.UNKNOWN, error.brief)
        raise
    _record(executor, task, nodes, Progress.DONE)


def _forgive(executor: Executor, task: Task, failed: Mapping[str, KubedebError]) -> None:
    """Raise the first of the failures that are failures indeed: where the world shows the act after all, it is done."""
    ends = executor.world.clock.now() + GRACE
    while left := [error for node, error in failed.items() if not _shown(executor, task, node)]:
        if executor.world.clock.now() >= ends:
            raise left[0]
        executor.world.clock.sleep(POLL)


def _read_back(executor: Executor, task: Task, nodes: Iterable[str]) -> None:
    """Wait until the world shows the act on `nodes`. Raises `RefusedError` when it does not in time."""
    clock, patience = executor.world.clock, max(PATIENCE, SLACK * task.step.duration.p95)
    ends = clock.now() + patience
    left = list(nodes)
    while left := [node for node in left if not _shown(executor, task, node)]:
        if clock.now() >= ends:
            seen = "; ".join(said(reading) for reading in read_members(executor.world, left).values())
            why = f"not seen to be done after {patience:.0f} s: {seen}"
            raise RefusedError(f"node {left[0]}", f"{task.step.id}: {task.act}", why)
        clock.sleep(POLL)


def _shown(executor: Executor, task: Task, node: str) -> bool:
    try:
        return acts.shown(_stage(executor), task, node)
    except (UnreachableError, RefusedError):
        return False


def _await(
    executor: Executor, task: Task, checks: tuple[Check, ...], question: Question, when: str,
    proven: Mapping[LineOf, float] | None = None,
) -> None:  # fmt: skip
    """Wait until every check holds. Raises `KubedebError` (STOPPED) with the findings when they do not in time."""
    clock = executor.world.clock
    ends = clock.now() + max(PATIENCE, SLACK * task.step.duration.p95)
    # Hashing a large backup takes long, and waiting makes it no better.
    proven = _proven(executor, checks) if proven is None else proven
    while findings := judge(checks, question, _scene(executor, checks, task, proven)):
        if clock.now() >= ends or any(finding.check in LASTING for finding in findings):
            brief = f"{when} {task.act}, not everything holds that must"
            raise KubedebError(brief, details=_listed(findings), code=ExitCode.STOPPED)
        clock.sleep(POLL)


def _listed(findings: Iterable[Finding]) -> str:
    return "\n".join(f"{finding.check}: {finding.text}" for finding in findings)


def _question(task: Task, *, again: bool, first: bool = False) -> Question:
    """Return what the checks are asked; `first`: as for a step's first act (docs/semantics.md, E-advance)."""
    later = task.position.act > 0 and not first
    return Question(task.step.nodes, task.from_, task.to, back=task.back, again=again, later=later)


def _scene(executor: Executor, checks: tuple[Check, ...], task: Task, proven: Mapping[LineOf, float]) -> Scene:
    """Read what `checks` need to know, now."""
    stage, world = _stage(executor), executor.world
    cached = (
        on_all(world, task.step.nodes, lambda node: world.packages.cached(node, stage.packages))
        if Check.CACHED in checks else {}
    )  # fmt: skip
    members = read_members(world, stage.members) if checks else {}
    return Scene(members, cached, proven, executor.plan.releases, world.clock.now())


def _proven(executor: Executor, checks: tuple[Check, ...]) -> Mapping[LineOf, float]:
    return acts.proven_lines(executor.journal.backups()) if Check.BACKUP_PROVEN in checks else {}


def _stage(executor: Executor) -> acts.Stage:
    return acts.Stage(executor.world, executor.plan, executor.journal.backups(), executor.copies)


def _record(executor: Executor, task: Task, nodes: Iterable[str], state: Progress, detail: str = "") -> None:
    executor.journal.record(task.position, task.act, dict.fromkeys(nodes, state), executor.world.clock.now(), detail)
