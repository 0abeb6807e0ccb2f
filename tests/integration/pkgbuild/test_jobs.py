"""Several builds in one run and several runs at once: order, failures, interruptions, and what dead runs leave."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import samplerecipe
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from kubedeb.process import run as run_process
from pkgbuild import dockerd
from pkgbuild.store import Store
from waiting import until

pytestmark = pytest.mark.docker
KUBEDEB = Path(sys.executable).parent / "kubedeb"
FAILS = samplerecipe.RULES + "override_dh_auto_build:\n\techo the reason; false\n"
NEEDS_HELLO = samplerecipe.RULES + "override_dh_auto_build:\n\t/usr/bin/hello | grep -q 'hello 1.10'\n"
SLOW = samplerecipe.RULES + "override_dh_auto_build:\n\tsleep {}\n"
QUICK = ["--no-lintian", "--no-root-tests"]


def recipe(
    folder: Path, name: str, rules: str = samplerecipe.RULES, *, needs: str = "", text: str = samplerecipe.RECIPE
) -> Path:
    """Write a recipe of this name, whose one package has the same name."""
    made = samplerecipe.write_recipe(folder / f".{name}", text, rules=rules) / "hello"
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    for path in [path for path in made.rglob("*") if path.is_file()]:
        copy = target / path.relative_to(made)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text().replace("Package: hello", f"Package: {name}"))
    about = (target / "recipe.yaml").read_text()
    about = about.replace("name: hello\n", f"name: {name}\n", 1).replace("- name: hello\n", f"- name: {name}\n")
    if needs:
        about = about.replace("packages:\n", f"build_depends: [{needs}]\npackages:\n", 1)
    (target / "recipe.yaml").write_text(about)
    return folder


def fetched(folder: Path, *names: str) -> list[str]:
    """Fill the cache; return what `kubedeb build` needs to find the recipes."""
    where = ["--recipes", str(folder)]
    for name in names:
        assert run(["recipe", "fetch", name, *where, "--from", str(folder / f".{name}/sources")]) == ExitCode.DONE
    return where


def built(capsys: pytest.CaptureFixture[str], argv: list[str], status: int) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert run(["build", *argv, "--json", *QUICK]) == status, capsys.readouterr().err
    return {one["recipe"]: one for one in json.loads(capsys.readouterr().out)["builds"]}


@pytest.mark.turn("builds that take long")
def test_order_failures_and_what_stands_on_them(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "recipes"
    recipe(folder, "zfirst")
    recipe(folder, "asecond", NEEDS_HELLO, needs="zfirst")
    recipe(folder, "bad", FAILS)
    recipe(folder, "onbad", needs="bad")
    recipe(folder, "unlocked", needs="golang-go")
    names = ["asecond", "bad", "onbad", "unlocked", "zfirst"]
    argv = [*names, *fetched(folder, *names), "--jobs", "2"]
    planned = built(capsys, [*argv, "--dry-run"], ExitCode.SANDBOX)  # one that was never locked
    assert planned["asecond"]["reason"].endswith("is built first and may be new")
    assert not (store / "builds").exists()
    first = built(capsys, argv, ExitCode.BUILD)
    assert {name: one["action"] for name, one in first.items()} == {
        "asecond": "build", "bad": "failed", "onbad": "not-run", "unlocked": "not-run", "zfirst": "build",
    }  # fmt: skip
    assert "the reason" in Path(first["bad"]["log"]).read_text()
    assert first["onbad"]["reason"] == "NOT RUN: onbad 1.10-1~deb12u1 (amd64) needs bad 1.10-1~deb12u1 (amd64)"
    # What was never locked stops what needs it alone.
    assert first["unlocked"]["reason"].startswith("NOT RUN: ")
    assert first["unlocked"]["exit_status"] == ExitCode.SANDBOX
    argv = ["asecond", "zfirst", "--recipes", str(folder)]
    assert {one["action"] for one in built(capsys, argv, ExitCode.DONE).values()} == {"skip"}
    recipe(folder, "zfirst", text=samplerecipe.RECIPE.replace("[The first.]", "[The second.]"))
    again = built(capsys, argv, ExitCode.DONE)
    assert {name: one["action"] for name, one in again.items()} == {"asecond": "build", "zfirst": "build"}
    assert again["asecond"]["reason"] == "changed since the last build: the build dependencies"
    assert again["asecond"]["packages"][0]["sha256"] == first["asecond"]["packages"][0]["sha256"]


@pytest.mark.turn("builds that take long")
def test_the_way_into_a_failed_build_goes_with_what_it_stands_on(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recipe(tmp_path / "recipes", "zfirst")
    recipe(folder, "onfirst", FAILS, needs="zfirst")
    where = fetched(folder, "zfirst", "onfirst")
    assert run(["build", "onfirst", "zfirst", *where, *QUICK]) == ExitCode.BUILD
    inside = [line.split() for line in capsys.readouterr().err.splitlines() if line.endswith(" --shell")]
    assert inside == [["kubedeb", "build", "onfirst@1.10", "zfirst@1.10", *where, "--shell"]]
    assert run([*inside[0][1:-1], *QUICK]) == ExitCode.BUILD
    assert "the reason" in capsys.readouterr().err


@pytest.mark.turn("a repository's key")
@pytest.mark.parametrize("signed_by", ["a file", "the key itself"])
def test_a_package_of_ours_comes_from_an_apt_repository(
    signed_by: str, store: Path, new_store: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recipe(tmp_path / "recipes", "zfirst")
    recipe(folder, "asecond", NEEDS_HELLO, needs="zfirst")
    where = fetched(folder, "zfirst", "asecond")
    first = built(capsys, ["zfirst", *where], ExitCode.DONE)["zfirst"]
    root = tmp_path / "repository"
    assert run(["repo", "init", "--repository", str(root), "--suite", "bookworm", "--origin", "x"]) == ExitCode.DONE
    package = first["packages"][0]["file"]
    assert run(["repo", "add", "--repository", str(root), "--suite", "bookworm", "--publish", package]) == ExitCode.DONE
    key = str(root / "keyring.gpg")
    if signed_by == "the key itself":
        armoured = run_process(
            ["gpg", "--homedir", tmp_path, "--enarmor"], stdin=(root / "keyring.gpg").read_bytes(), code=ExitCode.BUG
        )
        text = armoured.text.replace("PGP ARMORED FILE", "PGP PUBLIC KEY BLOCK")
        lines = [line for line in text.splitlines() if not line.startswith("Comment")]
        key = "\n" + "\n".join(f" {line or '.'}" for line in lines)
    ours = tmp_path / "ours.sources"
    ours.write_text(f"Types: deb\nURIs: file:{root}/public\nSuites: bookworm\nComponents: main\nSigned-By: {key}\n")
    other = ["--store", str(new_store("other"))]
    argv = ["asecond", *where, *other]
    second = built(capsys, [*argv, "--sources", str(ours)], ExitCode.DONE)["asecond"]
    assert second["action"] == "build"
    assert built(capsys, [*argv, "--sources", str(ours)], ExitCode.DONE)["asecond"]["action"] == "skip"
    without = built(capsys, [*argv, "--dry-run"], ExitCode.SANDBOX)["asecond"]
    assert without["digest"] != second["digest"]  # its bytes are a part of what decides the build
    together = built(capsys, ["asecond", "zfirst", *where], ExitCode.DONE)["asecond"]
    assert together["digest"] == second["digest"]  # the same bytes, wherever they came from


@pytest.mark.turn("builds that take long")
def test_stale_is_what_a_newer_base_concerns(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = recipe(tmp_path / "recipes", "one")
    recipe(folder, "changed")
    recipe(folder, "never")
    names = ["one", "changed", "never"]
    where = fetched(folder, *names)
    lock = Store(store).base("bookworm", "amd64")
    assert lock is not None
    Store(store).keep_base(lock)
    built(capsys, ["one", "changed", *where], ExitCode.DONE)
    assert built(capsys, ["--stale", *names, *where], ExitCode.DONE) == {}
    (folder / "changed/debian/rules").write_text(samplerecipe.RULES + "# other\n")
    assert built(capsys, ["--stale", *names, *where], ExitCode.DONE) == {}
    newest, *others = lock.packages
    newer = dataclasses.replace(newest, version=f"{newest.version}+new")
    Store(store).keep_base(dataclasses.replace(lock, packages=(newer, *others)))
    stale = built(capsys, ["--stale", "--dry-run", *names, *where], ExitCode.DONE)
    assert set(stale) == {"one", "changed"}
    why = f"made with an older base or toolchain: the base root: {newest.name} {newest.version} → {newest.version}+new"
    assert stale["one"]["reason"] == why
    assert stale["one"]["action"] == "build"


def begun(argv: list[str], store: Path, tmp_path: Path, judges: Sequence[str] = QUICK) -> subprocess.Popen[str]:
    """Begin a build in a process of its own."""
    environment = {
        "KUBEDEB_STORE": str(store), "KUBEDEB_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path),
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }  # fmt: skip
    command = [str(KUBEDEB), "build", *argv, *judges, "--sandbox", "docker"]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def sandboxes(store: Path) -> int:
    """Return how many containers belong to runs of this store."""
    with dockerd.connect() as client:
        found = client.containers.list(filters={"label": dockerd.SANDBOX}, ignore_removed=True)
        return sum(f":{store}/" in container.labels[dockerd.SANDBOX] for container in found)


def test_an_interrupted_run_ends_its_sandboxes_and_a_killed_one_leaves_them_to_the_next(store: Path, tmp_path: Path) -> None:
    folder = recipe(tmp_path / "recipes", "slow", SLOW.format(100))
    recipe(folder, "slower", SLOW.format(101))
    recipe(folder, "slowest", SLOW.format(102))
    recipe(folder, "quick")
    where = fetched(folder, "slow", "slower", "slowest", "quick")
    with (
        begun(["slow", "slower", "--jobs", "2", *where], store, tmp_path) as interrupted,
        begun(["slowest", *where], store, tmp_path) as stopped,
    ):
        until(lambda: sandboxes(store) == 3)
        for process, number in ((interrupted, signal.SIGINT), (stopped, signal.SIGTERM)):
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
            assert process.returncode == ExitCode.INTERRUPTED, said
    assert sandboxes(store) == 0
    assert list((store / "builds").iterdir()) == []
    with begun(["slow", *where], store, tmp_path) as killed:
        until(lambda: sandboxes(store) == 1)
        killed.kill()
        killed.communicate(timeout=60)
    assert len(list((store / "builds").iterdir())) == 1
    with begun(["quick", *where], store, tmp_path) as after:
        _, said = after.communicate(timeout=120)
    assert after.returncode == 0, said
    assert sandboxes(store) == 0
    assert [path.name.startswith(".") for path in (store / "builds").iterdir()] == [False]


@pytest.mark.turn("interrupted judges")
@pytest.mark.parametrize("judge", ["lintian", "root tests"])
def test_an_interrupted_run_does_not_wait_for_its_judges(judge: str, store: Path, tmp_path: Path) -> None:
    folder = recipe(tmp_path / "recipes", "slow")
    if judge == "root tests":
        (folder / "slow/debian/slow.postinst").write_text("#!/bin/sh\nset -e\nsleep 250\n#DEBHELPER#\n")
    where = fetched(folder, "slow")
    only = ["--no-root-tests"] if judge == "lintian" else ["--no-lintian"]
    with begun(["slow", *where], store, tmp_path, only) as interrupted:
        until(lambda: judging(judge, store), pause=0.01)
        began = time.monotonic()
        interrupted.send_signal(signal.SIGINT)
        _, said = interrupted.communicate(timeout=60)
    assert interrupted.returncode == ExitCode.INTERRUPTED, said
    assert time.monotonic() - began < 30  # lintian takes longer on a machine so busy that this does
    assert not list(programs(store))
    assert sandboxes(store) == 0
    assert list((store / "builds").iterdir()) == []


def judging(judge: str, store: Path) -> bool:
    """Say whether a judge is at work for a run."""
    if judge == "lintian":
        return any("--dont-check-part" in words for words in programs(store))
    with dockerd.connect() as client:
        found = client.containers.list(filters={"label": dockerd.SANDBOX}, ignore_removed=True)
        own = [one for one in found if f":{store}/" in one.labels[dockerd.SANDBOX] and "roottest" in str(one.image.tags)]
        return any("sleep 250" in " ".join(words) for one in own for words in one.top()["Processes"])


def programs(store: Path) -> list[list[str]]:
    """Return the command lines of the processes of this machine that are about files of a store, but for kubedeb's own."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_text(errors="replace").split("\0")
            if any(str(store) in word for word in words) and not any(word.endswith("/kubedeb") for word in words):
                found.append(words)
    return found


def test_two_runs_of_one_recipe_build_it_once(store: Path, tmp_path: Path) -> None:
    folder = recipe(tmp_path / "recipes", "slow", SLOW.format(4))
    where = fetched(folder, "slow")
    with begun(["slow", *where], store, tmp_path) as one, begun(["slow", *where], store, tmp_path) as two:
        said = [process.communicate(timeout=120)[1] for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), said
    assert sum("waiting for another build of slow" in text for text in said) == 1
    assert len(list((store / "logs").iterdir())) == 1
    assert len([path for path in (store / "builds").iterdir() if not path.name.startswith(".")]) == 1
