"""Real clusters, upgraded with the real commands: under load, back again, and through kills from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kubedeb.cli import run
from kubedeb.errors import ExitCode
from lab import Lab
from lab.etcd import DIRECT
from lab.writer import Summary, Writer, lost
from livecluster import Live, Planned, Published
from testseed import seed
from upgrade_plans import planfile
from upgrade_plans.executor import runs
from upgrade_plans.executor.lock import ClusterLock

KUBEDEB = Path(sys.executable).parent / "kubedeb"
MOST = 5.0
"""Seconds that no write is acknowledged, at the most."""
FEWEST = 50.0
"""Acknowledged writes a second, at the least."""
CLOCK = "clock"
CALLS = (("pwrite64", 60), ("fdatasync", 25), ("sendto", 8), ("connect", 4), ("write", 40), (CLOCK, 15), (CLOCK, 15))
"""System calls to kill at, and the highest count to wait for; by the clock (seconds) to hit the long ones in their middle."""
BEGUN = 2
"""Of `CALLS`, the first ones are the journal's: the first kill is at one of those, so that there is a run."""

pytestmark = pytest.mark.docker
Make = Callable[[str], Live]


def planned(live: Live, start: str, target: str, folder: Path) -> Planned:
    facts, plan = folder / "facts.json", folder / "plan.json"
    assert run(["inspect", str(live.file), "-o", str(facts)]) == ExitCode.DONE
    words = ["plan", "make", str(live.file), "--facts", str(facts), "--to", f"etcd={target}", "-o", str(plan)]
    assert run(words) == ExitCode.DONE
    return Planned(live, plan, start, target)


@pytest.fixture
def oldest(cluster: Make, published: Published, tmp_path: Path) -> Planned:
    """Return a cluster on the oldest version and the plan to the newest."""
    start, target = published.versions[0], published.versions[-1]
    return planned(cluster(start), start, target, tmp_path)


def judge(planned: Planned, summary: Summary | None, log: Path) -> None:
    assert summary is not None
    assert {url: lost(url, log) for url in planned.live.urls} == {url: [] for url in planned.live.urls}
    assert summary.longest_gap <= MOST
    assert summary.rate >= FEWEST


