"""What a build may see: a clean root, no network, one fixed environment; the Protocol that every sandbox fulfils."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

BUILD_ROOT = "/build"
BUILDER = 1000
"""The uid and gid that builds run as: the Dockerfile's `builder`."""
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "dumb",
}  # fmt: skip
HOSTNAME = "kubedeb"
TIME_LIMIT = 3600.0


class Sandbox(Protocol):
    """An open sandbox; leaving it removes it and all that is in it."""

    def put(self, tree: IO[bytes]) -> None:
        """Unpack a tar stream below BUILD_ROOT."""

    def run(self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], log: IO[bytes], timeout: float = TIME_LIMIT) -> int:
        """Run a command as the builder with ENVIRONMENT and `env` alone, all output to `log`; return its exit status.

        Raises `KubedebError` (BUILD) when `timeout` seconds have passed.
        """

    def get(self, path: str, target: Path) -> None:
        """Copy one file out. Raises `KubedebError` (BUILD) when it is not there."""


class OpenSandbox(Protocol):
    """Makes a sandbox."""

    def __call__(self) -> AbstractContextManager[Sandbox]:
        """Give an open sandbox."""
