"""An offline rebuild kit: every source, base lock, package of a base and base root by digest, in one folder with a manifest."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import CHUNK, canonical_json, replacing, sha256_of, write_text
from kubedeb.progress import Progress
from pkgbuild.apt import host_entries, private_apt
from pkgbuild.baselock import BaseLock
from pkgbuild.cache import Cache, mismatch
from pkgbuild.checksum import Algorithm, Checksum
from pkgbuild.dsc import named_files
from pkgbuild.spec import SourcePin
from pkgbuild.store import Store

MANIFEST = "manifest.json"
FORMAT = 1


def write_kit(folder: Path, pins: Iterable[SourcePin], cache: Cache, store: Store, mirror: str, progress: Progress) -> int:
    """Put fetched sources and every current base of the store into `folder`; return how many files the manifest names.

    What the folder has already is not written again. Raises `KubedebError`: SOURCE_GONE for a package that left the mirror,
    FETCH, BUILD_STORAGE.
    """
    kit = Cache(folder)
    sources = [_source(pin, cache, kit) for pin in sorted(set(pins))]
    bases = [_base(lock, kit, store, mirror, progress) for lock in store.bases()]
    with storage_errors(f"the kit {folder}", ExitCode.BUILD_STORAGE):
        write_text(folder / MANIFEST, canonical_json({"format": FORMAT, "sources": sources, "bases": bases}), sync=True)
    return sum(len(one["files"]) for one in sources) + sum(len(one["lock"]["packages"]) + 1 for one in bases)


def _source(pin: SourcePin, cache: Cache, kit: Cache) -> dict[str, Any]:
    file = cache.get(pin.checksum)
    if file is None:
        raise KubedebError(f"{pin} is not in the cache", code=ExitCode.SOURCE_GONE)
    wanted = [pin.checksum, *(named.checksum for named in (named_files(file) if pin.kind == "dsc" else ()))]
    for checksum in wanted:
        if kit.get(checksum) is None and (held := cache.get(checksum)) is not None:
            kit.adopt(held, checksum)
    files = [{"algorithm": one.algorithm.value, "value": one.value} for one in wanted]
    about = {"kind": pin.kind, "name": pin.name, "version": pin.version, "architecture": pin.architecture}
    return {**about, "files": files}


def _base(lock: BaseLock, kit: Cache, store: Store, mirror: str, progress: Progress) -> dict[str, Any]:
    """Put a base's packages and its compressed root into the kit: from either it can be had again."""
    missing = [entry for entry in lock.packages if kit.get(Checksum.sha256(entry.sha256)) is None]
    if missing:
        entries = host_entries(lock.suite, mirror, pockets=True)
        title = f"fetch {len(missing)} packages of the {lock.suite} base"
        with progress.task(title), private_apt(entries, lock.architecture, kit.folder) as apt:
            apt.update()
            files = {sha256_of(path): path for path in apt.download_all([f"{one.name}={one.version}" for one in missing])}
            for one in missing:
                if one.sha256 not in files:
                    raise KubedebError(
                        f"the mirror's {one.name} {one.version} is not the package that the {lock.suite} base was locked with",
                        details=f"locked sha256: {one.sha256}", code=ExitCode.SOURCE_MISMATCH,
                    )  # fmt: skip
                kit.adopt(files[one.sha256], Checksum.sha256(one.sha256))
    root = store.root_file(lock)
    if not root.exists():
        raise KubedebError(f"the root of {lock.tag} is not in the store", details=str(root), code=ExitCode.SANDBOX)
    checksum = Checksum.sha256(sha256_of(root))
    if kit.get(checksum) is None:
        kit.adopt(root, checksum)
    return {"lock": _data(lock), "root": checksum.value}


def _data(lock: BaseLock) -> dict[str, Any]:
    import json

    data: dict[str, Any] = json.loads(lock.as_json())
    return data


def read_kit(folder: Path, store: Store, cache: Cache) -> tuple[Sequence[Path], Sequence[BaseLock]]:
    """Take a kit's sources into the cache and its bases into the store, and return what was taken.

    Every file is checked. A folder without a manifest is no kit: nothing is taken. Raises `KubedebError`: SOURCE_REFUSED for a
    manifest that is none, SOURCE_GONE and SOURCE_MISMATCH for a file that is missing or changed.
    """
    import json

    if not (folder / MANIFEST).exists():
        return (), ()
    kit = Cache(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        wanted = [Checksum(Algorithm(file["algorithm"]), file["value"]) for one in manifest["sources"] for file in one["files"]]
        bases = [(BaseLock.from_data(one["lock"]), Checksum.sha256(one["root"])) for one in manifest["bases"]]
    except (ValueError, KeyError, TypeError) as error:
        raise KubedebError(
            f"{folder / MANIFEST} is not a kit's manifest", details=repr(error), code=ExitCode.SOURCE_REFUSED
        ) from error
    taken = [cache.adopt(_file(kit, checksum), checksum) for checksum in wanted if cache.get(checksum) is None]
    return taken, [_keep(kit, lock, root, store) for lock, root in bases]


def _file(kit: Cache, checksum: Checksum) -> Path:
    file = kit.get(checksum)
    if file is None:
        raise KubedebError(
            f"the kit {kit.folder} lacks a file of its manifest", details=str(checksum), code=ExitCode.SOURCE_GONE
        )
    return file


def _keep(kit: Cache, lock: BaseLock, root: Checksum, store: Store) -> BaseLock:
    """Put a root, then its lock, into the store: a lock there promises the root."""
    source, target = _file(kit, root), store.root_file(lock)
    writing = storage_errors(f"the store {store.folder}", ExitCode.BUILD_STORAGE)
    with writing, replacing(target, sync=True) as out, source.open("rb") as stream:
        shutil.copyfileobj(stream, out, CHUNK)
    if (actual := root.of(target)) != root:
        raise mismatch(str(target), root, actual, hint="The disk, or another process, changed it: run again.")
    store.keep_base(lock)
    return lock
