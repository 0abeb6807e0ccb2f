"""The executor against the model cluster: killed anywhere it reaches the same end, and it can go back until it cannot."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from threading import Timer

import pytest
from filelock import FileLock

from bench import NODES, Bench
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_of
from modelworld import NAMES, Killed, debian
from testseed import seed
from upgrade_plans import clusterfile
from upgrade_plans.adapters.protocols import Entry
from upgrade_plans.canonical import digest
from upgrade_plans.executor import acts, operations
from upgrade_plans.executor.journal import RunStatus
from upgrade_plans.executor.renewal import TRIES
from upgrade_plans.executor.runs import RunFolder

Make = Callable[..., Bench]
CHANGES = ("download", "save", "fetch", "restored", "move_leader", "install", "restart")
SAMPLE = 40


def versions(bench: Bench) -> dict[str, tuple[str, str | None]]:
    return {name: (node.installed["etcd-server"], node.running) for name, node in bench.model.nodes.items()}


def all_on(version: str) -> dict[str, tuple[str, str | None]]:
    return dict.fromkeys(NODES, (debian(version), version))


def calls(make: Make) -> list[str]:
    """Return every call of a run that nothing disturbs."""
    bench = make()
    bench.model.log.clear()
    bench.go(bench.begin())
    return bench.model.log


def killed(bench: Bench, number: int, *, after: bool) -> RunFolder:
    """Run until the executor dies at its call `number`."""
    run = bench.begin()
    bench.model.kill = (bench.model.calls + number, after)
    with pytest.raises(Killed):
        bench.go(run)
    bench.model.revive()
    bench.model.pass_time()
    return run


def test_a_plan_is_carried_out_to_its_end(make: Make) -> None:
    bench = make(start="3.3.25")
    report = bench.go(bench.begin())
    assert report.status is RunStatus.DONE
    assert [(item.node, item.before, item.now) for item in report.members] == [(node, "3.3.25", "3.5.16") for node in NODES]
    assert versions(bench) == all_on("3.5.16")
    assert bench.model.line == (3, 5)
    assert [node for node, _ in bench.model.starts][:3] == ["etcd2", "etcd3", "etcd1"], "the leader goes last"
    assert len(bench.model.starts) == 6


def test_nothing_is_done_twice(make: Make) -> None:
    bench = make()
    run = bench.begin()
    bench.go(run)
    begun = len(bench.model.log)
    assert bench.go(run).status is RunStatus.DONE
    assert not {entry.split()[0] for entry in bench.model.log[begun:]} & set(CHANGES)


def same_end(make: Make, number: int, *, after: bool) -> None:
    bench = make()
    run = killed(bench, number, after=after)
    assert bench.go(run).status is RunStatus.DONE
    assert versions(bench) == all_on("3.5.16")
    assert bench.model.line == (3, 5)
    assert len(bench.model.starts) == 3, "each member is restarted once"


def places(make: Make) -> list[tuple[int, bool]]:
    """Return where to kill: at each call that changes something before and after it, at each other one before it."""
    found = []
    for number, entry in enumerate(calls(make), 1):
        found.append((number, False))
        if entry.split()[0] in CHANGES:
            found.append((number, True))
    return found


def test_killed_at_a_call_that_changes_something(make: Make) -> None:
    log = calls(make)
    for number, after in places(make):
        if log[number - 1].split()[0] in CHANGES:
            same_end(make, number, after=after)


def test_killed_at_some_calls(make: Make) -> None:
    found = places(make)
    for number, after in found[seed() % (len(found) // SAMPLE) :: len(found) // SAMPLE]:
        same_end(make, number, after=after)


@pytest.mark.long
def test_killed_at_every_call(make: Make) -> None:
    for number, after in places(make):
        same_end(make, number, after=after)


def go_back(make: Make, number: int, *, after: bool) -> str:
    bench = make()
    run = killed(bench, number, after=after)
    journal = run.journal()
    position, blocked = journal.run().position, False
    steps = bench.plan.steps
    begun = steps[: position.step + bool(journal.acts(position) or position.act)]
    blocked = any(step.blocks for step in begun)
    journal.close()
    if blocked:
        with pytest.raises(KubedebError) as refused:
            operations.rollback(bench.desk, run)
        assert refused.value.code is ExitCode.NO_WAY_BACK
        assert bench.go(run).status is RunStatus.DONE, "the way on is open"
        return "blocked"
    report = operations.rollback(bench.desk, run)
    assert versions(bench) == all_on("3.4.23")
    assert bench.model.line == (3, 4)
    assert {item.now for item in report.members} == {"3.4.23"}
    if report.status is RunStatus.ROLLED_BACK:
        return "rolled back"
    assert bench.go(run).status is RunStatus.DONE, "nothing was taken back: the run goes on as if nobody had asked"
    return "nothing to undo"


def test_rollback_from_every_change(make: Make) -> None:
    log = calls(make)
    came = {go_back(make, n, after=after) for n, after in places(make) if log[n - 1].split()[0] in CHANGES}
    assert came == {"blocked", "rolled back", "nothing to undo"}


@pytest.mark.long
def test_rollback_from_every_call(make: Make) -> None:
    for number, after in places(make):
        go_back(make, number, after=after)


def test_a_rollback_that_is_killed_goes_on(make: Make) -> None:
    installs = [number for number, entry in enumerate(calls(make), 1) if entry.startswith("install ")]
    for number in range(1, 60, 3):
        bench = make()
        run = killed(bench, installs[1], after=True)
        bench.model.kill = (bench.model.calls + number, bool(number % 2))
        with pytest.raises(Killed):
            operations.rollback(bench.desk, run)
        bench.model.revive()
        bench.model.pass_time()
        operations.rollback(bench.desk, run)
        assert versions(bench) == all_on("3.4.23")


def test_rolled_back_is_the_end_of_a_run(make: Make) -> None:
    bench = make()
    run = bench.begin()
    bench.go(run, until="3.5-change-etcd2")
    assert operations.rollback(bench.desk, run).status is RunStatus.ROLLED_BACK
    assert bench.go(run).status is RunStatus.ROLLED_BACK
    assert operations.rollback(bench.desk, run).status is RunStatus.ROLLED_BACK
    assert versions(bench) == all_on("3.4.23")


def test_a_finished_run_has_no_way_back_and_says_why(make: Make) -> None:
    bench = make()
    run = bench.begin()
    bench.go(run)
    with pytest.raises(KubedebError) as refused:
        operations.rollback(bench.desk, run)
    assert refused.value.code is ExitCode.NO_WAY_BACK
    assert "every member on 3.4 unreachable" in refused.value.details
    assert str(run.backups) in refused.value.hint


def test_until_stops_after_a_step_and_resume_goes_on(make: Make) -> None:
    bench = make()
    run = bench.begin()
    assert bench.go(run, until="3.5-change-etcd2").status is RunStatus.STOPPED
    assert [node for node, _ in bench.model.starts] == ["etcd2"]
    assert bench.go(run).status is RunStatus.DONE


def test_an_unknown_step_is_refused(make: Make) -> None:
    bench = make()
    with pytest.raises(KubedebError) as refused:
        bench.go(bench.begin(), until="3.5-chagne")
    assert refused.value.code is ExitCode.USAGE


@pytest.mark.parametrize("what", ["download", "save", "restored", "install", "restart"])
def test_a_refused_act_stops_the_run_with_instructions(make: Make, what: str) -> None:
    bench = make()
    run = bench.begin()
    bench.model.refuse[what] = 1
    with pytest.raises(KubedebError) as stop:
        bench.go(run)
    text = stop.value.render()
    assert stop.value.code is ExitCode.STOPPED
    for wanted in (f"{what} failed", "as the test asked", "what runs where:", f"kubedeb resume {run.id}", "etcd3: 3.4.23"):
        assert wanted in text
    assert bench.go(run).status is RunStatus.DONE


def test_a_call_that_failed_but_worked_counts_as_done(make: Make) -> None:
    bench = make()
    run, restart = bench.begin(), bench.model.restart

    def lost(node: str) -> None:
        restart(node)
        bench.model.refuse["restart"] = 1
        bench.model._call("restart", node, lambda _: None)

    bench.model.restart = lost  # type: ignore[method-assign]
    assert bench.go(run).status is RunStatus.DONE
    assert len(bench.model.starts) == 3


def test_a_member_that_is_down_stops_the_run_before_anything_is_changed(make: Make) -> None:
    bench = make()
    run = bench.begin()
    bench.go(run, until="3.5-drill")
    bench.model.nodes["etcd3"].running = None
    with pytest.raises(KubedebError) as stop:
        bench.go(run)
    assert "members-healthy: member etcd3 does not answer" in stop.value.details
    assert f"kubedeb rollback {run.id}" in stop.value.hint
    assert versions(bench)["etcd2"] == (debian("3.4.23"), "3.4.23")
    bench.model.nodes["etcd3"].running = "3.4.23"
    assert bench.go(run).status is RunStatus.DONE


def test_the_last_member_is_not_touched_while_there_is_no_backup(make: Make) -> None:
    bench = make()
    run = bench.begin()
    bench.go(run, until="3.5-change-etcd3")
    for copy in run.backups.iterdir():
        copy.unlink()
    bench.model.refuse["save"] = 1
    with pytest.raises(KubedebError) as stop:
        bench.go(run)
    assert "save failed" in stop.value.details
    assert len(bench.model.starts) == 2
    bench.model.compacted = 10
    with pytest.raises(KubedebError) as stop:
        bench.go(run)
    assert "required revision has been compacted" in stop.value.details
    assert len(bench.model.starts) == 2
    bench.model.revision = 10
    assert bench.go(run).status is RunStatus.DONE


def saves(bench: Bench) -> int:
    return len([entry for entry in bench.model.log if entry.startswith("save ")])


def compacted(bench: Bench, run: RunFolder) -> None:
    bench.model.revision = bench.model.compacted = 1000


def gone_from_the_node(bench: Bench, run: RunFolder) -> None:
    for node in bench.model.nodes.values():
        node.backups.clear()


def gone_from_here(bench: Bench, run: RunFolder) -> None:
    for copy in run.backups.iterdir():
        copy.unlink()


LOST = (compacted, gone_from_the_node, gone_from_here)


@pytest.mark.parametrize("lose", LOST)
def test_a_backup_that_cannot_be_compared_any_more_is_saved_again(make: Make, lose: Callable[[Bench, RunFolder], None]) -> None:
    bench = make()
    run = bench.begin()
    bench.go(run, until="3.5-backup")
    lose(bench, run)
    assert bench.go(run).status is RunStatus.DONE
    assert saves(bench) == 2
    journal = run.journal()
    kept = [event["data"]["proven"] is not None for event in journal.events() if event["what"] == "backup"]
    journal.close()
    assert kept == [False, False, True]


@pytest.mark.parametrize("lose", LOST)
def test_killed_while_a_backup_is_saved_again(make: Make, lose: Callable[[Bench, RunFolder], None]) -> None:
    for number in range(1, 60, 5):
        bench = make()
        run = bench.begin()
        bench.go(run, until="3.5-backup")
        lose(bench, run)
        bench.model.kill = (bench.model.calls + number, bool(number % 2))
        with pytest.raises(Killed):
            bench.go(run)
        bench.model.revive()
        bench.model.pass_time()
        assert bench.go(run).status is RunStatus.DONE
        assert len(bench.model.starts) == 3


def test_a_drill_is_not_tried_for_ever(make: Make) -> None:
    bench = make()
    run = bench.begin()
    bench.model.compacted = 1000
    with pytest.raises(KubedebError) as stop:
        bench.go(run)
    assert "required revision has been compacted" in stop.value.details
    assert saves(bench) == TRIES
    bench.model.revision = 1000
    assert bench.go(run).status is RunStatus.DONE


def test_a_backup_that_differs_stops_the_run_and_is_not_compared_again(make: Make) -> None:
    bench = make()
    run, restored = bench.begin(), bench.model.restored
    spoilt = []

    def differing(node: str, path: str) -> Generator[Entry]:
        spoilt.append(path)
        bench.model.restored = restored  # type: ignore[method-assign]
        yield from [*restored(node, path)][:-1]

    bench.model.restored = differing  # type: ignore[method-assign]
    with pytest.raises(KubedebError) as stop:
        bench.go(run)
    assert "'key-4' is in the live store and not in the backup" in stop.value.details
    assert saves(bench) == 1
    assert bench.go(run).status is RunStatus.DONE
    assert saves(bench) == 2


@pytest.mark.parametrize("until", ["3.5-drill", "3.5-change-etcd3"])
def test_a_backup_that_became_too_old_is_taken_again(make: Make, until: str) -> None:
    bench = make()
    run = bench.begin()
    bench.go(run, until=until)
    bench.model.time += 100_000
    assert bench.go(run).status is RunStatus.DONE
    assert saves(bench) == 2
    journal = run.journal()
    (backup,) = journal.backups()
    journal.close()
    last = bench.model.time - backup.saved
    assert last < 1000


def test_a_package_that_is_not_the_plans_is_not_installed(make: Make) -> None:
    bench = make()
    run = bench.begin()
    bench.go(run, until="3.5-drill")
    for node in bench.model.nodes.values():
        node.cached["etcd-server"].discard(debian("3.5.16"))
    with pytest.raises(KubedebError) as stop:
        bench.go(run)
    assert "packages-cached: etcd-server 3.5.16-1~deb12u1 is not in the packages' folder of etcd2" in stop.value.details
    assert versions(bench) == all_on("3.4.23")


def test_a_second_executor_is_refused(make: Make) -> None:
    bench = make()
    run = bench.begin()
    with bench.lock(), pytest.raises(KubedebError) as refused:
        bench.go(run)
    assert refused.value.code is ExitCode.LOCKED
    assert "(run another run)" in refused.value.details


def test_an_executor_that_was_overtaken_stops_before_its_next_act(make: Make) -> None:
    bench = make()
    run, download = bench.begin(), bench.model.download

    def overtake(node: str, versions: dict[str, str]) -> None:
        path = bench.desk.places.locks / f"{bench.plan.cluster_id}.json"
        path.write_text(path.read_text().replace('"token": 1', '"token": 2'))
        download(node, versions)

    bench.model.download = overtake  # type: ignore[method-assign]
    with pytest.raises(KubedebError) as refused:
        bench.go(run)
    assert refused.value.code is ExitCode.LOCKED
    assert not any(entry.startswith("save") for entry in bench.model.log)


def test_apply_checks_proves_and_runs(make: Make) -> None:
    bench = make()
    report = operations.apply(bench.desk, bench.cluster_file, bench.cluster, bench.plan)
    assert report is not None
    assert report.status is RunStatus.DONE
    assert operations.apply(bench.desk, bench.cluster_file, bench.cluster, bench.plan) is None, "its target is reached"


def test_apply_refuses_a_cluster_that_has_changed(make: Make) -> None:
    bench = make()
    bench.model.nodes["etcd2"].member_id = "bad"
    bench.model.nodes["etcd3"].running = "3.5.16"
    for name in NAMES:
        bench.model.nodes["etcd3"].installed[name] = debian("3.5.16")
    with pytest.raises(KubedebError) as refused:
        operations.apply(bench.desk, bench.cluster_file, bench.cluster, bench.plan)
    assert refused.value.code is ExitCode.DRIFT
    assert refused.value.details.splitlines() == [
        "member etcd2 has the id bad, planned: a1",
        "member etcd3 runs 3.5.16, planned: 3.4.23",
        "etcd3 has etcd-client 3.5.16-1~deb12u1 installed, planned: 3.4.23-1~deb12u1",
        "etcd3 has etcd-server 3.5.16-1~deb12u1 installed, planned: 3.4.23-1~deb12u1",
    ]
    assert not bench.model.starts


def test_apply_names_the_run_that_changed_the_cluster(make: Make) -> None:
    bench = make()
    run = bench.begin()
    bench.go(run, until="3.5-change-etcd2")
    with pytest.raises(KubedebError) as refused:
        operations.apply(bench.desk, bench.cluster_file, bench.cluster, bench.plan)
    assert f"kubedeb resume {run.id}" in refused.value.hint


def test_apply_refuses_a_plan_that_is_not_proven(make: Make) -> None:
    bench = make()
    phases = [
        phase.model_copy(update={"steps": tuple(s for s in phase.steps if s.id != "3.5-drill")}) for phase in bench.plan.phases
    ]
    steps = [s.model_copy(update={"requires": ()}) for phase in phases for s in phase.steps]
    merged = phases[-1].model_copy(update={"steps": tuple(steps)})
    plan = bench.plan.model_copy(update={"phases": (merged,)})
    with pytest.raises(KubedebError) as refused:
        operations.apply(bench.desk, bench.cluster_file, bench.cluster, plan)
    assert refused.value.code is ExitCode.REFUSED
    assert not bench.model.starts


def test_apply_stops_at_a_preflight_finding_until_it_is_forced(make: Make) -> None:
    bench = make()
    text = bench.cluster_file.read_text().replace("row-b: {rack-1: etcd2}", "row-b: {rack-1: 'etcd[2-3]'}")
    bench.cluster_file.write_text(text.replace("  row-c: {rack-1: etcd3}\n", ""))
    cluster = clusterfile.load(bench.cluster_file)
    inputs = bench.plan.inputs.model_copy(update={"cluster_file": digest(cluster)})
    members = tuple(m.model_copy(update={"row": "row-a" if m.node == "etcd1" else "row-b"}) for m in bench.plan.members)
    plan = bench.plan.model_copy(update={"inputs": inputs, "members": members})
    with pytest.raises(KubedebError) as refused:
        operations.apply(bench.desk, bench.cluster_file, cluster, plan)
    assert refused.value.code is ExitCode.PREFLIGHT
    assert "forceable: row-shared: etcd2, etcd3 stand in one row (row-b)" in refused.value.details
    assert "--force rack-shared --force row-shared" in refused.value.hint
    forced = frozenset({"row-shared", "rack-shared"})
    report = operations.apply(bench.desk, bench.cluster_file, cluster, plan, forced=forced)
    assert report is not None
    assert report.status is RunStatus.DONE


def test_ctrl_c_stops_the_run_and_resume_goes_on(make: Make) -> None:
    bench = make()
    run, restart = bench.begin(), bench.model.restart

    def interrupted(node: str) -> None:
        restart(node)
        raise KeyboardInterrupt

    bench.model.restart = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        bench.go(run)
    journal = run.journal()
    assert (journal.run().status, journal.run().reason) == (RunStatus.STOPPED, "interrupted from the keyboard")
    journal.close()
    bench.model.restart = restart  # type: ignore[method-assign]
    assert bench.go(run).status is RunStatus.DONE
    assert len(bench.model.starts) == 3


def test_no_act_is_taken_when_its_intent_cannot_be_written(make: Make) -> None:
    bench = make()
    run = bench.begin()
    bench.go(run, until="3.5-drill")
    journal = run.journal()
    journal._connection.execute("CREATE TRIGGER full BEFORE INSERT ON acts BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
    journal.close()
    with pytest.raises(KubedebError) as error:
        bench.go(run)
    assert error.value.code is ExitCode.JOURNAL
    assert not any(entry.startswith("install") and not entry.startswith("installed") for entry in bench.model.log)


def test_a_folder_for_runs_that_cannot_be_made(make: Make) -> None:
    bench = make()
    bench.desk.places.runs.write_text("a file")
    with pytest.raises(KubedebError) as error:
        bench.begin()
    assert error.value.code is ExitCode.JOURNAL


def test_a_refused_rollback_leaves_the_run_as_it_was(make: Make) -> None:
    bench = make()
    run = bench.begin()
    bench.go(run, until="3.5-change-etcd2")
    bench.model.nodes["etcd3"].member_id = "bad"
    with pytest.raises(KubedebError) as refused:
        operations.rollback(bench.desk, run)
    assert refused.value.code is ExitCode.DRIFT
    bench.model.nodes["etcd3"].member_id = "a2"
    assert bench.go(run).status is RunStatus.DONE, "nobody turned it back"


def test_an_edited_plan_is_not_run(make: Make) -> None:
    bench = make()
    run = bench.begin()
    bench.go(run, until="3.5-change-etcd2")
    path = run.path / "plan.json"
    path.write_text(path.read_text().replace('"backup-proven"', '"no-alarm"'))
    before = len(bench.model.log)
    for act in (lambda: bench.go(run), lambda: operations.rollback(bench.desk, run), run.plan):
        with pytest.raises(KubedebError) as refused:
            act()
        assert refused.value.code is ExitCode.JOURNAL
        assert f"{path} is not the plan that the run {run.id} was begun with" in refused.value.brief
    assert len(bench.model.log) == before, "no node was asked"


def test_a_lock_that_is_held_for_a_moment_is_waited_for(make: Make) -> None:
    bench = make()
    with FileLock(bench.desk.places.locks / f"{bench.plan.cluster_id}.lock", thread_local=False) as other:
        Timer(0.3, lambda: other.release(force=True)).start()
        with bench.lock() as lock:
            assert lock.token == 1


def test_a_backup_is_hashed_only_when_its_proof_is_asked_for_and_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make()
    run = bench.begin()
    bench.go(run, until="3.5-change-etcd2")
    hashed: list[Path] = []
    monkeypatch.setattr(acts, "sha256_of", lambda path: hashed.append(path) or sha256_of(path))
    bench.go(run, until="3.5-change-etcd3")
    assert hashed == [], "no check of this step asks for a backup"
    bench.model.nodes["etcd2"].running = None
    with pytest.raises(KubedebError, match="the run stopped"):
        bench.go(run)
    assert len(hashed) == 1, "a minute of waiting for the member"
