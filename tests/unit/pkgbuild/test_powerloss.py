"""Whenever the power fails, store and cache hold whole results and files, or none; what was said to be done stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kubedeb.files import sha256_bytes, write_bytes
from pkgbuild.cache import Cache
from pkgbuild.checksum import Checksum
from pkgbuild.spec import BuildSpec
from pkgbuild.store import BuildResult, BuiltPackage, Store
from powerloss import watched

SPEC = BuildSpec(
    "etcd", "1", "1-1", "bookworm", "amd64", "prebuilt", 0, "s/c", (), (), (("debian/rules", "a"),), (), "", "", ""
)
FILES = {"x.deb": b"deb" * 1000, "x.changes": b"changes", "x.buildinfo": b"buildinfo"}
PACKAGE = BuiltPackage("x", "1", "amd64", "x.deb", 3000, sha256_bytes(FILES["x.deb"]))
RESULT = BuildResult((PACKAGE,), "x.changes", "x.buildinfo", 1.5)


def fill(store: Store) -> None:
    with store.building(SPEC) as folder:
        for name, data in FILES.items():
            write_bytes(folder / name, data)
        store.record(folder, SPEC, RESULT)


def whole_or_nothing(disk: Path) -> None:
    """Judge by the names and bytes alone, not by what the store makes of them."""
    folders = [path for path in (disk / "builds").glob("*") if not path.name.startswith(".")]
    for folder in folders:
        assert {name: (folder / name).read_bytes() for name in FILES} == FILES
        assert (folder / "result.json").read_bytes().endswith(b"}\n")
    assert Store(disk).result(SPEC) == (RESULT if folders else None)


def test_a_result_is_whole_or_not_there_and_then_there_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    (tmp_path / "store").mkdir()
    with watched(store.folder, tmp_path / "left", whole_or_nothing, monkeypatch) as disk:
        fill(store)
        assert disk.moments > len(FILES)
        everything, durable = disk.fails()
    assert Store(everything).result(SPEC) == RESULT
    assert Store(durable).result(SPEC) == RESULT


def test_a_rebuilt_result_replaces_the_old_one_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    fill(store)
    with watched(store.folder, tmp_path / "left", lambda disk: Store(disk).result(SPEC), monkeypatch):
        fill(store)
    assert store.result(SPEC) == RESULT


@pytest.mark.parametrize("way", [Cache.adopt, Cache.take])
def test_a_cached_file_is_whole_or_not_there(
    way: Callable[[Cache, Path, Checksum], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"source" * 1000)
    checksum = Checksum.sha256(sha256_bytes(file.read_bytes()))
    (tmp_path / "cache").mkdir()

    def whole(disk: Path) -> None:
        path = Cache(disk).path(checksum)
        assert not path.exists() or path.read_bytes() == file.read_bytes()

    with watched(tmp_path / "cache", tmp_path / "left", whole, monkeypatch) as disk:
        way(Cache(tmp_path / "cache"), file, checksum)
        assert disk.moments > 1
