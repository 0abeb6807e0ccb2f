"""Packages are read while dpkg-buildpackage still writes down how it made them: both take half a second, and there are cores.

dpkg-buildpackage's own hooks say which packages, then which .buildinfo file are there, as lines of its output. What goes wrong
here is of no account: what was not copied by then is copied once the build has ended, and each digest must be what the .changes
file lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from kubedeb.deb import DebError
from kubedeb.errors import KubedebError
from pkgbuild.reading import Reading
from pkgbuild.sandbox import Sandbox

MADE = "kubedeb: made "
ALL_MADE = "kubedeb: packages are made"
TELLING = f"sed 's/^/{MADE}/' debian/files; echo {ALL_MADE}"
HOOKS = (f"--hook-buildinfo={TELLING}", f"--hook-changes={TELLING}")
"""debian/files is where debhelper, then dpkg-genbuildinfo list what they made, one line each: file, section, priority."""
TAKEN = (".deb", ".buildinfo")
LONGEST = 4096
"""Bytes of a line that may be one of the hook's; of a longer one the rest is looked at."""


class Early:
    """What was taken out of a sandbox before the build's end, and is read since."""

    def __init__(self, sandbox: Sandbox, folder: Path, read: Callable[[Path], Reading]) -> None:
        self._sandbox, self._folder, self._read = sandbox, folder, read
        # One reader: two would hold twice the memory.
        self._copier, self._reader = ThreadPoolExecutor(1, "copy early"), ThreadPoolExecutor(1, "read early")
        self._asked: set[str] = set()
        self._copying: list[Future[list[str]]] = []
        self._reading: list[Future[tuple[str, str] | None]] = []

    def hearing(self, log: IO[bytes]) -> IO[bytes]:
        """Return the log as one that begins to copy and read when the hook says so."""
        return cast("IO[bytes]", _Heard(log, self._begin))

    def copied(self) -> frozenset[str]:
        """Wait for the copying, and return the names of what lies in the folder; the sandbox is not used again."""
        return frozenset(name for copying in self._copying for name in copying.result())

    def sha256(self) -> dict[str, str]:
        """Wait for the reading, and return the sha256 of the packages that could be read, by name."""
        self.copied()
        return dict(found for reading in self._reading if (found := reading.result()))

    def end(self) -> None:
        """Wait for what was begun."""
        self._copier.shutdown()
        self._reader.shutdown()

    def _begin(self, names: list[str]) -> None:
        new = [name for name in names if name.endswith(TAKEN) and "/" not in name and name not in self._asked]
        if new:
            self._asked.update(new)
            self._copying.append(self._copier.submit(self._copy, new))

    def _copy(self, names: list[str]) -> list[str]:
        copied = []
        with suppress(KubedebError, OSError):
            for name in names:
                if not self._sandbox.peek(f"{self._sandbox.surroundings.build_root}/{name}", self._folder / name):
                    break
                copied.append(name)
                if name.endswith(".deb"):
                    self._reading.append(self._reader.submit(self._read_one, name))
        return copied

    def _read_one(self, name: str) -> tuple[str, str] | None:
        with suppress(DebError, OSError):
            return name, self._read(self._folder / name).contents.deb.sha256
        return None


@contextmanager
def early(sandbox: Sandbox, folder: Path, read: Callable[[Path], Reading]) -> Iterator[Early]:
    """Give what copies packages as soon as they are made into `folder`, and reads them there."""
    one = Early(sandbox, folder, read)
    try:
        yield one
    finally:
        one.end()


class _Heard:
    """A log that calls with the files that the hook lists; its lines may come in several blocks."""

    def __init__(self, log: IO[bytes], call: Callable[[list[str]], None]) -> None:
        self._log, self._call, self._line = log, call, b""
        self._names: list[str] = []

    def write(self, data: bytes) -> int:
        """Pass a block on."""
        *lines, self._line = (self._line + data).split(b"\n")
        self._line = self._line[-LONGEST:]
        for line in lines:
            if line.startswith(MADE.encode()):
                self._names += line.removeprefix(MADE.encode()).decode(errors="replace").split()[:1]
            elif line == ALL_MADE.encode():
                self._call(self._names)
                self._names = []
        return self._log.write(data)

    def flush(self) -> None:
        """Flush the log."""
        self._log.flush()
