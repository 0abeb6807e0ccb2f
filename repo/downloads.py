"""Files of another repository, brought here by sha256 before anything is taken: what has come stays for the next try."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kubedeb.aptrepo import AptRepository
from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import sha256_of
from kubedeb.inthreads import in_threads
from kubedeb.places import Place, Web
from kubedeb.records import frozen
from repo.foreign import Wanted
from repo.place import Layout

TOGETHER = 8
Say = Callable[[str], None]


@frozen
class Downloads:
    """The folder `downloads/` of a repository: each file under its sha256, one that is not whole yet with `.part` behind."""

    folder: Path

    def path(self, file: Wanted) -> Path:
        """Return where a file lies when it has come."""
        return self.folder / file.sha256

    def bring(self, origin: AptRepository, files: Iterable[Wanted], say: Say) -> int:
        """Bring what is not there yet, several at once from a web server; returns how many bytes that were.

        Raises `KubedebError`: the repository's own for what cannot be had or is not what it should be, and then the rest is
        not waited for; REPOSITORY_STORAGE when there is no room.
        """
        wanted = {file.sha256: file for file in files}
        missing = [file for file in wanted.values() if not self._is_here(file)]
        size = sum(file.size for file in missing)
        # Once here, and once in the pool.
        self.require_room(size + sum(file.size for file in wanted.values()))
        stoppable, stop = copy(origin), threading.Event()
        stoppable.place = _Stoppable(origin.place, stop)
        here: list[int] = []  # the sizes of what has come
        counted = itertools.count(1)

        def one(file: Wanted) -> None:
            stoppable.fetch(file.path, file.digest, self.path(file))
            here.append(file.size)
            number = next(counted)
            if number % 50 == 0 or number == len(missing):
                say(f"brought {number} of {len(missing)} files, {sum(here) >> 20} of {size >> 20} MiB")

        try:
            in_threads(one, missing, TOGETHER if isinstance(origin.place, Web) else 1)
        finally:
            stop.set()
        return size

    def _is_here(self, file: Wanted) -> bool:
        path = self.path(file)
        return path.exists() and path.stat().st_size == file.size and sha256_of(path) == file.sha256

    def require_room(self, size: int) -> None:
        """Raise `KubedebError` (REPOSITORY_STORAGE) when so many bytes have no place."""
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise KubedebError(
                "there is no room for what would be taken", details=f"{size} bytes are needed, {free} are free",
                hint="Make room, or choose less with a query.", code=ExitCode.REPOSITORY_STORAGE,
            )  # fmt: skip


@contextmanager
def downloads(layout: Layout) -> Iterator[Downloads]:
    """Be the only one who brings files here. They go when the block ends well, and stay for the next try when it does not.

    Raises `KubedebError`: REPOSITORY_BUSY; REPOSITORY_STORAGE when the disk is full or cannot be written.
    """
    folder = layout.root / "downloads"
    with storage_errors(f"the repository in {layout.root}", ExitCode.REPOSITORY_STORAGE):
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise KubedebError(
                    f"another import or mirror brings files to {layout.root}", hint="Wait until it is done.",
                    code=ExitCode.REPOSITORY_BUSY,
                ) from error  # fmt: skip
            yield Downloads(folder)
            empty(folder)
        finally:
            os.close(lock)


def empty(folder: Path) -> None:
    """Remove what is in a folder; the folder itself is what others lock."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@frozen
class _Stoppable:
    """A place whose files end with an error when one has given up: nobody waits for what is no longer wanted."""

    inner: Place
    stop: threading.Event

    def open(self, path: str, start: int = 0) -> IO[bytes]:
        stream = self.inner.open(path, start)
        real = stream.read

        def read(size: int = -1) -> bytes:
            if self.stop.is_set():
                raise OSError("given up")
            return real(size)

        return _Reader(stream, read)  # type: ignore[return-value]


@dataclass
class _Reader:
    stream: IO[bytes]
    read: Callable[[int], bytes]

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
