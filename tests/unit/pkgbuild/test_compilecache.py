"""Compile caches: which go, whole entries or none whatever ends a build, and builds of the same beside each other."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import time
from pathlib import Path

import pytest

from pkgbuild import compilecache
from pkgbuild.compilecache import CACHES, KeptCache, Limits, compile_cache, kept_caches, prune, surplus
from pkgbuild.gomake import GoSpec
from pkgbuild.session import LOCKS
from pkgbuild.spec import BuildSpec

GO = GoSpec("hello", "module", "", "golang-go", False, (), (), False)
SPEC = BuildSpec("hello", "1", "1-1", "bookworm", "amd64", "go", 0, "s/c", (), (), (), (), "", "", "", go=GO)
DAY = 86400.0
NOW = 1000 * DAY


@pytest.fixture(autouse=True)
def _a_disk_that_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sync", lambda: None)


def caches(**ages_and_sizes: tuple[float, int]) -> list[KeptCache]:
    return [KeptCache(NOW - age * DAY, size, name) for name, (age, size) in ages_and_sizes.items()]


SURPLUS: dict[str, tuple[list[KeptCache], list[str]]] = {
    "none": ([], []),
    "few and young": (caches(a=(1, 40), b=(2, 40)), []),
    "too old": (caches(a=(31, 1), b=(29, 1)), ["a"]),
    "the newest stays, however old": (caches(a=(50, 1), b=(40, 1)), ["a"]),
    "the newest stays, however large": (caches(a=(0, 500)), []),
    "too much: the oldest goes": (caches(a=(1, 60), b=(3, 30), c=(2, 30)), ["b"]),
    "too much: as many as are needed": (caches(a=(0, 90), b=(3, 30), c=(2, 30)), ["b", "c"]),
    "old ones count no more": (caches(a=(0, 90), b=(40, 500), c=(2, 10)), ["b"]),
}


@pytest.mark.parametrize("what", SURPLUS)
def test_what_is_surplus_goes(what: str) -> None:
    kept, names = SURPLUS[what]
    assert [one.name for one in surplus(kept, Limits(100, 30), NOW)] == names


def fill(store: Path, spec: BuildSpec, *names: str) -> None:
    """Build once: the copy gets these entries."""
    with compile_cache(store, spec) as bind:
        for name in names:
            (bind.source / name).write_text(name)


def entries(store: Path, spec: BuildSpec = SPEC) -> set[str]:
    return {path.name for path in (store / CACHES / compilecache.key(spec)).rglob("*") if path.is_file()}


def test_old_caches_go_after_a_build_and_a_dry_run_removes_none(tmp_path: Path) -> None:
    other = dataclasses.replace(SPEC, base="another")
    fill(tmp_path, other, "a-d")
    os.utime(tmp_path / CACHES / compilecache.key(other), (time.time() - 31 * DAY,) * 2)
    assert len(kept_caches(tmp_path)) == 1
    fill(tmp_path, SPEC, "b-d")
    assert [path.name for path in (tmp_path / CACHES).iterdir()] == [compilecache.key(SPEC)]
    fill(tmp_path, other, "a-d")
    tight = Limits(size=0)
    assert [one.name for one in prune(tmp_path, tight, dry=True)] == [compilecache.key(SPEC)]
    assert len(kept_caches(tmp_path)) == 2
    assert [one.name for one in prune(tmp_path, tight)] == [compilecache.key(SPEC)]
    assert [one.name for one in kept_caches(tmp_path)] == [compilecache.key(other)]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_build_that_fails_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path, SPEC, "a-d", "a-a")

    def broken() -> None:
        with compile_cache(tmp_path, SPEC) as bind:
            (bind.source / "a-a").write_text("changed")
            (bind.source / "half").write_text("")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - its own
        broken()
    assert entries(tmp_path) == {"a-d", "a-a"}
    assert (tmp_path / CACHES / compilecache.key(SPEC) / "a-a").read_text() == "a-a"


def test_builds_of_the_same_beside_each_other(tmp_path: Path) -> None:
    """One ends, and another begins, while a third is at it: each works in a whole copy, the last one's cache stays."""
    fill(tmp_path, SPEC, "a-d")
    with compile_cache(tmp_path, SPEC) as first:
        with compile_cache(tmp_path, SPEC) as second:
            (second.source / "b-d").write_text("b-d")
        assert entries(tmp_path) == {"a-d", "b-d"}
        (first.source / "c-d").write_text("c-d")
        assert {path.name for path in first.source.rglob("*") if path.is_file()} == {"a-d", "c-d"}
    assert entries(tmp_path) == {"a-d", "c-d"}


def test_a_copy_is_never_of_a_cache_that_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever swaps or removes a cache waits until nobody copies it; two may copy it at once."""
    fill(tmp_path, SPEC, "a-d", "b-d")
    lock, take = tmp_path / LOCKS / f"compile-{compilecache.key(SPEC)}.lock", compilecache._take
    tried: list[bool] = []

    def amid(path: Path, target: Path) -> None:
        for how in (fcntl.LOCK_EX, fcntl.LOCK_SH):
            with lock.open("wb") as stream:
                try:
                    fcntl.flock(stream, how | fcntl.LOCK_NB)
                    tried.append(True)
                except BlockingIOError:
                    tried.append(False)
        take(path, target)

    monkeypatch.setattr(compilecache, "_take", amid)
    fill(tmp_path, SPEC, "c-d")
    assert tried == [False, True] * 2
    assert entries(tmp_path) == {"a-d", "b-d", "c-d"}
