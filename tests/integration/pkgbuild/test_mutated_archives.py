"""Mutated sources through the command: refused with the reason or built, never a bug, no file outside the work folder."""

from __future__ import annotations

from pathlib import Path

import pytest

import samplerecipe
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from mutants_of import mutants
from testseed import seed

pytestmark = pytest.mark.docker


def build_mutants(number: int, tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = {path for path in tmp_path.rglob("*") if store not in path.parents}
    work = tmp_path / "recipes"
    for count, mutant in enumerate(mutants(samplerecipe.source_deb(), number, seed())):
        where = ["--recipes", str(samplerecipe.write_recipe(work, source=mutant))]
        assert run(["recipe", "fetch", "hello", *where, "--from", str(work / "sources")]) == ExitCode.DONE
        status = run(["build", "hello", *where, "--no-lintian", "--no-root-tests"])
        assert status != ExitCode.BUG, (count, seed(), capsys.readouterr().err)
        assert status in (ExitCode.DONE, ExitCode.RECIPE, ExitCode.BUILD, ExitCode.BUILD_CONTENTS, ExitCode.SOURCE_MISMATCH,
                          ExitCode.SOURCE_REFUSED), (count, status, capsys.readouterr().err)  # fmt: skip
    allowed = (store, work, tmp_path / "cache")
    new = {path for path in tmp_path.rglob("*") if not any(path == one or one in path.parents for one in allowed)} - outside
    assert new == set()


@pytest.mark.turn
def test_some_mutated_archives(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_mutants(6, tmp_path, store, capsys)


@pytest.mark.long
def test_fifty_mutated_archives(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_mutants(50, tmp_path, store, capsys)
