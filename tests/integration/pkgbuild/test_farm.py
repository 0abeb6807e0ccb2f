"""Builds on a farm of two local workers over TLS: the same bytes, a worker's death costs only time, nothing half-stored."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import samplerecipe
from farms import RunningFarm, farm
from kubedeb.errors import ExitCode
from kubedeb.process import Result, run
from pkgbuild.store import Store

pytestmark = [pytest.mark.docker, pytest.mark.turn]
KUBEDEB = Path(sys.executable).parent / "kubedeb"
SLOW = samplerecipe.RULES + "override_dh_auto_configure:\n\tsleep {seconds}\n"


@pytest.fixture
def two_workers(store: Path, with_base: Store, tmp_path: Path) -> Iterator[RunningFarm]:
    """Give a farm; its workers have no base and get it from the shared store."""
    for root in (with_base.folder / "bases").glob("*.tar.zst"):
        (store / "bases" / root.name).symlink_to(root)
    (tmp_path / "farm").mkdir()
    with farm(tmp_path / "farm", 2) as running:
        yield running


def kubedeb(tmp_path: Path, *argv: str) -> Result:
    env = {"KUBEDEB_STORE": str(tmp_path / "store"), "KUBEDEB_CACHE": str(tmp_path / "cache")}
    return run([KUBEDEB, *argv], code=ExitCode.BUG, env=env, timeout=240, ok=range(256))


def recipe(tmp_path: Path, seconds: float = 0) -> list[str]:
    folder = samplerecipe.write_recipe(tmp_path / "recipes", rules=SLOW.format(seconds=seconds))
    where = ["--recipes", str(folder)]
    done = kubedeb(tmp_path, "recipe", "fetch", "hello", *where, "--from", str(folder / "sources"))
    assert done.status == 0, done.stderr.decode()
    return where


def kill_who_builds(running: RunningFarm, killed: list[int], done: threading.Event, seconds: float = 120) -> None:
    """Kill the worker that has begun to build, as soon as there is one."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not done.is_set():
        for pid, store in running.workers.items():
            if list((store / "builds").glob(".*")):
                time.sleep(1)
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                return
        time.sleep(0.05)


def test_a_worker_that_dies_is_replaced_and_nothing_is_half_stored(two_workers: RunningFarm, tmp_path: Path) -> None:
    where = recipe(tmp_path, seconds=5)
    killed: list[int] = []
    killer = threading.Thread(target=kill_who_builds, args=(two_workers, killed, ended := threading.Event()))
    killer.start()
    done = kubedeb(tmp_path, "build", "hello", *where, "--json", "--no-lintian", "--no-root-tests", *two_workers.flags)
    ended.set()
    killer.join(timeout=10)
    assert done.status == 0, done.stderr.decode()
    assert killed
    [built] = json.loads(done.stdout)["builds"]
    survivor = next(store for pid, store in two_workers.workers.items() if pid not in killed)
    assert [path.name for path in (survivor / "builds").iterdir()] == [built["digest"]]
    shared = two_workers.shared / "builds" / built["digest"]
    record = json.loads((shared / "result").read_text())
    assert sorted(path.name for path in shared.iterdir()) == sorted([record["attempt"], "result"])
    assert Path(built["log"]).read_text().count("sleep 5") == 1
    again = kubedeb(tmp_path, "build", "hello", *where, *two_workers.flags)
    assert "nothing to do, the store holds this build" in again.stderr.decode()
    local = ["--store", str(tmp_path / "other")]
    (tmp_path / "other").mkdir()
    (tmp_path / "other/bases").symlink_to(tmp_path / "store/bases")
    here = kubedeb(tmp_path, "build", "hello", *where, "--json", "--no-lintian", "--no-root-tests", *local)
    [same] = json.loads(here.stdout)["builds"]
    assert [package["sha256"] for package in same["packages"]] == [package["sha256"] for package in built["packages"]]


def test_what_fails_on_a_worker_is_told_as_if_it_had_failed_here(two_workers: RunningFarm, tmp_path: Path) -> None:
    folder = samplerecipe.write_recipe(
        tmp_path / "recipes", rules=samplerecipe.RULES + "override_dh_auto_build:\n\techo the reason; false\n"
    )
    where = ["--recipes", str(folder)]
    assert kubedeb(tmp_path, "recipe", "fetch", "hello", *where, "--from", str(folder / "sources")).status == 0
    done = kubedeb(tmp_path, "build", "hello", *where, *two_workers.flags)
    assert done.status == ExitCode.BUILD
    assert "the reason" in done.stderr.decode()
    assert "the reason" in "".join(path.read_text() for path in (tmp_path / "store/logs").iterdir())
    assert not (two_workers.shared / "builds").exists()
    plain = kubedeb(tmp_path, "build", "hello", *where, "--farm", two_workers.address, "--farm-store", str(two_workers.shared))
    assert plain.status == ExitCode.USAGE
