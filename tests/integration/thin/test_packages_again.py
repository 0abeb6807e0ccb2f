"""What the demo built is not built twice, and is what any other machine makes of its recipes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from demoruns import COLD_SECONDS, WARM_SECONDS, Ran, check
from kubedeb.errors import ExitCode
from kubedeb.process import run

pytestmark = [pytest.mark.docker, pytest.mark.turn("roots")]


def test_warm_reuses_what_is_built(cold: Ran, warm: Ran) -> None:
    check(warm)
    assert warm.seconds < WARM_SECONDS
    assert warm.output.count(": skip: the store holds this build") == len(warm.report["packages"]) // 3  # type: ignore[arg-type]
    assert warm.report["packages"] == cold.report["packages"]


def test_two_empty_stores_give_the_same_bytes(cold: Ran, tmp_path: Path) -> None:
    store, cache = tmp_path / "store", cold.folder / "cache"
    kubedeb = Path(sys.executable).parent / "kubedeb"
    # The demo has judged them already; here are only the bytes.
    bytes_alone = ["--no-lintian", "--no-root-tests"]
    argv = [kubedeb, "build", "etcd@3.4.23", *bytes_alone, "--store", store, "--cache", cache, "-o", tmp_path / "packages"]
    run(argv, code=ExitCode.BUG, timeout=COLD_SECONDS)
    again = sorted((tmp_path / "packages").glob("*.deb"))
    assert len(again) == 3
    for package in again:
        assert package.read_bytes() == (cold.folder / "packages" / package.name).read_bytes()
