"""Fetched sources by digest: `CACHE/sha256/HEX`, whole or not at all; may be copied in by anybody, is checked on use.

A shared place behind it is read through and written through.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import CHUNK, replacing
from kubedeb.records import frozen
from pkgbuild.checksum import Checksum, checksums_of
from pkgbuild.sharedcache import SharedCache


@frozen
class Cache:
    """A folder of sources, named by their digest; `shared` is what several machines have in common."""

    folder: Path
    shared: SharedCache | None = None

    def path(self, checksum: Checksum) -> Path:
        """Return where the file of this digest lies, or would lie."""
        return self.folder / checksum.algorithm / checksum.value

    def get(self, checksum: Checksum) -> Path | None:
        """Return the file of this digest, brought from the shared place if need be, None when neither has it.

        Raises `KubedebError`: SOURCE_MISMATCH when its bytes are others, FETCH when the shared place cannot be reached.
        """
        path = self.path(checksum)
        if not path.is_file():
            return self._from_shared(checksum) if self.shared else None
        if (actual := checksum.of(path)) != checksum:
            raise mismatch(
                str(path), checksum, actual, hint=f"Something changed the cache. Remove the file and run again:\nrm {path}"
            )
        return path

    def adopt(self, file: Path, checksum: Checksum) -> Path:
        """Take a copy of `file`, whose digest the caller has checked. Raises `KubedebError` (BUILD_STORAGE)."""
        path = self.path(checksum)
        if self.shared:
            self.shared.write_from(file, checksum)
        return self._keep(file, path)

    def take(self, file: Path, checksum: Checksum) -> Path:
        """Take a copy of `file`, which is hashed while it is copied: read once.

        Raises `KubedebError`: SOURCE_MISMATCH when it is another file, BUILD_STORAGE; `OSError` when it cannot be opened.
        """
        path, hashed = self.path(checksum), hashlib.new(checksum.algorithm)
        writing = storage_errors(f"the source cache {self.folder}", ExitCode.BUILD_STORAGE)
        with file.open("rb") as stream, writing, replacing(path, sync=True) as out:
            while block := stream.read(CHUNK):
                hashed.update(block)
                out.write(block)
            if (actual := Checksum(checksum.algorithm, hashed.hexdigest())) != checksum:
                raise mismatch(str(file), checksum, actual, hint="It was changed since, or did not arrive whole: copy it anew.")
        if self.shared:
            self.shared.write_from(path, checksum)
        return path

    def _keep(self, file: Path, path: Path) -> Path:
        writing = storage_errors(f"the source cache {self.folder}", ExitCode.BUILD_STORAGE)
        with writing, replacing(path, sync=True) as out, file.open("rb") as stream:
            shutil.copyfileobj(stream, out, CHUNK)
        return path

    def _from_shared(self, checksum: Checksum) -> Path | None:
        if self.shared is None:
            return None
        with storage_errors(f"the source cache {self.folder}", ExitCode.BUILD_STORAGE):
            self.folder.mkdir(parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(dir=self.folder, prefix=".shared-", ignore_cleanup_errors=True)
        with folder as name:
            came = Path(name) / "file"
            if not self.shared.read_to(checksum, came):
                return None
            if (actual := checksum.of(came)) != checksum:
                place = f"{self.shared.url.rstrip('/')}/{checksum.algorithm}/{checksum.value}"
                raise mismatch(
                    place, checksum, actual, hint="Something changed the shared cache. Remove that file and run again."
                )
            return self._keep(came, self.path(checksum))

    def prefill(self, folder: Path, wanted: Collection[Checksum]) -> dict[Checksum, Path]:
        """Take every file of `folder` whose digest is wanted and not here yet; return which file each was.

        Each file is read once to hash it, by every algorithm that is wanted; those that are taken, once more to copy them.
        """
        missing = {checksum for checksum in wanted if not self.path(checksum).exists()}
        taken: dict[Checksum, Path] = {}
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            algorithms = {checksum.algorithm for checksum in missing}
            for checksum in checksums_of(file, algorithms) & missing if algorithms else ():
                self.adopt(file, checksum)
                missing.discard(checksum)
                taken[checksum] = file
        return taken


def mismatch(what: str, pinned: Checksum, actual: Checksum, hint: str) -> KubedebError:
    """Return the error that shows both digests."""
    return KubedebError(
        f"{what} is not the pinned file",
        details=f"pinned {pinned.algorithm}: {pinned.value}\nits {actual.algorithm}:    {actual.value}",
        hint=hint,
        code=ExitCode.SOURCE_MISMATCH,
    )
