"""The cache holds whole, pinned bytes or nothing, whatever the archive does."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.progress import progress
from pkgbuild.apt import NotThereError
from pkgbuild.cache import Cache
from pkgbuild.checksum import Checksum
from pkgbuild.download import Downloads
from pkgbuild.fetch import Network, fetch
from pkgbuild.indexentry import IndexEntry
from pkgbuild.requestlog import RequestLog
from pkgbuild.spec import SourcePin

DATA = b"the package"
SHA256 = hashlib.sha256(DATA).hexdigest()
PIN = SourcePin("deb", "hello", "1.10-3", Checksum.sha256(SHA256), "amd64", suite="bookworm")
OTHER = SourcePin("deb", "old", "1-1", Checksum.sha256("0" * 64), "amd64", suite="bullseye")


@dataclass
class Archive:
    """An archive that lists and sends what it is told to, and counts what it was asked."""

    listed: str = SHA256
    sent: bytes = DATA
    has_suite: bool = True
    opened: list[str] = field(default_factory=list)

    @contextmanager
    def open(self, suite: str, architecture: str, where: Path) -> Iterator[Archive]:
        self.opened.append(f"{suite} {architecture}")
        self.where = where
        yield self

    def update(self) -> None:
        if not self.has_suite:
            raise NotThereError("apt-get failed", details="404", code=ExitCode.SOURCE_GONE)

    def show(self, words: list[str]) -> list[IndexEntry]:
        return [IndexEntry("hello", "1.10-3", "amd64", self.listed)] if words == ["hello=1.10-3"] and self.listed else []

    def show_sources(self, name: str) -> list[IndexEntry]:
        raise NotImplementedError(name)

    def download_source(self, name: str, version: str) -> Path:
        raise NotImplementedError(name, version)

    def download(self, name: str, version: str) -> Path:
        self.where.mkdir(parents=True, exist_ok=True)
        path = self.where / f"{name}_{version}.deb"
        path.write_bytes(self.sent)
        return path


def run(archive: Archive, cache: Cache, *pins: SourcePin) -> dict[SourcePin, KubedebError]:
    log = RequestLog(cache.folder)
    return fetch(pins, cache, Network(archive.open, Downloads(log), log), progress(io.StringIO()))


def held(cache: Cache) -> list[str]:
    return sorted(path.name for path in (cache.folder / "sha256").glob("*"))


def test_a_pin_is_fetched_once(tmp_path: Path) -> None:
    archive, cache = Archive(), Cache(tmp_path)
    assert run(archive, cache, PIN, PIN) == {}
    assert run(archive, cache, PIN) == {}
    assert archive.opened == ["bookworm amd64"]
    assert cache.path(PIN.checksum).read_bytes() == DATA


REFUSED = {
    "the index lists another": (Archive(listed="1" * 64), "in the signed index is not the pinned file", "1" * 64),
    "other bytes come": (Archive(sent=b"other"), "is not the pinned file", hashlib.sha256(b"other").hexdigest()),
}


@pytest.mark.parametrize("what", REFUSED)
def test_other_bytes_are_refused_with_both_digests(what: str, tmp_path: Path) -> None:
    archive, message, digest = REFUSED[what]
    with pytest.raises(KubedebError) as raised:
        run(archive, Cache(tmp_path), PIN)
    assert raised.value.code is ExitCode.SOURCE_MISMATCH
    assert message in raised.value.brief
    assert SHA256 in raised.value.details
    assert digest in raised.value.details
    assert held(Cache(tmp_path)) == []


@pytest.mark.parametrize("archive", [Archive(listed=""), Archive(has_suite=False)])
def test_what_is_gone_says_so_and_keeps_nothing_else_from_running(archive: Archive, tmp_path: Path) -> None:
    lost = run(archive, Cache(tmp_path), PIN, OTHER)
    assert [error.brief for error in lost.values()] == [
        "NOT RUN: source gone: hello 1.10-3 (bookworm, amd64)",
        "NOT RUN: source gone: old 1-1 (bullseye, amd64)",
    ]
    assert {error.code for error in lost.values()} == {ExitCode.SOURCE_GONE}


def test_one_that_is_gone_leaves_the_other(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    assert list(run(Archive(), cache, OTHER, PIN)) == [OTHER]
    assert held(cache) == [SHA256]


def test_a_changed_cache_is_told(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    run(Archive(), cache, PIN)
    cache.path(PIN.checksum).write_bytes(b"changed")
    with pytest.raises(KubedebError) as raised:
        run(Archive(), cache, PIN)
    assert raised.value.code is ExitCode.SOURCE_MISMATCH
    assert f"rm {cache.path(PIN.checksum)}" in raised.value.hint


def test_prefill_takes_what_is_pinned_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "kit/deep").mkdir(parents=True)
    (tmp_path / "kit/deep/any").write_bytes(DATA)
    (tmp_path / "kit/copy").write_bytes(DATA)
    (tmp_path / "kit/stranger").write_bytes(b"stranger")
    cache = Cache(tmp_path / "cache")
    assert cache.prefill(tmp_path / "kit", {PIN.checksum, OTHER.checksum}) == {PIN.checksum: tmp_path / "kit/copy"}
    assert held(cache) == [SHA256]
    assert cache.prefill(tmp_path / "kit", {PIN.checksum}) == {}


@settings(deadline=None)  # it waits for the disk
@given(data=st.binary(max_size=300))
def test_adopt_and_get_are_inverse(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("cache")
    (folder / "file").write_bytes(data)
    digest = Checksum.sha256(hashlib.sha256(data).hexdigest())
    cache = Cache(folder / "cache")
    assert cache.get(digest) is None
    cache.adopt(folder / "file", digest)
    found = cache.get(digest)
    assert found is not None
    assert found.read_bytes() == data
