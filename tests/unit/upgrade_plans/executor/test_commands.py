"""The commands, on the model cluster: what they print and the exit status that they end with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import Bench
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from upgrade_plans import planfile


@pytest.fixture
def bench(make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = make()
    monkeypatch.setenv("KUBEDEB_STATE", str(made.folder))
    monkeypatch.setattr("upgrade_plans.adapters.world.world_of", lambda _: made.model.world())
    planfile.save(made.folder / "plan.json", made.plan)
    return made


def kubedeb(bench: Bench, *words: str | Path) -> int:
    return run([str(word) for word in words])


def apply(bench: Bench, *more: str) -> int:
    return kubedeb(bench, "apply", bench.folder / "plan.json", "--cluster", bench.cluster_file, *more)


def test_inspect_prints_a_table_and_keeps_the_facts(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    facts = bench.folder / "facts.json"
    assert kubedeb(bench, "inspect", bench.cluster_file, "-o", facts) == ExitCode.DONE
    assert capsys.readouterr().out.splitlines()[1].split()[:5] == ["etcd1", "3.4.23", "3.4.0", "leader", "3.4.23-1~deb12u1"]
    assert kubedeb(bench, "inspect", bench.cluster_file, "--json") == ExitCode.DONE
    said, kept = json.loads(capsys.readouterr().out), json.loads(facts.read_text())
    assert {**said, "read_at": ""} == {**kept, "read_at": ""}


def test_inspect_of_nothing(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    for node in bench.model.nodes.values():
        node.down = True
    assert kubedeb(bench, "inspect", bench.cluster_file) == ExitCode.INSPECT
    assert "no etcd member of model answers" in capsys.readouterr().err


def test_preflight(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("preflight", bench.folder / "plan.json", "--cluster", bench.cluster_file)
    assert kubedeb(bench, *words) == ExitCode.DONE
    assert capsys.readouterr().out.count(": none") == 2
    bench.model.alarms = lambda _: ("NOSPACE",)  # type: ignore[method-assign]
    assert kubedeb(bench, *words, "--json") == ExitCode.PREFLIGHT
    said = json.loads(capsys.readouterr().out)
    assert said["forceable"] == []
    assert said["mandatory"][0] == {"id": "no-alarm", "text": "member etcd1 reports NOSPACE"}


def test_apply_status_rollback_and_apply_again(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert apply(bench, "--until", "3.5-change-etcd2", "--json") == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["status"] == "stopped"
    assert kubedeb(bench, "status") == ExitCode.DONE
    shown = capsys.readouterr().out
    assert "stopped (as asked, after 3.5-change-etcd2), forward" in shown
    assert [line.split()[3] for line in shown.splitlines()[2:9]] == ["done"] * 4 + ["to"] * 3
    assert kubedeb(bench, "rollback") == ExitCode.DONE
    assert "rolled-back" in capsys.readouterr().out
    bench.model.time += 1
    assert apply(bench) == ExitCode.DONE
    said = capsys.readouterr()
    assert said.out.splitlines()[1].split()[:3] == ["etcd1", "3.4.23", "3.5.16"]
    assert "the plan is proven" in said.err
    assert kubedeb(bench, "status", "--json") == ExitCode.DONE
    status = json.loads(capsys.readouterr().out)
    assert status["status"] == "done"
    assert {step["state"] for step in status["steps"]} == {"done"}
    assert status["backups"][0]["proven"] is not None
    assert kubedeb(bench, "rollback") == ExitCode.NO_WAY_BACK
    assert apply(bench, "--json") == ExitCode.DONE
    assert json.loads(capsys.readouterr().out) == {"run": None, "status": "done", "members": []}


def test_runs_kept_elsewhere(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = str(bench.folder / "elsewhere")
    assert apply(bench, "--journal", elsewhere, "--until", "3.5-drill") == ExitCode.DONE
    assert kubedeb(bench, "resume") == ExitCode.JOURNAL
    assert "there is no run yet" in capsys.readouterr().err
    assert kubedeb(bench, "resume", "--journal", elsewhere) == ExitCode.DONE


def test_a_dead_executor_is_seen(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    folder = bench.begin()
    journal = folder.journal()
    journal.take_over(1, 1, "here", 1.0)
    journal.close()
    assert kubedeb(bench, "status") == ExitCode.DONE
    assert f"running (its executor is gone: kubedeb resume {folder.id})" in capsys.readouterr().out


def test_an_unknown_plan_cluster_and_step(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert kubedeb(bench, "apply", "none.json", "--cluster", bench.cluster_file) == ExitCode.PLAN
    assert kubedeb(bench, "apply", bench.folder / "plan.json", "--cluster", "none.yaml") == ExitCode.CLUSTER
    assert kubedeb(bench, "apply", bench.folder / "plan.json") == ExitCode.USAGE
    assert apply(bench, "--until", "nonsense") == ExitCode.USAGE
    assert "its steps: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "kind: docker",
            "kind: docker, container: 'x-{name}'",
            "transport.container: 'x-{name}' cannot be filled in: only {node}",
        ),
        ("rows:", "etcd: {client_url: 'http://{host}'}\nrows:", "etcd.client_url: 'http://{host}' cannot be filled in"),
    ],
)
def test_a_template_that_cannot_be_filled_in(
    bench: Bench, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    bench.cluster_file.write_text(bench.cluster_file.read_text().replace(old, new))
    assert kubedeb(bench, "inspect", bench.cluster_file) == ExitCode.CLUSTER
    assert said in capsys.readouterr().err


def test_status_of_an_edited_plan(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    folder = bench.begin()
    path = folder.path / "plan.json"
    path.write_text(path.read_text().replace('"backup-proven"', '"no-alarm"'))
    assert kubedeb(bench, "status") == ExitCode.JOURNAL
    assert "is not the plan that the run" in capsys.readouterr().err


def test_status_when_the_lock_cannot_be_read(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    folder = bench.begin()
    journal = folder.journal()
    journal.take_over(1, 1, "here", 1.0)
    journal.close()
    (bench.folder / "locks" / f"{bench.plan.cluster_id}.lock").mkdir(parents=True)
    assert kubedeb(bench, "status") == ExitCode.DONE
    assert ": running, forward" in capsys.readouterr().out
