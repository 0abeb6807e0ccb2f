"""A kit carries everything by digest, and gives it back on a machine without a network."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.progress import progress
from pkgbuild.apt import IndexEntry
from pkgbuild.baselock import BaseLock
from pkgbuild.cache import Cache
from pkgbuild.checksum import Checksum
from pkgbuild.kit import MANIFEST, read_kit, write_kit
from pkgbuild.spec import SourcePin
from pkgbuild.store import Store

DATA, ROOT, DEB = b"a source", b"a compressed root", b"a package of the base"


def sha256(data: bytes) -> Checksum:
    return Checksum.sha256(hashlib.sha256(data).hexdigest())


PIN = SourcePin("archive", "etcd", "1", sha256(DATA), "amd64")
LOCK = BaseLock("bookworm", "amd64", ("debhelper",), (IndexEntry("libc6", "2.36", "amd64", sha256(DEB).value),))


def put(cache: Cache, data: bytes, folder: Path) -> None:
    (folder / "in").write_bytes(data)
    cache.adopt(folder / "in", sha256(data))


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """Make a kit whose packages are there already, so that no mirror is asked."""
    cache, store, folder = Cache(tmp_path / "cache"), Store(tmp_path / "store"), tmp_path / "kit"
    put(cache, DATA, tmp_path)
    put(Cache(folder), DEB, tmp_path)
    store.keep_base(LOCK)
    store.root_file(LOCK).write_bytes(ROOT)
    assert write_kit(folder, [PIN, PIN], cache, store, "", progress(io.StringIO())) == 3
    return folder


def test_a_kit_gives_back_what_went_in(kit: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in (kit / "sha256").iterdir()) == sorted(sha256(one).value for one in (DATA, ROOT, DEB))
    cache, store = Cache(tmp_path / "new-cache"), Store(tmp_path / "new-store")
    taken, bases = read_kit(kit, store, cache)
    assert [path.read_bytes() for path in taken] == [DATA]
    assert bases == [LOCK] == store.bases()
    assert store.root_file(LOCK).read_bytes() == ROOT


def test_a_folder_without_a_manifest_is_no_kit(tmp_path: Path) -> None:
    assert read_kit(tmp_path, Store(tmp_path / "s"), Cache(tmp_path / "c")) == ((), ())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sources": [{}], "bases": []}', '{"sources": [], "bases": [{"lock": 1}]}'])
def test_a_manifest_that_is_none_is_refused(text: str, kit: Path, tmp_path: Path) -> None:
    (kit / MANIFEST).write_text(text)
    with pytest.raises(KubedebError) as raised:
        read_kit(kit, Store(tmp_path / "s"), Cache(tmp_path / "c"))
    assert raised.value.code is ExitCode.SOURCE_REFUSED


@pytest.mark.parametrize("which", [DATA, ROOT])
def test_a_changed_or_missing_file_is_told(which: bytes, kit: Path, tmp_path: Path) -> None:
    file = kit / "sha256" / sha256(which).value
    for change, code in ((b"changed", ExitCode.SOURCE_MISMATCH), (None, ExitCode.SOURCE_GONE)):
        file.write_bytes(change) if change else file.unlink()
        store = Store(tmp_path / "s")
        with pytest.raises(KubedebError) as raised:
            read_kit(kit, store, Cache(tmp_path / "c"))
        assert raised.value.code is code
        assert store.bases() == []


def test_the_manifest_lists_digests(kit: Path) -> None:
    manifest = json.loads((kit / MANIFEST).read_text())
    assert manifest["sources"][0]["files"] == [{"algorithm": "sha256", "value": sha256(DATA).value}]
    assert (manifest["bases"][0]["root"], manifest["bases"][0]["lock"]["suite"]) == (sha256(ROOT).value, "bookworm")
