"""Go's compile cache between builds: by source, toolchain and flags, without the version stamp, whole or not at all.

A build works in a copy, which takes the cache's place only when it has succeeded: a build that is killed leaves nothing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from kubedeb.files import canonical_json, sha256_bytes
from pkgbuild.sandbox import Bind
from pkgbuild.spec import BuildSpec

TARGET = "/kubedeb-gocache"
CACHES = "compile"
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
    (store / "tmp").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store / "tmp", prefix="compile-", ignore_cleanup_errors=True) as name:
        copy, old = Path(name) / "cache", Path(name) / "old"
        copy_cache(kept, copy)
        yield Bind(copy, TARGET, writable=True)
        kept.parent.mkdir(exist_ok=True)
        # Between the two renames there is no cache, which costs time and nothing else.
        with suppress(FileNotFoundError):
            kept.rename(old)
        with suppress(FileExistsError):
            copy.rename(kept)


def copy_cache(kept: Path, copy: Path) -> None:
    """Copy a cache, contents as hard links; the builder's uid, whichever it is, may write in the copy."""
    copy.mkdir()
    copy.chmod(0o777)
    for path in sorted(kept.rglob("*")) if kept.is_dir() else ():
        target = copy / path.relative_to(kept)
        if path.is_dir():
            target.mkdir()
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
