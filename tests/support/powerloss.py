"""A disk that loses its power: what of a folder would be left if only what was fsynced had reached it.

While `watched` is on, every fsync and rename below the folder is a moment at which the power may fail. For each, two disks are
made: one with all the names there are now, one with only the names of folders that were fsynced. In both a file has
the bytes that it had at its last fsync, and none if there was no fsync.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

Entries = dict[str, tuple[int, bool]]
"""Names of a folder: inode, and whether it is a folder."""


class Disk:
    """Knows what is durable of a folder."""

    def __init__(self, folder: Path, left: Path, failed: Callable[[Path], object]) -> None:
        self._folder, self._left, self._failed = folder, left, failed
        self._bytes: dict[int, bytes] = {}
        self._names: dict[int, Entries] = {}
        self._held: list[int] = []
        self.moments = 0

    def synced(self, descriptor: int) -> None:
        """Note that a file or folder is durable; its inode is held, so that no other file gets its number."""
        status = os.fstat(descriptor)
        self._held.append(os.dup(descriptor))
        if stat.S_ISDIR(status.st_mode):
            self._names[status.st_ino] = _entries(f"/proc/self/fd/{descriptor}")
        else:
            self._bytes[status.st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()

    def fails(self) -> list[Path]:
        """Make both disks of this moment, and hand each to who judges them."""
        self.moments += 1
        made = []
        for durable in (False, True):
            target = self._left / f"{self.moments}-{'durable' if durable else 'all'}"
            self._copy(self._folder.stat().st_ino, self._folder, target, durable=durable)
            self._failed(target)
            made.append(target)
        return made

    def close(self) -> None:
        """Let the inodes go."""
        for descriptor in self._held:
            os.close(descriptor)

    def _copy(self, inode: int, source: Path, target: Path, *, durable: bool) -> None:
        target.mkdir(parents=True)
        entries = self._names.get(inode, {}) if durable else _entries(source)
        for name, (number, is_folder) in entries.items():
            if is_folder:
                self._copy(number, source / name, target / name, durable=durable)
            else:
                (target / name).write_bytes(self._bytes.get(number, b""))


def _entries(folder: str | Path) -> Entries:
    with os.scandir(folder) as found:
        return {entry.name: (entry.inode(), entry.is_dir(follow_symlinks=False)) for entry in found}


@contextmanager
def watched(folder: Path, left: Path, failed: Callable[[Path], object], patch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Call `failed` with each disk (below `left`) that a power cut could leave while the block writes to `folder`."""
    disk = Disk(folder, left, failed)
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def synced(descriptor: int) -> None:
        disk.fails()
        fsync(descriptor)
        disk.synced(descriptor)

    def moved(real: Callable[..., None]) -> Callable[..., None]:
        def move(*paths: str | Path) -> None:
            disk.fails()
            real(*paths)
            disk.fails()

        return move

    with patch.context() as patched:
        patched.setattr(os, "fsync", synced)
        patched.setattr(os, "rename", moved(rename))
        patched.setattr(os, "replace", moved(replace))
        try:
            yield disk
        finally:
            disk.close()
