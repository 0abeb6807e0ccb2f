"""An offline rebuild kit: every source and every package of bases and layers by digest, in one folder with a manifest.

It holds what a build is made from and nothing that was made: a base's root is made again from its packages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import canonical_json, sha256_of, write_text
from kubedeb.progress import Progress
from kubedeb.records import frozen
from pkgbuild.apt import PrivateApt
from pkgbuild.baselock import BaseLock
from pkgbuild.cache import Cache
from pkgbuild.checksum import Algorithm, Checksum
from pkgbuild.dsc import named_files
from pkgbuild.indexentry import IndexEntry
from pkgbuild.layers import Layer, Wants, bring, gone
from pkgbuild.spec import SourcePin
from pkgbuild.store import Store

MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
FORMAT = 2
OpenApt = Callable[[BaseLock], AbstractContextManager[PrivateApt]]
"""Opens an apt that has read the indices of a base's suite."""


@frozen
class Ground:
    """A base of the kit, and the layers on it."""

    lock: BaseLock
    layers: tuple[Layer, ...] = ()

    @property
    def packages(self) -> list[IndexEntry]:
        """Return every package that roots on this base are made of, each once."""
        return sorted({*self.lock.packages, *(entry for layer in self.layers for entry in layer.packages)})

    def as_data(self) -> dict[str, Any]:
        """Return it as the manifest has it."""
        import json

        return {"lock": json.loads(self.lock.as_json()), "layers": [json.loads(layer.as_json()) for layer in self.layers]}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Ground:
        """Return what `as_data` gave. Raises `KeyError`, `TypeError` or `ValueError` when the data are something else."""
        found = cls(BaseLock.from_data(data["lock"]), tuple(Layer.from_data(one) for one in data["layers"]))
        if any(layer.base != found.lock.digest for layer in found.layers):
            raise ValueError("a layer is of another base")
        return found


def grounds(store: Store, wants: Collection[Wants]) -> tuple[list[Ground], list[tuple[BaseLock, Wants]]]:
    """Return every current base of the store with those of the layers that are locked, and what of `wants` is not, by base."""
    found, unlocked = [], []
    for lock in store.bases():
        layers = {want: store.layer(lock.digest, want) for want in sorted(wants)}
        found.append(Ground(lock, tuple(layer for layer in layers.values() if layer)))
        unlocked += [(lock, want) for want, layer in layers.items() if layer is None]
    return found, unlocked


def write_kit(
    folder: Path, pins: Iterable[SourcePin], bases: Sequence[Ground], cache: Cache, open_apt: OpenApt | None, progress: Progress
) -> int:
    """Put fetched sources and all packages of `bases` into `folder`; return how many files the manifest names.

    What the folder has already is not written again. The manifest is written last: without it the folder is no kit yet.
    Packages that the cache lacks are asked of the mirror, unless `open_apt` is None. Raises `KubedebError`: SOURCE_GONE for
    packages that left the mirror, SOURCE_MISMATCH, FETCH, BUILD_STORAGE.
    """
    kit = Cache(folder)
    sources = [_source(pin, cache, kit) for pin in sorted(set(pins))]
    for one in bases:
        _packages(one, kit, cache, open_apt, progress)
    wanted = {Checksum(Algorithm(file["algorithm"]), file["value"]) for source in sources for file in source["files"]}
    wanted |= {Checksum.sha256(entry.sha256) for one in bases for entry in one.packages}
    manifest = {"format": FORMAT, "sources": sources, "bases": [one.as_data() for one in bases]}
    with storage_errors(f"the kit {folder}", ExitCode.BUILD_STORAGE):
        write_text(folder / SUMS, "".join(_sum(kit, checksum) for checksum in sorted(wanted)), sync=True)
        write_text(folder / MANIFEST, canonical_json(manifest), sync=True)
    return len(wanted)


def _sum(kit: Cache, checksum: Checksum) -> str:
    """Return a file's line for sha256sum(1), which `kubedeb repo hold` reads too."""
    path = kit.path(checksum)
    digest = checksum.value if checksum.algorithm is Algorithm.SHA256 else sha256_of(path)
    return f"{digest}  {path.relative_to(kit.folder)}\n"


