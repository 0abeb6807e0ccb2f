"""What the executor asks of the outside world. The real adapters and the tests' model world implement the same."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kubedeb.errors import ExitCode, KubedebError
from upgrade_plans.models.plan import PackagePin


class UnreachableError(KubedebError):
    """A node or a member did not answer: its state is unknown, and what was asked of it may have happened or not."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"{where} does not answer", details=why, code=ExitCode.STOPPED,
            hint="Look at the node; when it answers again, `kubedeb resume` goes on from what is really there.",
        )  # fmt: skip


class RefusedError(KubedebError):
    """A node or a member answered, and did not do what it was asked to."""

    def __init__(self, where: str, what: str, why: str, hint: str = "") -> None:
        super().__init__(f"{where}: {what} failed", details=why, code=ExitCode.STOPPED, hint=hint)


class CompactedError(RefusedError):
    """The members do not keep the asked revision any more."""


@dataclass(frozen=True)
class Outcome:
    """A command that ended on a node: what ran, its exit status and both outputs in bytes."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Return standard output as text."""
        return self.stdout.decode(errors="replace")


class Hosts(Protocol):
    """Commands and files on nodes."""

    def run(self, node: str, argv: Sequence[str], *, timeout: float, env: dict[str, str] | None = None) -> Outcome:
        """Run `argv` on a node to its end, whatever its status. Raises `UnreachableError`; also after `timeout` seconds."""

    def get(self, node: str, path: str, target: Path) -> None:
        """Copy a file from a node; `target` appears whole. Raises `UnreachableError`, `RefusedError` when it is not there."""


@dataclass(frozen=True)
class Status:
    """An etcd member's own view. Ids are hexadecimal; `leader` is the leader's member id, None when it knows none."""

    member_id: str
    cluster_id: str
    leader: str | None
    raft_index: int
    revision: int
    db_size: int


@dataclass(frozen=True)
class Entry:
    """A key of the store as two stores are compared by it; the value stands as its sha256."""

    key: bytes
    value: str
    create_revision: int
    mod_revision: int
    version: int
    lease: int


class Etcd(Protocol):
    """The etcd members, each asked at its own endpoint. Every method raises `UnreachableError` or `RefusedError`."""

    def versions(self, node: str) -> tuple[str, str]:
        """Return what runs on `node` and the cluster version that it reports, `("3.4.23", "3.4.0")`."""

    def healthy(self, node: str) -> bool:
        """Return whether the member says that it is healthy (it can read through a majority)."""

    def status(self, node: str) -> Status:
        """Return the member's status."""

    def alarms(self, node: str) -> tuple[str, ...]:
        """Return the alarms that are raised, by name."""

    def move_leader(self, node: str, to: str) -> None:
        """Ask the leader, on `node`, to hand over to the member with the id `to`."""

    def entries(self, node: str, revision: int) -> Iterator[Entry]:
        """Yield every key as the member held it at `revision`, in key order, without asking the other members."""


@dataclass(frozen=True)
class Available:
    """A version that apt can install: its sha256 and size in bytes as the signed index states them."""

    version: str
    sha256: str
    size: int


class Packages(Protocol):
    """Debian packages on a node. Every method raises `UnreachableError` or `RefusedError`."""

    def installed(self, node: str, names: Sequence[str]) -> dict[str, str | None]:
        """Return the installed version of each package; None when it is not, or only half, installed."""

    def available(self, node: str, names: Sequence[str]) -> dict[str, tuple[Available, ...]]:
        """Return what the node's apt offers of each package."""

    def cached(self, node: str, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the whole packages in our own folder on the node: for each name the sha256 of the file by version."""

    def download(self, node: str, versions: dict[str, str]) -> None:
        """Put these versions into our folder and change nothing else."""

    def install(self, node: str, packages: Mapping[str, PackagePin]) -> None:
        """Install exactly these from our folder, older ones too; first finish what was left half-installed.

        Raises `RefusedError` when a file is not there or has another sha256.
        """

    def besides(self, node: str, packages: Mapping[str, PackagePin]) -> tuple[str, ...]:
        """Return what installing these would do to other packages, a line each (`remove NAME`); changes nothing."""

    def held(self, node: str, names: Sequence[str]) -> tuple[str, ...]:
        """Return the names that are on hold."""


class Units(Protocol):
    """The daemon's unit on a node, and what an executor that died may have left going on there."""

    def settle(self, node: str) -> None:
        """Wait until nothing is going on any more that an executor began on the node. Raises `UnreachableError`."""

    def restart(self, node: str) -> None:
        """Restart the daemon; returns when its start was reported. Raises `UnreachableError` or `RefusedError`."""


@dataclass(frozen=True)
class Saved:
    """A backup on a node: its path, size in bytes, sha256, and the store's revision that it holds."""

    path: str
    size: int
    sha256: str
    revision: int


class Backups(Protocol):
    """Backups of the store on a node. Every method raises `UnreachableError` or `RefusedError`."""

    def save(self, node: str, name: str) -> Saved:
        """Save a snapshot of the store under `name`; one of the same name is replaced."""

    def digest(self, node: str, path: str) -> str | None:
        """Return a backup's sha256, None when it is not there."""

    def fetch(self, node: str, path: str, target: Path) -> None:
        """Copy a backup to the operator's side."""

    def restored(self, node: str, path: str) -> Generator[Entry]:
        """Restore a backup in a scratch cluster of one member on the node and yield every key in key order.

        The scratch cluster is removed when the iterator ends or is closed.
        """


class Probes(Protocol):
    """Read-only questions to a node. Every method raises `UnreachableError` or `RefusedError`."""

    def missing(self, node: str, programs: Sequence[str]) -> tuple[str, ...]:
        """Return the programs that are not on the node's path."""

    def free(self, node: str, path: str) -> int:
        """Return the free bytes of the file system that `path` is on, or will be on once it is made."""

    def unfinished(self, node: str) -> str:
        """Return what dpkg says of half-installed packages; empty when there are none."""

    def enabled(self, node: str, unit: str) -> str:
        """Return systemd's word for whether a unit starts with the node: `enabled`, `disabled`, `masked`, …"""


class Clock(Protocol):
    """Time, so that tests need not wait."""

    def now(self) -> float:
        """Return seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


@dataclass(frozen=True)
class World:
    """Everything outside that a run talks to; at most `workers` nodes are talked to at the same time."""

    etcd: Etcd
    packages: Packages
    units: Units
    backups: Backups
    probes: Probes
    clock: Clock
    workers: int = 32
