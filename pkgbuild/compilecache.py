"""Go's compile cache between builds: by source, toolchain and flags, without the version stamp, whole or not at all.

A build works in a copy, which takes the cache's place only when it has succeeded: a build that is killed leaves nothing. Builds
of the same may run side by side; the cache of the one that ends last stays. After each, what is old or too much goes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from kubedeb.files import canonical_json, sha256_bytes
from kubedeb.records import frozen, ordered
from pkgbuild.sandbox import Bind
from pkgbuild.session import LOCKS, locked
from pkgbuild.spec import BuildSpec
from pkgbuild.unsharesandbox import remove_tree

TARGET = "/kubedeb-gocache"
CACHES = "compile"
FOLDERS = [f"{number:02x}" for number in range(256)]
"""What Go's cache is divided into (cmd/go/internal/cache, Open)."""
CONTENT = "-d"
"""Go's files of this ending are named by their content and never written again; the others are, in place."""


def key(spec: BuildSpec) -> str:
    """Return the sha256 that names the cache of a `go` spec; pure. A restamped row has the same."""
    if spec.go is None:
        raise ValueError(f"{spec.title} is not compiled by Go")
    patches = [(path, digest) for path, digest in spec.tree if path.startswith(".kubedeb/patches/")]
    deciding = {
        "go": {name: value for name, value in asdict(spec.go).items() if name != "stamps"},
        "sources": [pin.deciding() for pin in spec.sources],
        "patches": patches,
        "where": [spec.suite, spec.architecture, spec.base, spec.layer],
    }
    return sha256_bytes(canonical_json(deciding).encode())


@contextmanager
def compile_cache(store: Path, spec: BuildSpec) -> Iterator[Bind]:
    """Give a copy of the cache to bind into the sandbox; it becomes the cache when the block ends without an error."""
    kept = store / CACHES / key(spec)
    with _aside(store) as aside:
        copy = aside / "cache"
        with _locked(store, kept.name, fcntl.LOCK_SH):
            copy_cache(kept, copy)
        yield Bind(copy, TARGET, writable=True)
        # Go does not read again what it finds by its digest: a file that a power cut left empty would break every later build.
        os.sync()
        with _locked(store, kept.name, fcntl.LOCK_EX):
            kept.parent.mkdir(exist_ok=True)
            # Between the two renames there is no cache, which costs time and nothing else.
            with suppress(FileNotFoundError):
                kept.rename(aside / "old")
            copy.rename(kept)
    prune(store, DEFAULT_LIMITS)


@frozen
class Limits:
    """What compile caches may take: bytes in all, and days since one was last of use."""

    size: int = 20 * 1024**3
    days: float = 30


DEFAULT_LIMITS = Limits()


@ordered
class KeptCache:
    """A compile cache: when it was last of use (seconds since the epoch), its bytes, its name."""

    used: float
    size: int
    name: str


def surplus(kept: Sequence[KeptCache], limits: Limits, now: float) -> list[KeptCache]:
    """Return which caches go, the oldest first: those of no use for long, then as many as are too much; pure.

    The newest stays, however large: without it a build of the same would begin from nothing each time.
    """
    going, total = [], sum(one.size for one in kept)
    for one in sorted(kept)[:-1]:
        if total > limits.size or one.used < now - limits.days * 86400:
            going.append(one)
            total -= one.size
    return going


def kept_caches(store: Path) -> list[KeptCache]:
    """Return the caches of a store; what vanishes meanwhile is left out."""
    found = []
    for path in (store / CACHES).glob("[!.]*"):
        with suppress(FileNotFoundError):
            size = sum(file.lstat().st_size for file in path.rglob("*"))
            found.append(KeptCache(path.stat().st_mtime, size, path.name))
    return found


def prune(store: Path, limits: Limits, *, dry: bool = False) -> list[KeptCache]:
    """Remove what is surplus, and return it; builds that run go on: they work in copies."""
    going = surplus(kept_caches(store), limits, time.time())
    for one in [] if dry else going:
        with (
            _aside(store) as aside,
            _locked(store, one.name, fcntl.LOCK_EX),
            suppress(FileNotFoundError),
        ):
            (store / CACHES / one.name).rename(aside / "old")
    return going


@contextmanager
def _aside(store: Path) -> Iterator[Path]:
    """Give a folder that is gone afterwards, with whatever the builder made there, whose files need not be ours."""
    (store / "tmp").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=store / "tmp", prefix="compile-"))
    try:
        yield folder
    finally:
        remove_tree(folder)


def _locked(store: Path, name: str, how: int) -> AbstractContextManager[None]:
    """Hold a cache's lock; it is held for a copy or a rename, never while something is compiled."""
    return locked(store / LOCKS / f"compile-{name}.lock", how)


def copy_cache(kept: Path, copy: Path) -> None:
    """Copy a cache, contents as hard links; the builder's uid, whichever it is, may write in the copy."""
    copy.mkdir()
    copy.chmod(0o777)
    # Go would make these itself, and only the builder could remove what lies in a folder of the builder's.
    for name in FOLDERS:
        (copy / name).mkdir()
        (copy / name).chmod(0o777)
    for path in sorted(kept.rglob("*")) if kept.is_dir() else ():
        target = copy / path.relative_to(kept)
        if path.is_dir():
            target.mkdir(exist_ok=True)
            target.chmod(0o777)
        elif path.is_file() and not path.is_symlink():
            _take(path, target)


def _take(path: Path, target: Path) -> None:
    if path.name.endswith(CONTENT):
        with suppress(OSError):
            os.link(path, target)
            return
    shutil.copyfile(path, target)
    target.chmod(0o666)
