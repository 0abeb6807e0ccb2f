"""Fetched sources by sha256: `CACHE/sha256/HEX`, whole or not at all; may be copied in by anybody, is checked on use."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import CHUNK, replacing, sha256_of


@dataclass(frozen=True)
class Cache:
    """A folder of sources, named by their sha256."""

    folder: Path

    def path(self, sha256: str) -> Path:
        """Return where the file of this digest lies, or would lie."""
        return self.folder / "sha256" / sha256

    def get(self, sha256: str) -> Path | None:
        """Return the file of this digest, None when it is not here. Raises `KubedebError` when its bytes are others."""
        path = self.path(sha256)
        if not path.is_file():
            return None
        if (actual := sha256_of(path)) != sha256:
            raise mismatch(
                str(path), sha256, actual, hint=f"Something changed the cache. Remove the file and run again:\nrm {path}"
            )
        return path

    def adopt(self, file: Path, sha256: str) -> Path:
        """Take a copy of `file`, whose digest the caller has checked. Raises `KubedebError` (BUILD_STORAGE)."""
        path = self.path(sha256)
        writing = storage_errors(f"the source cache {self.folder}", ExitCode.BUILD_STORAGE)
        with writing, replacing(path, sync=True) as out, file.open("rb") as stream:
            shutil.copyfileobj(stream, out, CHUNK)
        return path

    def prefill(self, folder: Path, wanted: Collection[str]) -> list[Path]:
        """Take every file of `folder` whose sha256 is wanted and not here yet; return those files."""
        missing = {sha256 for sha256 in wanted if not self.path(sha256).exists()}
        taken = []
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            if missing and (sha256 := sha256_of(file)) in missing:
                self.adopt(file, sha256)
                missing.discard(sha256)
                taken.append(file)
        return taken


def mismatch(what: str, pinned: str, actual: str, hint: str) -> KubedebError:
    """Return the error that shows both digests."""
    return KubedebError(
        f"{what} is not the pinned file",
        details=f"pinned sha256: {pinned}\nits sha256:    {actual}",
        hint=hint,
        code=ExitCode.SOURCE_MISMATCH,
    )
