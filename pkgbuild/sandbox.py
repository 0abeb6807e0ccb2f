"""What a build may see: a clean root, no network, one fixed environment; the Protocol that every sandbox fulfils."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from kubedeb.records import frozen

if TYPE_CHECKING:
    from pkgbuild.baselock import BaseLock

TIME_LIMIT = 3600.0


class SandboxKind(StrEnum):
    """What `--sandbox` takes."""

    AUTO = "auto"
    """Docker where a daemon answers, else unshare."""
    DOCKER = "docker"
    UNSHARE = "unshare"


@frozen
class Surroundings:
    """Everything that a build can see of where it runs. The default is what every build gets; `--check` varies it.

    `user` is uid and gid (0: root inside, for trying packages out),
    `build_root` the folder that sources are unpacked below, `processors` how many it may use (None:
    all), `memory` a limit in bytes (None: none).
    """

    user: int = 1000
    umask: int = 0o022
    locale: str = "C.UTF-8"
    zone: str = "UTC"
    hostname: str = "kubedeb"
    build_root: str = "/build"
    home: str = "/nonexistent"
    path: str = "/usr/sbin:/usr/bin:/sbin:/bin"
    processors: int | None = None
    memory: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Return the whole environment that a command gets, before its own variables."""
        return {"PATH": self.path, "HOME": self.home, "LC_ALL": self.locale, "TZ": self.zone, "TERM": "dumb"}


PLAIN = Surroundings()


@frozen
class Bind:
    """A folder of the host that is seen inside at `target`."""

    source: Path
    target: str
    writable: bool = False


class Sandbox(Protocol):
    """An open sandbox; leaving it removes it and all that is in it."""

    @property
    def surroundings(self) -> Surroundings:
        """Return what it was opened with."""

    def put(self, tree: IO[bytes]) -> None:
        """Unpack a tar stream, an open file with a descriptor, below the build root."""

    def run(self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], log: IO[bytes], timeout: float = TIME_LIMIT) -> int:
        """Run a command as the builder with the surroundings' environment and `env` alone, all output to `log`.

        Returns its exit status. Raises `KubedebError` (BUILD) when `timeout` seconds have passed.
        """

    def get(self, path: str, target: Path) -> None:
        """Copy one file out. Raises `KubedebError` (BUILD) when it is not there."""

    def peek(self, path: str, target: Path) -> bool:
        """Copy one file of the build out while a command may run, and say whether that was possible."""

    def shell(self, *, cwd: str, env: Mapping[str, str]) -> None:
        """Give the terminal to an interactive shell of the builder, until it ends."""

    def stop(self) -> None:
        """End everything that runs in it, at once; called from another thread than the one that waits in `run`."""


class OpenSandbox(Protocol):
    """Makes a sandbox in a root that is chosen already."""

    def __call__(self, surroundings: Surroundings = PLAIN, binds: Sequence[Bind] = ()) -> AbstractContextManager[Sandbox]:
        """Give an open sandbox."""


class Backend(Protocol):
    """A kind of sandbox, ready for use: docker, or namespaces of our own."""

    @property
    def name(self) -> str:
        """Return what `--sandbox` calls it."""

    def prepare(self, lock: BaseLock, own: Sequence[tuple[Path, str]] = ()) -> OpenSandbox:
        """Have the root of a base at hand, with the packages `own` (file, sha256) installed; return what opens sandboxes in it.

        Raises `KubedebError`: SANDBOX when the root is lost, BUILD_STORAGE when there is no room for it.
        """

    def forget(self, lock: BaseLock) -> None:
        """Remove the root of a base that is not used again; none may be open in it. The store's own file of it stays."""


def command(surroundings: Surroundings, env: Mapping[str, str], argv: Sequence[str], cwd: str) -> list[str]:
    """Return what starts `argv` with nothing but the surroundings' environment and `env`; pure.

    A clean start is the only way to know them all: docker, for one, gives every process variables of its own.
    """
    pairs = [f"{name}={value}" for name, value in {**surroundings.environment, **env}.items()]
    some = ["taskset", "--cpu-list", f"0-{surroundings.processors - 1}"] if surroundings.processors else []
    start = f'umask {surroundings.umask:03o} && cd "$1" && shift && exec "$@"'
    return ["env", "-i", *pairs, "sh", "-c", start, "sh", cwd, *some, *argv]


def shell_command(surroundings: Surroundings, env: Mapping[str, str], cwd: str) -> list[str]:
    """Return what starts an interactive shell as a command is started, in `cwd` or else the build root."""
    variables = {**env, "TERM": os.environ.get("TERM", "dumb"), "PS1": "kubedeb:$PWD$ "}
    start = ["sh", "-c", 'cd "$1" 2>/dev/null; exec sh -i', "sh", cwd]
    return command(surroundings, variables, start, surroundings.build_root)
