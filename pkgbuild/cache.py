"""Fetched sources by digest: `CACHE/sha256/HEX`, whole or not at all; may be copied in by anybody, is checked on use."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import CHUNK, replacing
from pkgbuild.checksum import Checksum


@dataclass(frozen=True)
class Cache:
    """A folder of sources, named by their digest."""

    folder: Path

    def path(self, checksum: Checksum) -> Path:
        """Return where the file of this digest lies, or would lie."""
        return self.folder / checksum.algorithm / checksum.value

    def get(self, checksum: Checksum) -> Path | None:
        """Return the file of this digest, None when it is not here. Raises `KubedebError` when its bytes are others."""
        path = self.path(checksum)
        if not path.is_file():
            return None
        if (actual := checksum.of(path)) != checksum:
            raise mismatch(
                str(path), checksum, actual, hint=f"Something changed the cache. Remove the file and run again:\nrm {path}"
            )
        return path

    def adopt(self, file: Path, checksum: Checksum) -> Path:
        """Take a copy of `file`, whose digest the caller has checked. Raises `KubedebError` (BUILD_STORAGE)."""
        path = self.path(checksum)
        writing = storage_errors(f"the source cache {self.folder}", ExitCode.BUILD_STORAGE)
        with writing, replacing(path, sync=True) as out, file.open("rb") as stream:
            shutil.copyfileobj(stream, out, CHUNK)
        return path

    def prefill(self, folder: Path, wanted: Collection[Checksum]) -> list[Path]:
        """Take every file of `folder` whose digest is wanted and not here yet; return those files."""
        missing = {checksum for checksum in wanted if not self.path(checksum).exists()}
        taken = []
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            found = {Checksum(algorithm, "").of(file) for algorithm in {checksum.algorithm for checksum in missing}}
            for checksum in found & missing:
                self.adopt(file, checksum)
                missing.discard(checksum)
                taken.append(file)
        return taken


def mismatch(what: str, pinned: Checksum, actual: Checksum, hint: str) -> KubedebError:
    """Return the error that shows both digests."""
    return KubedebError(
        f"{what} is not the pinned file",
        details=f"pinned {pinned.algorithm}: {pinned.value}\nits {actual.algorithm}:    {actual.value}",
        hint=hint,
        code=ExitCode.SOURCE_MISMATCH,
    )