def output(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def hop(planned: Planned) -> tuple[str, str]:
    """Return the first hop's last reversible step, and its last member's."""
    changes = [step for step in planfile.load(planned.plan).phases[1].steps if step.kind == "change"]
    return changes[-2].id, changes[-1].id


def test_there_and_back_and_there_under_load(oldest: Planned, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Go almost to the point of no return, come back; refuse what must be refused; then go the whole way."""
    capsys.readouterr()
    assert oldest.kubedeb("preflight", oldest.plan, "--cluster", oldest.live.file, "--json") == ExitCode.DONE
    assert output(capsys) == {"mandatory": [], "forceable": []}
    with Writer(oldest.live.urls, tmp_path / "log") as writer:
        back_again(oldest, capsys)
        refusals(oldest, tmp_path, capsys)
        assert oldest.apply("--json") == ExitCode.DONE
        time.sleep(1)
    report = output(capsys)
    assert [(m["node"], m["before"], m["now"]) for m in report["members"]] == [
        (node, oldest.start, oldest.target) for node in oldest.live.lab.nodes
    ]
    oldest.all_run(oldest.target)
    judge(oldest, writer.summary, tmp_path / "log")
    for node in oldest.live.lab.nodes:
        assert oldest.live.lab.run(node, "systemctl", "is-active", "kubedeb-scratch", check=False).output.strip() == "inactive"
        assert "scratch" not in oldest.live.lab.run(node, "ls", "/var/lib/kubedeb-backups", check=False).output
    assert oldest.kubedeb("rollback") == ExitCode.NO_WAY_BACK
    assert oldest.apply() == ExitCode.DONE, "nothing to do"


def back_again(oldest: Planned, capsys: pytest.CaptureFixture[str]) -> None:
    reversible, _ = hop(oldest)
    assert oldest.apply("--until", reversible) == ExitCode.DONE
    assert len({server for server, _ in oldest.running().values()}) == 2
    assert oldest.apply() == ExitCode.DRIFT
    assert "kubedeb resume" in capsys.readouterr().err
    assert oldest.kubedeb("rollback", "--json") == ExitCode.DONE
    assert output(capsys)["status"] == "rolled-back"
    oldest.all_run(oldest.start)


def refusals(oldest: Planned, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planfile.load(oldest.plan)
    with ClusterLock(folder / "state/locks", plan.cluster_id, "somebody's run"):
        assert oldest.apply() == ExitCode.LOCKED
    assert f"process {os.getpid()} on " in capsys.readouterr().err
    other = folder / "other.json"
    planfile.save(other, plan.model_copy(update={"cluster_id": "1234"}))
    assert oldest.kubedeb("apply", other, "--cluster", oldest.live.file) == ExitCode.DRIFT
    unproven = folder / "unproven.json"
    phases = tuple(phase.model_copy(update={"steps": tuple(
        step.model_copy(update={"requires": ()}) for step in phase.steps if step.kind not in ("backup", "drill")
    )}) for phase in plan.phases)  # fmt: skip
    planfile.save(unproven, plan.model_copy(update={"phases": phases}))
    assert oldest.kubedeb("apply", unproven, "--cluster", oldest.live.file) == ExitCode.REFUSED
    oldest.all_run(oldest.start)
    capsys.readouterr()


def killed_at(call: str, number: int, words: list[str]) -> int:
    """Run kubedeb and kill it from outside at a system call; return its status (0: it came to its end before)."""
    if call == CLOCK:
        with subprocess.Popen([str(KUBEDEB), *words], stderr=subprocess.DEVNULL) as process:
            try:
                return process.wait(number)
            except subprocess.TimeoutExpired:
                process.kill()
        return process.returncode
    inject = f"inject={call}:signal=SIGKILL:when={number}"
    argv = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", inject, str(KUBEDEB), *words]
    return subprocess.run(argv, stderr=subprocess.DEVNULL).returncode


def place(state: Path) -> str:
    """Return where the newest run is in its plan, by its journal."""
    found = runs.every(state)
    if not found:
        return "not begun"
    with closing(found[-1].journal()) as journal:
        position = journal.run().position
        steps, states = found[-1].plan().steps, {taken.node: taken.state for taken in journal.acts(position)}
    return f"{steps[position.step].id if position.step < len(steps) else 'the end'}, act {position.act}, {states}"


def chain(oldest: Planned, kills: int, dice: Random) -> list[str]:
    """Apply and then resume, killed `kills` times at most; return where it was killed."""
    story: list[str] = []
    state = Path(os.environ["KUBEDEB_STATE"]) / "runs"
    for _ in range(kills):
        begun = state.is_dir() and any(state.glob("[!.]*"))
        words = ["resume"] if begun else ["apply", str(oldest.plan), "--cluster", str(oldest.live.file)]
        call, most = dice.choice(CALLS if begun else CALLS[:BEGUN])
        number = dice.randint(1, most)
        status = killed_at(call, number, words)
        assert status in (0, -signal.SIGKILL, 128 + signal.SIGKILL), f"{[*story, words[0], call, number]}: status {status}"
        if status == 0:
            return story
        story.append(f"{words[0]} at {call} {number}: {place(state)}")
    assert run(["resume"]) == ExitCode.DONE, story
    return story


def luck(number: int) -> Random:
    return Random(seed() + number)  # noqa: S311 - not for secrets


def kill_and_resume(oldest: Planned, kills: int, dice: Random, log: Path) -> None:
    with Writer(oldest.live.urls, log) as writer:
        story = chain(oldest, kills, dice)
        assert story, "it was never killed"
        time.sleep(1)
    oldest.all_run(oldest.target)
    log.with_suffix(".story").write_text("\n".join(story))
    judge(oldest, writer.summary, log)


@pytest.mark.turn("kills on real nodes")
def test_killed_from_outside_it_reaches_the_same_end(cluster: Make, published: Published, tmp_path: Path) -> None:
    start, target = published.versions[-2:]
    last = planned(cluster(start), start, target, tmp_path)
    kill_and_resume(last, 8, luck(0), tmp_path / "log")


@pytest.mark.long
@pytest.mark.parametrize("number", range(12))
def test_killed_often(cluster: Make, published: Published, tmp_path: Path, number: int) -> None:
    start, target = published.versions[-2:]
    last = planned(cluster(start), start, target, tmp_path)
    kill_and_resume(last, 25, luck(number), tmp_path / "log")


def compact(planned: Planned) -> None:
    """Compact the store as Kubernetes does, to its present revision."""
    etcdctl = ("env", "ETCDCTL_API=3", "etcdctl", f"--endpoints={planned.live.urls[0]}")
    status = json.loads(planned.live.lab.run("etcd1", *etcdctl, "endpoint", "status", "-w", "json").output)
    planned.live.lab.run("etcd1", *etcdctl, "compaction", str(status[0]["Status"]["header"]["revision"]))


def backups() -> list[bool]:
    """Return, for each time that the newest run's journal kept a backup, whether it was proven."""
    with closing(runs.find(Path(os.environ["KUBEDEB_STATE"]) / "runs", None).journal()) as journal:
        return [event["data"]["proven"] is not None for event in journal.events() if event["what"] == "backup"]


@pytest.fixture
def pruned(lab: Lab) -> Iterator[Callable[[], None]]:
    """Return what takes every package out of the nodes' indices and apt caches; the sources come back afterwards."""

    def shell(command: str) -> None:
        for node in lab.nodes:
            lab.run(node, "sh", "-c", command)

    away = "mv /etc/apt/sources.list.d /root/sources && mkdir /etc/apt/sources.list.d && apt-get update && apt-get clean"
    yield lambda: shell(away)
    shell("[ ! -d /root/sources ] || { rmdir /etc/apt/sources.list.d && mv /root/sources /etc/apt/sources.list.d; }")
    shell("apt-get update")


@pytest.mark.turn("kills on real nodes")
def test_the_way_back_leads_through_kills_and_needs_no_repository(
    cluster: Make, published: Published, pruned: Callable[[], None], tmp_path: Path
) -> None:
    start, target = published.versions[-2:]
    last = planned(cluster(start), start, target, tmp_path)
    dice, story = luck(1), list[str]()
    with Writer(last.live.urls, tmp_path / "log") as writer:
        prepared = planfile.load(last.plan).phases[0].steps[-1].id
        assert last.apply("--until", prepared) == ExitCode.DONE
        pruned()
        assert run(["resume", "--until", "3.5-backup"]) == ExitCode.DONE
        compact(last)
        assert run(["resume", "--until", hop(last)[0]]) == ExitCode.DONE
        assert backups() == [False, False, True], "saved, compacted, saved again and proven"
        assert len({server for server, _ in last.running().values()}) == 2
        for number in range(4):
            call, most = dice.choice(CALLS if number else CALLS[:BEGUN])
            status = killed_at(call, dice.randint(1, most if number else most // 2), ["rollback"])
            assert status in (0, -signal.SIGKILL, 128 + signal.SIGKILL), f"{[*story, call]}: status {status}"
            if status == 0:
                break
            story.append(f"rollback at {call}: {place(Path(os.environ['KUBEDEB_STATE']) / 'runs')}")
        assert run(["rollback"]) == ExitCode.DONE, story
        time.sleep(1)
    assert story, "it was never killed"
    last.all_run(start)
    (tmp_path / "log").with_suffix(".story").write_text("\n".join(story))
    judge(last, writer.summary, tmp_path / "log")


def test_installing_another_version_leaves_the_daemon_alone_and_removal_stops_it(cluster: Make, published: Published) -> None:
    start, target = published.versions[-2:]
    live = cluster(start)

    def main_pid() -> str:
        return live.lab.run("etcd1", "systemctl", "show", "-p", "MainPID", "--value", "etcd").output.strip()

    before = main_pid()
    assert int(before) > 0
    packages = [f"{name}={target}-1~deb12u1" for name in ("etcd-server", "etcd-client")]
    live.lab.run("etcd1", "apt-get", "install", "-y", "-qq", *packages)
    assert main_pid() == before
    with DIRECT.open(f"{live.urls[0]}/version", timeout=5) as answer:
        assert json.load(answer)["etcdserver"] == start, "what is installed is not yet what runs"
    live.lab.run("etcd1", "apt-get", "remove", "-y", "-qq", "etcd-server")
    assert live.lab.run("etcd1", "systemctl", "is-active", "etcd", check=False).output.strip() == "inactive"
    assert "member" in live.lab.run("etcd1", "ls", "/var/lib/etcd/default").output
