"""A cache that several machines share, at any place that fsspec knows: file://…, s3://…; named as the local one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import CHUNK
from kubedeb.records import frozen
from pkgbuild.checksum import Checksum


@frozen
class SharedCache:
    """A place by URL; whole files or nothing."""

    url: str

    def read_to(self, checksum: Checksum, target: Path) -> bool:
        """Copy the file of this digest to `target`; False when it is not there. The caller checks the bytes.

        Raises `KubedebError`: FETCH when the place cannot be reached, BUILD_STORAGE when `target` cannot be written.
        """
        return self.read_named(f"{checksum.algorithm}/{checksum.value}", target)

    def read_named(self, place: str, target: Path) -> bool:
        """Copy what lies at `place` to `target`, as `read_to`."""
        with self._reached() as (system, root):
            name = f"{root}/{place}"
            if not system.exists(name):
                return False
            stream = system.open(name, "rb", block_size=8 * CHUNK)
        with stream, storage_errors(str(target), ExitCode.BUILD_STORAGE), target.open("wb") as out:
            while block := self._block(stream):
                out.write(block)
        return True

    def write_from(self, file: Path, checksum: Checksum) -> None:
        """Keep a checked file there, unless it is there already. Raises `KubedebError` (FETCH)."""
        self.write_named(file, f"{checksum.algorithm}/{checksum.value}")

    def write_named(self, file: Path, place: str) -> None:
        """Keep a file at `place`, which is `FOLDER/NAME`, as `write_from`."""
        with self._reached() as (system, root):
            name = f"{root}/{place}"
            if system.exists(name):
                return
            # An object store shows an upload when it is whole; a folder needs a name of its own until then.
            folder, _, last = name.rpartition("/")
            first = f"{folder}/.{last}.{os.getpid()}.part" if "file" in _protocols(system) else name
            system.makedirs(folder, exist_ok=True)
            system.put_file(str(file), first)
            if first != name:
                Path(first).replace(name)

    def _block(self, stream: Any) -> bytes:
        with self._reached():
            block: bytes = stream.read(CHUNK)
            return block

    @contextmanager
    def _reached(self) -> Iterator[tuple[Any, str]]:
        import fsspec

        try:
            system, root = fsspec.core.url_to_fs(self.url)
            yield system, root
        except KubedebError:
            raise
        except Exception as error:  # each of fsspec's file systems has errors of its own
            raise KubedebError(
                f"the shared cache {self.url} cannot be used", details=f"{type(error).__name__}: {error}",
                hint="Mend it, or go on without: --shared-cache ''.", code=ExitCode.FETCH,
            ) from error  # fmt: skip


def _protocols(system: Any) -> tuple[str, ...]:
    named: str | tuple[str, ...] = system.protocol
    return (named,) if isinstance(named, str) else named
