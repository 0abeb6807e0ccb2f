"""What a farm's machines share: sources, roots and results at one location (a folder, S3, whatever fsspec opens).

`files/ALGORITHM/HEX` are files by digest; `builds/DIGEST/ATTEMPT/` is what one worker made of a spec; `builds/DIGEST/result`
names the attempt that counts and is written last. So a result is there whole or not at all, and workers that build the same
do not mix.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import CHUNK, canonical_json, replacing
from pkgbuild.cache import mismatch
from pkgbuild.checksum import Checksum

SHARED = "the farm's shared store"


@contextmanager
def _errors(doing: str, location: str) -> Iterator[None]:
    try:
        yield
    except KubedebError:
        raise
    except Exception as error:  # each of fsspec's file systems has errors of its own
        raise KubedebError(
            f"{SHARED} fails while {doing}", details=f"{location}: {type(error).__name__}: {error}",
            hint="Every worker and this machine must reach it under the same name.", code=ExitCode.BUILD_STORAGE,
        ) from error  # fmt: skip


class Shared:
    """A location, opened. Every method raises `KubedebError` (BUILD_STORAGE) when it does not answer."""

    def __init__(self, location: str) -> None:
        import fsspec

        self.location = location
        with _errors("opening it", location):
            self._fs, self._root = fsspec.core.url_to_fs(location)

    def put(self, file: Path, checksum: Checksum) -> None:
        """Share a file of this digest, unless it is there."""
        path = self._path("files", checksum.algorithm, checksum.value)
        with _errors(f"sharing {file.name}", self.location):
            if not self._fs.exists(path):
                self._put(file, path)

    def get(self, checksum: Checksum, target: Path) -> Path:
        """Bring a shared file to `target`, its bytes checked. Raises `KubedebError` (SOURCE_MISMATCH) when they are others."""
        with _errors(f"fetching {target.name}", self.location):
            self._get(self._path("files", checksum.algorithm, checksum.value), target)
        if (actual := checksum.of(target)) != checksum:
            target.unlink()
            raise mismatch(f"a file in {SHARED}", checksum, actual, hint="Remove it there, and run again.")
        return target

    def has(self, digest: str) -> bool:
        """Say whether a whole result of a spec is there."""
        with _errors("looking for a result", self.location):
            return bool(self._fs.exists(self._path("builds", digest, "result")))

    def put_result(self, digest: str, folder: Path) -> None:
        """Share a build's folder; it counts from the moment that its last file, the record, is there."""
        attempt = uuid.uuid4().hex
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        with _errors("sharing a result", self.location):
            for name in names:
                self._put(folder / name, self._path("builds", digest, attempt, name))
            self._write(canonical_json({"attempt": attempt, "files": names}).encode(), self._path("builds", digest, "result"))

    def get_result(self, digest: str, folder: Path) -> None:
        """Bring a spec's result into an empty folder; whoever asks checks the bytes by the record among them."""
        with _errors("fetching a result", self.location):
            record: dict[str, Any] = json.loads(self._fs.cat_file(self._path("builds", digest, "result")))
            for name in record["files"]:
                if Path(name).is_absolute() or ".." in Path(name).parts:
                    raise ValueError(f"a result names a file outside its folder: {name!r}")
                self._get(self._path("builds", digest, record["attempt"], name), folder / name)

    def put_log(self, log: Path) -> None:
        """Share a build's log, whatever became of the build."""
        with _errors("sharing a log", self.location):
            self._put(log, self._path("logs", log.name))

    def get_log(self, log: Path) -> None:
        """Bring a build's log to its place, if it was shared."""
        with _errors("fetching a log", self.location):
            if self._fs.exists(self._path("logs", log.name)):
                self._get(self._path("logs", log.name), log)

    def _path(self, *parts: str) -> str:
        return "/".join([self._root.rstrip("/"), *parts])

    def _local(self) -> bool:
        protocol = self._fs.protocol
        return "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    def _put(self, file: Path, path: str) -> None:
        """Write a file whole: object stores do so themselves, folders need the rename."""
        if self._local():
            with replacing(Path(path), sync=True) as out, file.open("rb") as stream:
                while block := stream.read(CHUNK):
                    out.write(block)
        else:
            self._fs.put_file(str(file), path)

    def _write(self, data: bytes, path: str) -> None:
        if self._local():
            with replacing(Path(path), sync=True) as out:
                out.write(data)
        else:
            self._fs.pipe_file(path, data)

    def _get(self, path: str, target: Path) -> None:
        with replacing(target) as out, self._fs.open(path, "rb") as stream:
            while block := stream.read(CHUNK):
                out.write(block)
