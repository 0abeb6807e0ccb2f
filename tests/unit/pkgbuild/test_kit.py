"""A kit carries everything by digest, and gives it back on a machine without a network."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.progress import progress
from pkgbuild.apt import PrivateApt
from pkgbuild.baselock import BaseLock
from pkgbuild.cache import Cache
from pkgbuild.checksum import Algorithm, Checksum
from pkgbuild.indexentry import IndexEntry
from pkgbuild.kit import MANIFEST, SUMS, Ground, Taken, grounds, take_in, write_kit
from pkgbuild.layers import Layer
from pkgbuild.spec import SourcePin
from pkgbuild.store import Store

DATA, OTHER, ROOT, DEB, GO = b"a source", b"pinned by sha512", b"a root", b"a package of the base", b"a package of a layer"


def sha256(data: bytes) -> Checksum:
    return Checksum.sha256(hashlib.sha256(data).hexdigest())


SHA512 = Checksum(Algorithm.SHA512, hashlib.sha512(OTHER).hexdigest())
PINS = [SourcePin("archive", "etcd", "1", sha256(DATA), "amd64"), SourcePin("archive", "other", "1", SHA512, "arm64")]
LOCK = BaseLock("bookworm", "amd64", ("debhelper",), (IndexEntry("libc6", "2.36", "amd64", sha256(DEB).value),))
LAYER = Layer(LOCK.digest, ("golang",), (IndexEntry("golang", "1.19", "amd64", sha256(GO).value), *LOCK.packages))
ALL = {sha256(DATA): DATA, SHA512: OTHER, sha256(DEB): DEB, sha256(GO): GO}


class Mirror(PrivateApt):
    """Lists and sends the package of the layer, or what it is told to send for it."""

    def __init__(self, folder: Path, sent: bytes = GO, listed: str = "1.19") -> None:
        super().__init__(folder, ())
        self.sent, self.listed = sent, listed

    def show(self, words: Any) -> list[IndexEntry]:
        assert words == ["golang=1.19"]
        return [IndexEntry("golang", self.listed, "amd64", sha256(self.sent).value)]

    def download_all(self, words: Any) -> list[Path]:
        assert words == ["golang=1.19"]
        self._folder.mkdir()
        (self._folder / "golang.deb").write_bytes(self.sent)
        return [self._folder / "golang.deb"]

    @contextmanager
    def open(self, lock: BaseLock) -> Iterator[PrivateApt]:
        assert lock == LOCK
        yield self


def write(tmp_path: Path, mirror: Mirror | None = None, without: bytes = b"") -> int:
    """Write `kit` from a cache that holds everything but `without`."""
    for checksum, data in ALL.items():
        if data != without:
            (tmp_path / "in").write_bytes(data)
            Cache(tmp_path / "cache").adopt(tmp_path / "in", checksum)
    bases = [Ground(LOCK, (LAYER,))]
    opened = mirror.open if mirror else None
    return write_kit(tmp_path / "kit", [*PINS, PINS[0]], bases, Cache(tmp_path / "cache"), opened, progress(io.StringIO()))


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    assert write(tmp_path) == len(ALL)
    return tmp_path / "kit"


def take(kit: Path, tmp_path: Path) -> tuple[Taken, Store, Cache]:
    store, cache = Store(tmp_path / "new-store"), Cache(tmp_path / "new-cache")

    def remake(lock: BaseLock) -> None:
        assert all(cache.get(Checksum.sha256(entry.sha256)) for entry in lock.packages)
        store.root_file(lock).parent.mkdir(parents=True)
        store.root_file(lock).write_bytes(ROOT)

    return take_in(kit, set(), cache, store, remake), store, cache


def test_a_kit_gives_back_what_went_in(kit: Path, tmp_path: Path) -> None:
    assert {path.read_bytes() for path in kit.glob("sha*/*")} == set(ALL.values())
    taken, store, cache = take(kit, tmp_path)
    assert taken.checksums == set(ALL)
    assert {checksum: path.read_bytes() for checksum in ALL if (path := cache.get(checksum))} == ALL
    assert [one.lock for one in taken.bases] == [LOCK] == store.bases()
    assert store.layer(LOCK.digest, ("golang",)) == LAYER
    assert store.root_file(LOCK).read_bytes() == ROOT
    assert take(kit, tmp_path)[0] == Taken((), frozenset(), taken.bases)  # a second time there is nothing to take


def test_each_file_of_a_kit_is_read_once(kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: Counter[Path] = Counter()
    really = Path.open

    def counting(path: Path, *words: Any, **how: Any) -> Any:
        opened[path] += 1
        return really(path, *words, **how)

    monkeypatch.setattr(Path, "open", counting)
    take(kit, tmp_path)
    files = list(kit.glob("sha*/*"))
    assert len(files) == len(ALL)
    assert [opened[path] for path in files] == [1] * len(ALL)


def test_a_folder_without_a_manifest_gives_what_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "any").mkdir()
    (tmp_path / "any/x").write_bytes(DATA)
    (tmp_path / "any/y").write_bytes(OTHER)
    cache = Cache(tmp_path / "c")
    taken = take_in(tmp_path / "any", {sha256(DATA), SHA512}, cache, Store(tmp_path / "s"), lambda lock: pytest.fail(lock.tag))
    assert taken.checksums == {sha256(DATA), SHA512}
    assert cache.get(SHA512) is not None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 1, "sources": [], "bases": []}', '{"format": 2, "sources": [{}], "bases": []}',
     '{"format": 2, "sources": [], "bases": [{"lock": 1}]}', '{"format": 2, "sources": [], "bases": [], "bases": 1}'],
)  # fmt: skip
def test_a_manifest_that_is_none_is_refused(text: str, kit: Path, tmp_path: Path) -> None:
    (kit / MANIFEST).write_text(text)
    with pytest.raises(KubedebError) as raised:
        take(kit, tmp_path)
    assert raised.value.code is ExitCode.SOURCE_REFUSED


def test_a_layer_of_another_base_is_refused(kit: Path, tmp_path: Path) -> None:
    (kit / MANIFEST).write_text((kit / MANIFEST).read_text().replace(LOCK.digest, "0" * 64))
    with pytest.raises(KubedebError, match="is not a kit's manifest"):
        take(kit, tmp_path)


@pytest.mark.parametrize("which", [DATA, GO])
@pytest.mark.parametrize(("change", "code"), [(b"changed", ExitCode.SOURCE_MISMATCH), (None, ExitCode.SOURCE_GONE)])
def test_a_changed_or_missing_file_is_told(
    which: bytes, change: bytes | None, code: ExitCode, kit: Path, tmp_path: Path
) -> None:
    file = kit / "sha256" / sha256(which).value
    file.write_bytes(change) if change else file.unlink()
    with pytest.raises(KubedebError) as raised:
        take(kit, tmp_path)
    assert raised.value.code is code
    assert sha256(which).value in raised.value.details
    assert Store(tmp_path / "new-store").bases() == []
    assert Cache(tmp_path / "new-cache").get(sha256(which)) is None


def test_manifest_and_sums_list_every_digest(kit: Path) -> None:
    manifest = json.loads((kit / MANIFEST).read_text())
    assert manifest["sources"][0]["files"] == [{"algorithm": "sha256", "value": sha256(DATA).value}]
    assert [layer["wants"] for layer in manifest["bases"][0]["layers"]] == [["golang"]]
    sums = dict(reversed(line.split("  ")) for line in (kit / SUMS).read_text().splitlines())
    assert {path: sha256((kit / path).read_bytes()).value for path in sums} == sums
    assert len(sums) == len(ALL)


@pytest.mark.parametrize("without", [DATA, DEB, GO])
def test_without_a_network_what_lacks_is_told_and_there_is_no_kit(without: bytes, tmp_path: Path) -> None:
    with pytest.raises(KubedebError) as raised:
        write(tmp_path, without=without)
    assert raised.value.code is ExitCode.SOURCE_GONE
    assert not (tmp_path / "kit" / MANIFEST).exists()


def test_packages_that_the_cache_lacks_come_from_the_mirror(tmp_path: Path) -> None:
    assert write(tmp_path, Mirror(tmp_path / "apt"), without=GO) == len(ALL)
    assert Cache(tmp_path / "kit").get(sha256(GO)) is not None


@pytest.mark.parametrize(
    ("sent", "listed", "code", "words"),
    [
        (GO, "1.20", ExitCode.SOURCE_GONE, "NOT RUN: the cache lacks 1 package of the bookworm base and its layers, and"),
        (b"x", "1.19", ExitCode.SOURCE_MISMATCH, "the archive sent other bytes for golang 1.19 than are locked"),
    ],
)
def test_a_mirror_that_has_another_version_or_other_bytes(
    sent: bytes, listed: str, code: ExitCode, words: str, tmp_path: Path
) -> None:
    with pytest.raises(KubedebError) as raised:
        write(tmp_path, Mirror(tmp_path / "apt", sent, listed), without=GO)
    assert raised.value.code is code
    assert raised.value.brief.startswith(words)
    assert sha256(GO).value in raised.value.details
    assert not (tmp_path / "kit" / MANIFEST).exists()


def test_what_is_not_locked_on_a_base_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep_base(LOCK)
    store.keep_layer(LAYER)
    assert grounds(store, [("golang",), ("jq",)]) == ([Ground(LOCK, (LAYER,))], [(LOCK, ("jq",))])
