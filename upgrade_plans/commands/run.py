"""`kubedeb preflight`, `apply`, `status`, `resume` and `rollback`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubedeb.config import path_setting
from kubedeb.errors import ExitCode
from kubedeb.output import json_option, print_json, print_table
from kubedeb.progress import progress

if TYPE_CHECKING:
    from upgrade_plans.executor.operations import Desk
    from upgrade_plans.executor.preflight import Finding
    from upgrade_plans.executor.report import Report

plan_argument = click.argument("plan_file", metavar="PLAN", type=click.Path(path_type=Path))
cluster_option = click.option(
    "--cluster", "cluster_file", metavar="FILE", required=True, type=click.Path(path_type=Path), help="The cluster file."
)
journal_option = click.option(
    "--journal", "journal", metavar="DIR", type=click.Path(path_type=Path), help="Where runs are kept, instead of STATE/runs."
)
run_argument = click.argument("run", metavar="[RUN]", required=False)
until_option = click.option("--until", metavar="STEP", help="Stop after this step; `kubedeb resume` goes on.")


@click.command()
@plan_argument
@cluster_option
@json_option
def preflight(plan_file: Path, cluster_file: Path, *, as_json: bool) -> int:
    """Ask every check of a plan that can be asked now. Changes nothing; exit status 65 when a finding is mandatory."""
    from upgrade_plans import clusterfile, planfile
    from upgrade_plans.adapters.world import world_of
    from upgrade_plans.executor.operations import ask_first

    cluster, plan = clusterfile.load(cluster_file), planfile.load(plan_file)
    with progress().task(f"ask the nodes of {cluster.name}"):
        findings = ask_first(cluster, plan, world_of(cluster))
    mandatory = [finding for finding in findings if not finding.forceable]
    forceable = [finding for finding in findings if finding.forceable]
    if as_json:
        print_json({"mandatory": [_plain(item) for item in mandatory], "forceable": [_plain(item) for item in forceable]})
    else:
        _list("mandatory: must be put right", mandatory)
        _list("forceable: `kubedeb apply --force ID` accepts it", forceable)
    return ExitCode.PREFLIGHT if mandatory else ExitCode.DONE


def _plain(finding: Finding) -> dict[str, str]:
    return {"id": finding.id, "text": finding.text}


def _list(title: str, findings: list[Finding]) -> None:
    click.echo(title + (":" if findings else ": none"))
    for finding in findings:
        click.echo(f"  {finding.id}: {finding.text}")


@click.command()
@plan_argument
@cluster_option
@journal_option
@click.option(
    "--facts",
    "facts_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The facts the plan was made from, to compare.",
)
@click.option("--force", "forced", metavar="ID", multiple=True, help="Accept a forceable finding of the preflight.")
@until_option
@json_option
def apply(
    plan_file: Path,
    cluster_file: Path,
    journal: Path | None,
    facts_file: Path | None,
    forced: tuple[str, ...],
    until: str | None,
    *,
    as_json: bool,
) -> None:
    """Carry out a plan: refuse when the cluster has changed since, prove it, ask every check, then act by act."""
    from upgrade_plans import clusterfile, factsfile, planfile
    from upgrade_plans.executor import operations

    cluster, plan = clusterfile.load(cluster_file), planfile.load(plan_file)
    made_from = factsfile.load(facts_file) if facts_file is not None else None
    desk = _desk(journal)
    done = operations.apply(desk, cluster_file, cluster, plan, made_from=made_from, forced=frozenset(forced), until=until)
    if done is not None:
        _show(done, as_json=as_json)
        return
    desk.show.say("nothing to do: every member runs the plan's target already")
    if as_json:
        print_json({"run": None, "status": "done", "members": []})


@click.command()
@run_argument
@journal_option
@until_option
@json_option
def resume(run: str | None, journal: Path | None, until: str | None, *, as_json: bool) -> None:
    """Go on with a run that was stopped or killed: the newest, or RUN (an id, or a run's folder)."""
    from upgrade_plans.executor import operations, runs

    desk = _desk(journal)
    _show(operations.resume(desk, runs.find(desk.places.runs, run), until=until), as_json=as_json)


@click.command()
@run_argument
@journal_option
@json_option
def rollback(run: str | None, journal: Path | None, *, as_json: bool) -> None:
    """Take a run back to where its hop began: every member that the hop changed returns to the older version."""
    from upgrade_plans.executor import operations, runs

    desk = _desk(journal)
    _show(operations.rollback(desk, runs.find(desk.places.runs, run)), as_json=as_json)


@click.command()
@run_argument
@journal_option
@json_option
def status(run: str | None, journal: Path | None, *, as_json: bool) -> None:
    """Show how far a run is, from its journal alone: the newest, or RUN. The nodes are not asked."""
    from upgrade_plans.executor import runs
    from upgrade_plans.executor.journal import RunStatus
    from upgrade_plans.executor.lock import held
    from upgrade_plans.executor.report import step_states
    from upgrade_plans.executor.stopped import blocked

    folder = runs.find(_runs(journal), run)
    plan = folder.plan()
    with closing(folder.journal()) as opened:
        row, acts, backups = opened.run(), opened.acts(), opened.backups()
        blocking, events = blocked(plan, opened), opened.events()
    steps = step_states(plan, row, acts)
    if as_json:
        print_json({
            "run": row.id, "folder": str(folder.path), "cluster": row.cluster, "status": row.status, "reason": row.reason,
            "direction": row.position.direction, "pid": row.pid, "host": row.host, "token": row.token, "steps": steps,
            "blocked": blocking, "backups": [asdict(backup) for backup in backups], "events": events,
        })  # fmt: skip
        return
    gone = row.status is RunStatus.RUNNING and not held(path_setting("state") / "locks", row.cluster_id)
    reason = f" (its executor is gone: kubedeb resume {row.id})" if gone else f" ({row.reason})" if row.reason else ""
    click.echo(f"run {row.id} of the cluster {row.cluster}: {row.status}{reason}, {row.position.direction}")
    print_table(("phase", "step", "nodes", "state", "detail"), [tuple(step.values()) for step in steps])
    for line in blocking:
        click.echo(f"no way back: {line}")
    click.echo(f"journal, plan and backups: {folder.path}")


def _runs(journal: Path | None) -> Path:
    return journal if journal is not None else path_setting("state") / "runs"


def _desk(journal: Path | None) -> Desk:
    from kubedeb.knowledge import load
    from upgrade_plans.adapters.world import world_of
    from upgrade_plans.executor.operations import Desk, Places

    places = Places(runs=_runs(journal), locks=path_setting("state") / "locks")
    return Desk(world=world_of, places=places, knowledge=load, show=progress())


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        print_json(report.as_json())
        return
    rows = [(item.node, item.before, item.now or "no answer", f"{item.seconds:.1f} s") for item in report.members]
    print_table(("member", "before", "running now", "time"), rows)
    click.echo(f"run {report.run}: {report.status}, {report.seconds:.0f} s; journal, plan and backups: {report.folder}")
