"""Sources that are gone or changed, mirrors that are dead, disks that are full: one message each, nothing half-stored."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import samplerecipe
from kubedeb.cli import run
from kubedeb.errors import ExitCode

pytestmark = [pytest.mark.docker, pytest.mark.turn]
ETCD_CLIENT = "db3a484d5d924b50bf71f459ee544ecd7b11c25dc2f6becc0c50352d67299cc8"


def etcd(tmp_path: Path, old: str, new: str) -> str:
    """Copy the etcd recipe with one thing changed; return the folder for --recipes."""
    shutil.copytree(Path(__file__).parents[3] / "recipes/etcd", tmp_path / "recipes/etcd")
    recipe = tmp_path / "recipes/etcd/recipe.yaml"
    assert old in recipe.read_text()
    recipe.write_text(recipe.read_text().replace(old, new))
    return str(tmp_path / "recipes")


def in_cache(tmp_path: Path) -> list[str]:
    """Return everything in the cache but its log of requests, temporary files too."""
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.name != "requests.log")


def test_a_source_that_is_gone(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = etcd(tmp_path, "3.4.23-4+b4", "3.4.23-4+b99")
    assert run(["build", "etcd@3.4.23", "--recipes", folder]) == ExitCode.SOURCE_GONE
    assert "error: NOT RUN: source gone: etcd-" in capsys.readouterr().err
    assert in_cache(tmp_path) == []


def test_a_suite_that_is_gone(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = etcd(tmp_path, "suite: bullseye", "suite: hamm")
    assert run(["recipe", "fetch", "etcd@3.3.25", "--recipes", folder]) == ExitCode.SOURCE_GONE
    assert "NOT RUN: source gone: etcd-client 3.3.25+dfsg-6+b6 (hamm, amd64)" in capsys.readouterr().err


def test_another_digest(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = etcd(tmp_path, ETCD_CLIENT, "0" * 64)
    assert run(["build", "etcd@3.4.23", "--recipes", folder]) == ExitCode.SOURCE_MISMATCH
    shown = capsys.readouterr().err
    assert f"pinned sha256: {'0' * 64}" in shown
    assert f"its sha256:    {ETCD_CLIENT}" in shown
    assert f"What was asked and what came: {tmp_path}/cache/requests.log" in shown
    assert ETCD_CLIENT not in in_cache(tmp_path)


def test_a_dead_mirror(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEDEB_MIRROR", "http://127.0.0.1:9/debian")
    assert run(["recipe", "fetch", "etcd@3.4.23"]) == ExitCode.FETCH
    said = capsys.readouterr().err
    assert re.search("^error: apt-get failed with exit status 100: Failed to fetch .*Connection refused", said, re.MULTILINE)
    assert said.endswith(f"      What was asked and what came: {tmp_path}/cache/requests.log\n")
    assert in_cache(tmp_path) == []


def test_a_full_cache(store: Path, tiny_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "fetch", "etcd@3.4.23", "--cache", str(tiny_disk / "cache")]) == ExitCode.BUILD_STORAGE
    assert "the disk is full" in capsys.readouterr().err  # whatever meets it first, apt or the log of requests
    assert in_cache(tiny_disk) == []


def test_a_full_store(
    new_store: Callable[..., Path], tiny_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = "#!/bin/sh\necho hello 1.10\n# " + os.urandom(700_000).hex() + "\n"
    folder = samplerecipe.write_recipe(tmp_path / "recipes", source=samplerecipe.source_deb(program))
    store = new_store("store", tiny_disk)
    where = ["--recipes", str(folder), "--cache", str(tmp_path / "cache")]
    assert run(["recipe", "fetch", "hello", *where, "--from", str(folder / "sources")]) == ExitCode.DONE
    assert run(["build", "hello", "--no-lintian", "--no-root-tests", *where, "--store", str(store)]) == ExitCode.BUILD_STORAGE
    said = capsys.readouterr().err
    assert f"error: cannot write the store {store}: the disk is full\n  No space left on device\n" in said
    assert f"The whole log: {store}/logs/hello_" in said
    assert said.endswith(" --shell\n")
    assert list((store / "builds").iterdir()) == []
