"""Where published bytes lie: objects by name, behind a Protocol; here in a folder that any web server can serve."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Protocol

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import CHUNK, replacing, sha256_of, sync_folder


class Store(Protocol):
    """Objects by name; what a call has written is durable when it returns, and never half there."""

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes, None when there is no such object."""

    def size(self, name: str) -> int | None:
        """Return an object's size in bytes, None when there is no such object."""

    def put(self, name: str, data: bytes, *, mtime: int | None = None) -> bool:
        """Make `name` hold `data`; return whether anything had to be written. `mtime` is what HTTP calls Last-Modified."""

    def adopt(self, name: str, source: Path, digest: str) -> bool:
        """Copy a file of which the sha256 is known into the store; return whether anything had to be written."""


@dataclass(frozen=True)
class FolderStore:
    """A store in a folder. `staging`, on the same file system, holds what is not whole yet."""

    root: Path
    staging: Path

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes, None when there is no such object."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def size(self, name: str) -> int | None:
        """Return an object's size in bytes, None when there is no such object."""
        try:
            return (self.root / name).stat().st_size
        except FileNotFoundError:
            return None

    def put(self, name: str, data: bytes, *, mtime: int | None = None) -> bool:
        """Make `name` hold `data` by one rename, unless it does already."""
        if self.size(name) == len(data) and self.read(name) == data:
            return False
        with self._replacing(name) as stream:
            stream.write(data)
            if mtime is not None:
                stream.flush()
                os.utime(stream.fileno(), (mtime, mtime))
        return True

    def adopt(self, name: str, source: Path, digest: str) -> bool:
        """Copy a file in by one rename, unless it is there already. Raises `KubedebError` when its content has changed."""
        if self.size(name) is not None and sha256_of(self.root / name) == digest:
            return False
        hashed = sha256()
        with source.open("rb") as origin, self._replacing(name) as stream:
            while block := origin.read(CHUNK):
                hashed.update(block)
                stream.write(block)
            if hashed.hexdigest() != digest:
                raise KubedebError(
                    f"{source} changed while it was read", hint="Add it again when it is complete.",
                    code=ExitCode.PACKAGE,
                )  # fmt: skip
        return True

    @contextmanager
    def _replacing(self, name: str) -> Iterator[IO[bytes]]:
        path = self.root / name
        make_folder(path.parent)
        with replacing(path, sync=True, temporary_in=self.staging) as stream:
            yield stream


def make_folder(folder: Path) -> None:
    """Make a folder that web servers may read, whatever the umask, and its name durable."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    sync_folder(folder.parent)
