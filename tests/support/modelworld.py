"""A model cluster in memory behind the executor's Protocols: etcd members that obey docs/semantics.md, and a kill at any call.

What the model forbids raises `AssertionError` at once: a start of an illegal version, a restart while another member is
down, an install of what is not cached.
"""

# ruff: noqa: ARG002 - the signatures are the Protocols'

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from kubedeb.files import sha256_bytes
from kubedeb.versions import Version
from upgrade_plans.adapters.protocols import (
    Available,
    CompactedError,
    Entry,
    RefusedError,
    Saved,
    Status,
    UnreachableError,
    World,
)
from upgrade_plans.models.plan import PackagePin
from upgrade_plans.models.state import Line

T = TypeVar("T")
NAMES = ("etcd-client", "etcd-server")
VERSIONS = ("3.3.25", "3.4.23", "3.5.16")
CLUSTER_ID = "c1u57e4"
RISE = 4.0
"""Seconds that a cluster of members on a higher line takes to raise its version."""


class Killed(BaseException):
    """The executor's process died here; nothing it would do after this happens."""


def debian(version: str) -> str:
    """Return the Debian version of an upstream version."""
    return f"{version}-1~deb12u1"


def sha256(name: str, version: str) -> str:
    """Return the digest of a model package."""
    return sha256_bytes(f"{name} {version}".encode())


@dataclass
class Node:
    """A node: what is installed and cached, what runs, its member id, its backups; `down` cuts it off."""

    member_id: str
    installed: dict[str, str]
    running: str | None
    cached: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in NAMES})
    backups: dict[str, bytes] = field(default_factory=dict)
    down: bool = False


