"""Packages are read while dpkg-buildpackage still writes down how it made them: both take half a second, and there are cores.

dpkg-buildpackage's own hook says when they are there, as a line of its output. What goes wrong here is of no account: whatever
was not read by then is copied and read once the build has ended, and each digest must be what the .changes file lists.
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

PACKED = "kubedeb: packages are made"
HOOK = f"--hook-buildinfo=echo {PACKED}"
LISTED = "debian/files"
"""Where debhelper lists what it made, one line each: file, section, priority (dpkg-genchanges reads it too)."""


class Early:
    """What was read before the build's end: `sha256` of each package by file name."""

    def __init__(self, sandbox: Sandbox, tree: str, folder: Path, read: Callable[[Path], Reading]) -> None:
        self._sandbox, self._tree, self._folder, self._read = sandbox, tree, folder, read
        self._pool = ThreadPoolExecutor(1, "read early")
        self._future: Future[None] | None = None
        self.sha256: dict[str, str] = {}

    def hearing(self, log: IO[bytes]) -> IO[bytes]:
        """Return the log as one that begins to read when the hook says so."""
        return cast("IO[bytes]", _Heard(log, self._begin))

    def wait(self) -> None:
        """Wait for what was begun."""
        self._pool.shutdown()

    def _begin(self) -> None:
        if self._future is None:
            self._future = self._pool.submit(self._bring)

    def _bring(self) -> None:
        with suppress(KubedebError, DebError, OSError):
            listed = self._folder / ".files"
            if not self._sandbox.peek(f"{self._tree}/{LISTED}", listed):
                return
            lines = listed.read_text(errors="replace").splitlines()
            listed.unlink()
            names = [line.split()[0] for line in lines if line.strip()]
            for name in names:
                if name.endswith(".deb") and "/" not in name:
                    file = self._folder / name
                    if self._sandbox.peek(f"{self._sandbox.surroundings.build_root}/{name}", file):
                        self.sha256[name] = self._read(file).contents.deb.sha256


@contextmanager
def early(sandbox: Sandbox, tree: str, folder: Path, read: Callable[[Path], Reading]) -> Iterator[Early]:
    """Give what reads packages of the source tree at `tree` as soon as they are made, into `folder`."""
    one = Early(sandbox, tree, folder, read)
    try:
        yield one
    finally:
        one.wait()


class _Heard:
    """A log that calls once it has seen the hook's line, which may come in two blocks."""

    def __init__(self, log: IO[bytes], call: Callable[[], None]) -> None:
        self._log, self._call, self._end = log, call, b""

    def write(self, data: bytes) -> int:
        """Pass a block on."""
        seen, mark = self._end + data, PACKED.encode()
        self._end = seen[-len(mark) :]
        if mark in seen:
            self._call()
        return self._log.write(data)

    def flush(self) -> None:
        """Flush the log."""
        self._log.flush()
