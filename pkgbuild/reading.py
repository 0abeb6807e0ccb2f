"""A built package, read once from end to end for everybody who judges it: decompressing is what looking into it costs."""

from __future__ import annotations

import hashlib
import mmap
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from kubedeb.deb import Contents, read_contents
from kubedeb.records import frozen
from pkgbuild.goinfo import GoBuild, read_go
from pkgbuild.upgradechecks import is_kept


@frozen
class Reading:
    """What one pass over a package gave: `sha1` of every regular file and `programs` built by Go, by absolute path."""

    contents: Contents
    sha1: dict[str, str]
    programs: dict[str, GoBuild]


def read_package(path: Path) -> Reading:
    """Read a `.deb` for the inspection, the lint and the bill. Raises `kubedeb.deb.DebError`, `OSError`."""
    with _Watcher() as watcher:
        contents = read_contents(path, is_kept, watcher)
    return Reading(contents, watcher.sha1, watcher.programs)


@dataclass
class Readings:
    """The readings of one build's packages, each made when it is first asked for; the files must not change meanwhile."""

    made: dict[Path, Reading] = field(default_factory=dict)

    def of(self, path: Path) -> Reading:
        """Return a package's reading. Raises as `read_package`."""
        if path not in self.made:
            self.made[path] = read_package(path)
        return self.made[path]


class _Watcher:
    """Takes the sha1 of every file, and reads programs through a file on disk: they are large, and memory is not for them."""

    def __init__(self) -> None:
        self.sha1: dict[str, str] = {}
        self.programs: dict[str, GoBuild] = {}
        self._digest = hashlib.sha1(usedforsecurity=False)
        self._begun = False
        self._spool: IO[bytes] | None = None

    def __enter__(self) -> _Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        if self._spool is not None:
            self._spool.close()

    def block(self, path: str, data: bytes) -> None:  # noqa: ARG002 - the Protocol's signature
        if not self._begun and data[:4] == b"\x7fELF":
            self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end` or `__exit__`
        self._begun = True
        self._digest.update(data)
        if self._spool is not None:
            self._spool.write(data)

    def end(self, path: str) -> None:
        self.sha1[path] = self._digest.hexdigest()
        self._digest, self._begun = hashlib.sha1(usedforsecurity=False), False
        if self._spool is not None:
            with self._spool as spool:
                spool.flush()
                with mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    go = read_go(data)
            self._spool = None
            if go is not None:
                self.programs[path] = go
