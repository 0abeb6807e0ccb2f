"""A base of two packages, a layer and a source, none of them real: what a kit is made of, as small as it can be."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from kubedeb.files import write_bytes
from kubedeb.progress import progress
from pkgbuild.baselock import BaseLock
from pkgbuild.cache import Cache
from pkgbuild.checksum import Checksum
from pkgbuild.indexentry import IndexEntry
from pkgbuild.kit import MANIFEST, Ground, take_in, write_kit
from pkgbuild.layers import Layer
from pkgbuild.session import session
from pkgbuild.spec import SourcePin
from pkgbuild.store import Store

ROOT = b"a root"


def content(name: str, size: int) -> bytes:
    """Return a file's bytes: others for each name, no two blocks alike."""
    return hashlib.shake_128(name.encode()).digest(size)


def checksum(name: str, size: int) -> Checksum:
    """Return the pin of `content`."""
    return Checksum.sha256(hashlib.sha256(content(name, size)).hexdigest())


def ground(size: int) -> Ground:
    """Return a base with packages of `size` bytes."""
    entries = {name: IndexEntry(name, "1", "amd64", checksum(name, size).value) for name in ("libc6", "dpkg", "jq")}
    lock = BaseLock("bookworm", "amd64", (), (entries["dpkg"], entries["libc6"]))
    return Ground(lock, (Layer(lock.digest, ("jq",), (entries["jq"],)),))


def fill(cache: Cache, store: Store, size: int) -> Ground:
    """Put a base's packages into a cache, its lock, its layer's and a root into a store."""
    one = ground(size)
    for entry in one.packages:
        write_bytes(cache.folder / "new", content(entry.name, size))
        cache.adopt(cache.folder / "new", Checksum.sha256(entry.sha256))
    remake(store, one.lock)
    store.keep_base(one.lock)
    for layer in one.layers:
        store.keep_layer(layer)
    return one


def remake(store: Store, lock: BaseLock) -> None:
    """Do as if a root had been made."""
    write_bytes(store.root_file(lock), ROOT, sync=True)


def carry(folder: Path) -> None:
    """Make a kit below `folder` and take it in, in another cache and store below it."""
    cache, old, new = Cache(folder / "cache"), Store(folder / "old"), Store(folder / "store")
    one = fill(cache, old, 1000)
    pin = SourcePin("archive", "x", "1", checksum("libc6", 1000), "amd64")
    write_kit(folder / "kit", [pin], [one], cache, None, progress(io.StringIO()))
    with session(new.folder):
        take_in(folder / "kit", (), Cache(folder / "new"), new, lambda lock: remake(new, lock))


def whole(folder: Path) -> bool:
    """Say whether all was carried over; whatever is there must be whole, and promised by nothing that is there sooner."""
    for place in ("cache", "kit", "new"):
        for path in (folder / place / "sha256").glob("[!.]*"):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    one, new = ground(1000), Store(folder / "store")
    everything = {entry.sha256 for entry in one.packages}
    if (folder / "kit" / MANIFEST).exists():
        assert {path.name for path in (folder / "kit/sha256").glob("[!.]*")} == everything
    if new.bases():
        assert new.bases() == [one.lock]
        assert new.root_file(one.lock).read_bytes() == ROOT
        assert {path.name for path in (folder / "new/sha256").glob("[!.]*")} == everything
    return new.bases() == [one.lock] and new.layer(one.lock.digest, ("jq",)) == one.layers[0]
