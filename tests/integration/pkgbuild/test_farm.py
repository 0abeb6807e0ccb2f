"""Builds on a farm of two local workers over TLS: the same bytes, a worker's death costs only time, nothing half-stored."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import kindsamples
import samplerecipe
from farms import RunningFarm, farm
from faultproxy import Fault, FaultProxy
from kubedeb.errors import ExitCode
from kubedeb.process import Result, run
from objectstore import ACCESS, object_store
from pkgbuild.store import Store

pytestmark = [pytest.mark.docker, pytest.mark.turn("builds that take long")]
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


def kubedeb(tmp_path: Path, *argv: str, variables: Mapping[str, str] | None = None) -> Result:
    env = {"KUBEDEB_STORE": str(tmp_path / "store"), "KUBEDEB_CACHE": str(tmp_path / "cache"), **(variables or {})}
    return run([KUBEDEB, *argv], code=ExitCode.BUG, env=env, timeout=240, ok=range(256))


def recipe(tmp_path: Path, seconds: float = 0) -> list[str]:
    folder = samplerecipe.write_recipe(tmp_path / "recipes", rules=SLOW.format(seconds=seconds))
    where = ["--recipes", str(folder)]
    done = kubedeb(tmp_path, "recipe", "fetch", "hello", *where, "--from", str(folder / "sources"))
    assert done.status == 0, done.stderr.decode()
    return where


def kill_who_builds(running: RunningFarm, killed: list[int], done: threading.Event, seconds: float = 120) -> None:
    """Kill the worker that has begun to build, as soon as there is one."""
    kill_when(lambda store: bool(list((store / "builds").glob(".*"))), running, killed, done, seconds)


def kill_when(
    due: Callable[[Path], bool], running: RunningFarm, killed: list[int], done: threading.Event, seconds: float = 120,
    after: float = 1,
) -> None:  # fmt: skip
    """Kill the first worker whose store is as `due` says."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not done.is_set():
        for pid, store in running.workers.items():
            if due(store):
                time.sleep(after)
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
    shared = Path(two_workers.shared) / "builds" / built["digest"]
    record = json.loads((shared / "result").read_text())
    assert sorted(path.name for path in shared.iterdir()) == sorted([record["attempt"], "result"])
    assert Path(built["log"]).read_text().count("sleep 5") == 1
    again = kubedeb(tmp_path, "build", "hello", *where, "--no-lintian", "--no-root-tests", *two_workers.flags)
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
    assert not (Path(two_workers.shared) / "builds").exists()
    plain = kubedeb(tmp_path, "build", "hello", *where, "--farm", two_workers.address, "--farm-store", two_workers.shared)
    assert plain.status == ExitCode.USAGE


@pytest.fixture
def on_s3(store: Path, with_base: Store, tmp_path: Path) -> Iterator[tuple[RunningFarm, FaultProxy, dict[str, str]]]:
    """Give a farm whose store is a bucket behind a proxy, and the variables that reach it."""
    import boto3

    for root in (with_base.folder / "bases").glob("*.tar.zst"):
        (store / "bases" / root.name).symlink_to(root)
    (tmp_path / "farm").mkdir()
    with object_store() as url, FaultProxy(url) as proxy:
        variables = {**ACCESS, "AWS_ENDPOINT_URL": proxy.url}
        boto3.client("s3", endpoint_url=proxy.url, region_name="us-east-1", aws_access_key_id="test",
                     aws_secret_access_key="test").create_bucket(Bucket="farm")  # fmt: skip
        with farm(tmp_path / "farm", 2, "s3://farm/kubedeb", variables) as running:
            yield running, proxy, variables


def puts(proxy: FaultProxy) -> list[str]:
    return [path for method, path in proxy.log if method == "PUT" and "/builds/" in path]


def test_an_upload_to_s3_that_dies_counts_as_nothing(
    on_s3: tuple[RunningFarm, FaultProxy, dict[str, str]], tmp_path: Path
) -> None:
    running, proxy, variables = on_s3
    where = recipe(tmp_path)
    proxy.fault = Fault(0, 1000, delay=0.5, only="PUT", where="/builds/")
    killed: list[int] = []
    ended = threading.Event()

    def uploads(store: Path) -> bool:
        """Say whether this worker is in the middle of its upload: it has the build, two of its files are on their way."""
        return len(puts(proxy)) >= 2 and any((store / "builds").glob("[!.]*"))

    killer = threading.Thread(target=kill_when, args=(uploads, running, killed, ended), kwargs={"after": 0})
    killer.start()
    flags = [*where, "--no-lintian", "--no-root-tests", *running.flags]
    done = kubedeb(tmp_path, "build", "hello", "--json", *flags, variables=variables)
    ended.set()
    killer.join(timeout=10)
    proxy.fault = None
    assert done.status == 0, done.stderr.decode()
    assert len(killed) == 1
    attempts = {path.split("/builds/")[1].split("/")[1] for path in puts(proxy) if not path.endswith("/result")}
    assert len(attempts) == 2  # the dead worker's lies there and counts for nothing
    [built] = json.loads(done.stdout)["builds"]
    assert Store(tmp_path / "store").folder.joinpath("builds", built["digest"], "result.json").exists()
    checked = kubedeb(tmp_path, "build", "hello", "--check", "--json", *flags, variables=variables)
    assert checked.status == 0, checked.stderr.decode()
    assert "build path: /build → " in checked.stderr.decode()
    [same] = json.loads(checked.stdout)["builds"]
    assert same["packages"] == built["packages"]
    statements = next((tmp_path / "store/builds" / built["digest"]).glob("*.intoto.jsonl")).read_text()
    assert "reproduced" in statements


def test_a_source_package_reaches_a_worker_with_every_file(two_workers: RunningFarm, tmp_path: Path) -> None:
    folder = kindsamples.lay_out(tmp_path / "recipes", "hello-daemon")
    kindsamples.fill_cache(folder, tmp_path / "cache")
    where = ["--recipes", str(folder), "--no-root-tests", *two_workers.flags]
    done = kubedeb(tmp_path, "build", "hello-daemon", "--no-lintian", *where)
    assert done.status == 0, done.stderr.decode()
    shutil.rmtree(tmp_path / "cache")  # what is only inspected needs no source
    for action in ("inspect", "skip"):
        done = kubedeb(tmp_path, "build", "hello-daemon", "--json", *where)
        assert done.status == 0, done.stderr.decode()
        [built] = json.loads(done.stdout)["builds"]
        assert (built["action"], set(built["inspection"])) == (action, {"lint", "lintian"})