def _source(pin: SourcePin, cache: Cache, kit: Cache) -> dict[str, Any]:
    file = cache.path(pin.checksum)
    if not _taken(pin.checksum, kit, cache):
        raise KubedebError(f"{pin} is not in the cache", code=ExitCode.SOURCE_GONE)
    wanted = [pin.checksum]
    for named in named_files(file) if pin.kind == "dsc" else ():
        if not _taken(named.checksum, kit, cache):
            raise KubedebError(f"{named.name} of {pin} is not in the cache", code=ExitCode.SOURCE_GONE)
        wanted.append(named.checksum)
    files = [{"algorithm": one.algorithm.value, "value": one.value} for one in wanted]
    about = {"kind": pin.kind, "name": pin.name, "version": pin.version, "architecture": pin.architecture}
    return {**about, "files": files}


def _taken(checksum: Checksum, kit: Cache, cache: Cache) -> bool:
    """Say whether the kit has a file whole, after taking it from the cache, or from the shared place behind it."""
    if kit.get(checksum) is not None:
        return True
    held = cache.path(checksum) if cache.path(checksum).is_file() else cache.get(checksum)
    if held is not None:
        kit.take(held, checksum)
    return held is not None


def _packages(one: Ground, kit: Cache, cache: Cache, open_apt: OpenApt | None, progress: Progress) -> None:
    what = f"the {one.lock.suite} base and its layers"
    missing = [entry for entry in one.packages if not _taken(Checksum.sha256(entry.sha256), kit, cache)]
    if missing and open_apt is None:
        raise gone(missing, what, "the network is off")
    if missing and open_apt is not None:
        with open_apt(one.lock) as apt:
            bring(missing, what, kit, apt, progress)


@frozen
class Taken:
    """What was taken from a folder: files, the pins among them, and from a kit its bases."""

    files: tuple[Path, ...] = ()
    checksums: frozenset[Checksum] = frozenset()
    bases: tuple[Ground, ...] = ()


def take_in(
    folder: Path, wanted: Collection[Checksum], cache: Cache, store: Store, remake: Callable[[BaseLock], None]
) -> Taken:
    """Take in a kit, or from any other folder the files whose digest is wanted; each file is read and hashed once.

    Of a kit everything is taken: files into the cache, bases and layers into the store; `remake` makes a base's root from the
    cache. Raises `KubedebError`: SOURCE_REFUSED for a manifest that is none, SOURCE_GONE and SOURCE_MISMATCH for a file of it
    that is missing or changed, BUILD_STORAGE.
    """
    if not (folder / MANIFEST).exists():
        found = cache.prefill(folder, wanted)
        return Taken(tuple(found.values()), frozenset(found))
    checksums, bases = _read(folder / MANIFEST)
    kit = Cache(folder)
    missing = [checksum for checksum in checksums if not cache.path(checksum).is_file()]
    for checksum in missing:
        _take(kit, checksum, cache)
    for one in bases:
        if not store.root_file(one.lock).exists():
            remake(one.lock)
        store.keep_base(one.lock)  # after the root: a lock there promises it
        for layer in one.layers:
            store.keep_layer(layer)
    return Taken(tuple(cache.path(checksum) for checksum in missing), frozenset(missing), tuple(bases))


def _read(manifest: Path) -> tuple[list[Checksum], list[Ground]]:
    """Return the digest of every file that a kit must have, each once, and its bases."""
    import json

    try:
        data = json.loads(manifest.read_text())
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']}, not {FORMAT}: made by another kubedeb")
        bases = [Ground.from_data(one) for one in data["bases"]]
        files = {Checksum(Algorithm(file["algorithm"]), file["value"]) for one in data["sources"] for file in one["files"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KubedebError(f"{manifest} is not a kit's manifest", details=repr(error), code=ExitCode.SOURCE_REFUSED) from error
    return sorted(files | {Checksum.sha256(entry.sha256) for one in bases for entry in one.packages}), bases


def _take(kit: Cache, checksum: Checksum, cache: Cache) -> None:
    try:
        cache.take(kit.path(checksum), checksum)
    except OSError as error:
        raise KubedebError(
            f"the kit {kit.folder} lacks a file of its manifest", details=f"{checksum}\n{error}",
            hint="Copy it anew; sha256sum --check SHA256SUMS says what else lacks.", code=ExitCode.SOURCE_GONE,
        ) from error  # fmt: skip
