"""Mutated recipes through the command: told what is wrong or taken, never a bug, no file outside the work folder."""

from __future__ import annotations

from pathlib import Path

import pytest

import samplerecipe
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from mutants_of import mutants
from pkgbuild.baselock import BaseLock
from pkgbuild.indexentry import IndexEntry
from pkgbuild.store import Store
from testseed import seed

LOCK = BaseLock("bookworm", "amd64", ("debhelper",), (IndexEntry("apt", "2.6", "amd64", "a"),))
PARTS = {"recipe.yaml": 30, "debian/control.j2": 12, "debian/rules": 8}


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_fifty_mutated_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    work, outside = tmp_path / "a/work", tmp_path / "a/b/c"
    outside.mkdir(parents=True)
    monkeypatch.setenv("KUBEDEB_STORE", str(work / "store"))
    monkeypatch.setenv("KUBEDEB_CACHE", str(work / "cache"))
    monkeypatch.chdir(outside)
    Store(work / "store").keep_base(LOCK)
    folder = samplerecipe.write_recipe(work / "recipes")
    before = everything(tmp_path) - everything(work)
    where = ["--recipes", str(folder)]
    rendered = ["recipe", "render", "hello", "-o", str(work / "out")]
    commands = [["recipe", "lint", "hello"], ["recipe", "show", "hello"], rendered, ["build", "hello", "--dry-run"]]
    told = 0
    for name, number in PARTS.items():
        original = (folder / "hello" / name).read_bytes()
        for count, mutant in enumerate(mutants(original, number, seed())):
            (folder / "hello" / name).write_bytes(mutant)
            statuses = [run([*command, *where]) for command in commands]
            assert ExitCode.BUG not in statuses, (name, count, seed(), capsys.readouterr().err)
            told += any(statuses)
        (folder / "hello" / name).write_bytes(original)
    assert everything(tmp_path) - everything(work) == before
    assert told > 10  # a mutation that changes nothing tests nothing
