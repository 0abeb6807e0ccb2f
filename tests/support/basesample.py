"""A base update with packages that are none: all that it does to store and cache, without mmdebstrap and without a mirror."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import zstandard

import kitsample
from kubedeb.progress import progress
from pkgbuild import base
from pkgbuild.cache import Cache
from pkgbuild.indexentry import IndexEntry
from pkgbuild.layers import Wants
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.store import Store
from pkgbuild.target import Target

SIZE = 1000
ENTRIES = {entry.name: entry for entry in kitsample.ground(SIZE).packages}
INSTALLED = ("dpkg", "libc6")
LAYER: Wants = ("jq",)
STATUS = "\n".join(f"Package: {name}\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n" for name in INSTALLED)


class Apt:
    """What `base.update` asks of apt, of an archive that has three packages."""

    entries = ()

    def show(self, words: Sequence[str]) -> list[IndexEntry]:
        return [ENTRIES[word.partition("=")[0]] for word in words]

    def know(self, status: str) -> None:
        assert status == STATUS

    def simulate(self, wants: Wants) -> str:
        return "".join(f"Inst {name} (1 Debian:12 [amd64])\n" for name in wants)


@contextmanager
def given(apt: Apt) -> Iterator[Apt]:
    """Give it, as `suite_apt` gives the real one."""
    yield apt


def suite_apt(*_: object) -> AbstractContextManager[Apt]:
    return given(Apt())


def mmdebstrap(suite: str, architecture: str, entries: Sequence[object], target: Path, *_: object) -> None:
    """Make a root as `base.mmdebstrap` does, and leave its packages where they are looked for."""
    with tarfile.open(target, "w") as tar:
        member = tarfile.TarInfo("./var/lib/dpkg/status")
        member.size = len(STATUS)
        tar.addfile(member, io.BytesIO(STATUS.encode()))
    for name in INSTALLED:
        (target.parent / "packages" / f"{name}_1_amd64.deb").write_bytes(kitsample.content(name, SIZE))


def update(folder: Path) -> None:
    """Update the base below `folder`: its store is `store`, its cache `cache`."""
    replaced: Any = base
    replaced.suite_apt, replaced.mmdebstrap = suite_apt, mmdebstrap
    target = Target(Suite.BOOKWORM, Architecture.AMD64, Store(folder / "store"), Cache(folder / "cache"), "", "")
    base.update(target, lambda _: {LAYER}, progress(io.StringIO()))


def whole(folder: Path) -> bool:
    """Say whether base and layer are there; whatever is there must be whole, and what a lock promises there before it."""
    store = Store(folder / "store")
    for path in (folder / "cache/sha256").glob("[!.]*"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    for path in (folder / "store/bases").glob("[!.]*.tar.zst"):
        with path.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as root:
            assert STATUS.encode() in root.read()
    lock = store.base("bookworm", "amd64")
    if lock is None:
        return False
    assert [entry.name for entry in lock.packages] == list(INSTALLED)
    assert store.root_file(lock).exists()
    assert store.past_base(lock.digest) == lock
    assert {path.name for path in (folder / "cache/sha256").glob("[!.]*")} == {ENTRIES[name].sha256 for name in INSTALLED}
    layer = store.layer(lock.digest, LAYER)
    assert layer is None or layer.packages == (ENTRIES["jq"],)
    return layer is not None