class Model:
    """The cluster; `kill` = (n, after) ends the executor at its n-th call, before or after the call has its effect."""

    def __init__(self, nodes: Sequence[str], version: str = "3.4.23") -> None:
        installed = dict.fromkeys(NAMES, debian(version))
        self.nodes = {name: Node(f"a{number}", dict(installed), version) for number, name in enumerate(nodes)}
        self.line: Line = Version.parse(version).line
        self.leader: str | None = nodes[0]
        self.time = 1_700_000_000.0
        self.rises: float | None = None
        self.calls = 0
        self.kill: tuple[int, bool] | None = None
        self.log: list[str] = []
        self.refuse: dict[str, int] = {}
        self.starts: list[tuple[str, str]] = []
        self.revision = 7
        self.compacted = 0
        self._dead = False
        self._lock = threading.RLock()

    def world(self) -> World:
        """Return the adapters; one call after the other, so that a kill's place is the same in each run."""
        return World(etcd=self, packages=self, units=self, backups=self, probes=self, clock=self, workers=1)

    def revive(self) -> None:
        """Start another executor."""
        self.kill, self._dead = None, False

    def _call(self, what: str, node: str, effect: Callable[[Node], T]) -> T:
        """Be one call: count it, die here when it is asked for, refuse when it is asked for, else take effect."""
        with self._lock:
            if self._dead:
                raise Killed
            self.calls += 1
            self.log.append(f"{what} {node}")
            here = self.kill is not None and self.calls == self.kill[0]
            if here and self.kill is not None and not self.kill[1]:
                self._dead = True
                raise Killed
            if self.refuse.get(what, 0) > 0:
                self.refuse[what] -= 1
                raise RefusedError(f"node {node}", what, "as the test asked")
            if self.nodes[node].down:
                raise UnreachableError(f"node {node}", "it is down")
            result = effect(self.nodes[node])
            if here:
                self._dead = True
                raise Killed
            return result

    def _member(self, what: str, node: str, effect: Callable[[Node], T]) -> T:
        def ask(found: Node) -> T:
            if found.running is None:
                raise UnreachableError(f"etcd on {node}", "connection refused")
            return effect(found)

        return self._call(what, node, ask)

    def _up(self) -> list[str]:
        return [name for name, node in self.nodes.items() if node.running is not None and not node.down]

    # Clock

    def now(self) -> float:
        """Return the model's time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass: an election, the cluster version's rise."""
        if self._dead:
            raise Killed
        self.time += seconds
        self.settle_down()

    def settle_down(self) -> None:
        """Elect, and raise the cluster version when its time has come."""
        up = self._up()
        majority = len(self.nodes) // 2 + 1
        if self.leader not in up or len(up) < majority:
            self.leader = up[0] if len(up) >= majority else None
        lowest = min((Version.parse(str(self.nodes[name].running)).line for name in up), default=self.line)
        if len(up) < len(self.nodes) or lowest <= self.line:
            self.rises = None
        elif self.rises is None:
            self.rises = self.time + RISE
        elif self.time >= self.rises:
            self.line, self.rises = lowest, None

    def pass_time(self) -> None:
        """Let the world settle while no executor runs."""
        for _ in range(20):
            self.time += 1
            self.settle_down()

    # Etcd

    def versions(self, node: str) -> tuple[str, str]:
        """See `Etcd`."""
        return self._member("versions", node, lambda found: (str(found.running), f"{self.line[0]}.{self.line[1]}.0"))

    def healthy(self, node: str) -> bool:
        """See `Etcd`."""
        return self._member("healthy", node, lambda _: self.leader is not None)

    def status(self, node: str) -> Status:
        """See `Etcd`."""
        leader = self.nodes[self.leader].member_id if self.leader else None
        return self._member("status", node, lambda found: Status(found.member_id, CLUSTER_ID, leader, 100, self.revision, 4096))

    def alarms(self, node: str) -> tuple[str, ...]:
        """See `Etcd`."""
        return self._member("alarms", node, lambda _: ())

    def move_leader(self, node: str, to: str) -> None:
        """See `Etcd`."""

        def effect(_: Node) -> None:
            assert self.leader == node, "only the leader hands over"
            self.leader = next(name for name, other in self.nodes.items() if other.member_id == to)

        self._member("move_leader", node, effect)

    def entries(self, node: str, revision: int) -> Iterator[Entry]:
        """See `Etcd`."""

        def effect(_: Node) -> None:
            if revision < self.compacted:
                why = "etcdserver: mvcc: required revision has been compacted"
                raise CompactedError(f"etcd on {node}", f"reading revision {revision}", why)

        self._member("entries", node, effect)
        yield from entries()

    # Packages

    def installed(self, node: str, names: Sequence[str]) -> dict[str, str | None]:
        """See `Packages`."""
        return self._call("installed", node, lambda found: {name: found.installed.get(name) for name in names})

    def available(self, node: str, names: Sequence[str]) -> dict[str, tuple[Available, ...]]:
        """See `Packages`."""
        offered = {name: tuple(Available(debian(v), sha256(name, debian(v)), 1000) for v in VERSIONS) for name in names}
        return self._call("available", node, lambda _: offered)

    def cached(self, node: str, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """See `Packages`."""
        return self._call(
            "cached", node, lambda found: {name: {v: sha256(name, v) for v in found.cached[name]} for name in names}
        )

    def download(self, node: str, versions: dict[str, str]) -> None:
        """See `Packages`."""

        def effect(found: Node) -> None:
            for name, version in versions.items():
                found.cached[name].add(version)

        self._call("download", node, effect)

    def install(self, node: str, packages: Mapping[str, PackagePin]) -> None:
        """See `Packages`."""

        def effect(found: Node) -> None:
            for name, pin in packages.items():
                assert pin.version in found.cached[name], f"{name} {pin.version} is not cached"
                assert pin.sha256 == sha256(name, pin.version), f"{name} {pin.version} is not the plan's"
                found.installed[name] = pin.version

        self._call("install", node, effect)

    def besides(self, node: str, packages: Mapping[str, PackagePin]) -> tuple[str, ...]:
        """See `Packages`."""
        return self._call("besides", node, lambda _: ())

    def held(self, node: str, names: Sequence[str]) -> tuple[str, ...]:
        """See `Packages`."""
        return self._call("held", node, lambda _: ())

    # Units

    def settle(self, node: str) -> None:
        """See `Units`."""
        self._call("settle", node, lambda _: None)

    def restart(self, node: str) -> None:
        """See `Units`."""

        def effect(found: Node) -> None:
            others = [name for name in self._up() if name != node]
            assert len(others) == len(self.nodes) - 1, "a member is restarted while another one is down"
            version = found.installed["etcd-server"].partition("-")[0]
            line = Version.parse(version).line
            assert line in (self.line, (self.line[0], self.line[1] + 1)), f"{version} starts at cluster version {self.line}"
            found.running = version
            self.starts.append((node, version))
            if self.leader == node:
                self.leader = None

        self._call("restart", node, effect)

    # Backups

    def save(self, node: str, name: str) -> Saved:
        """See `Backups`."""
        content, revision = f"{name} at {self.line}, {self.revision}".encode(), self.revision

        def effect(found: Node) -> Saved:
            found.backups[f"/b/{name}.db"] = content
            return Saved(f"/b/{name}.db", len(content), sha256_bytes(content), revision)

        return self._member("save", node, effect)

    def digest(self, node: str, path: str) -> str | None:
        """See `Backups`."""
        return self._call("digest", node, lambda found: sha256_bytes(found.backups[path]) if path in found.backups else None)

    def fetch(self, node: str, path: str, target: Path) -> None:
        """See `Backups`."""

        def effect(found: Node) -> None:
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(found.backups[path])

        self._call("fetch", node, effect)

    def restored(self, node: str, path: str) -> Generator[Entry]:
        """See `Backups`."""
        self._call("restored", node, lambda found: found.backups[path])
        yield from entries()

    # Probes

    def missing(self, node: str, programs: Sequence[str]) -> tuple[str, ...]:
        """See `Probes`."""
        return self._call("missing", node, lambda _: ())

    def free(self, node: str, path: str) -> int:
        """See `Probes`."""
        return self._call("free", node, lambda _: 10**12)

    def unfinished(self, node: str) -> str:
        """See `Probes`."""
        return self._call("unfinished", node, lambda _: "")

    def enabled(self, node: str, unit: str) -> str:
        """See `Probes`."""
        return self._call("enabled", node, lambda _: "enabled")


def entries() -> list[Entry]:
    """Return the model store."""
    return [Entry(f"key-{number}".encode(), sha256_bytes(b"v"), number, number, 1, 0) for number in range(2, 5)]
