"""A real cluster on the lab's nodes, and a plan for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from kubedeb.cli import run
from lab import Lab
from lab.etcd import DIRECT


@dataclass(frozen=True)
class Published:
    """A repository: its public folder, and the upstream versions of etcd in it (the oldest may be on no mirror any more)."""

    public: Path
    versions: tuple[str, ...]


@dataclass(frozen=True)
class Live:
    """A running cluster: its cluster file, and its members' client URLs."""

    lab: Lab
    file: Path
    urls: list[str]


@dataclass(frozen=True)
class Planned:
    """A running cluster and a plan for it."""

    live: Live
    plan: Path
    start: str
    target: str

    def kubedeb(self, *words: str | Path) -> int:
        return run([str(word) for word in words])

    def apply(self, *more: str) -> int:
        return self.kubedeb("apply", self.plan, "--cluster", self.live.file, *more)

    def running(self) -> dict[str, tuple[str, str]]:
        """Return (etcdserver, etcdcluster) of every member from its own endpoint."""
        found = {}
        for node, url in zip(self.live.lab.nodes, self.live.urls, strict=True):
            with DIRECT.open(f"{url}/version", timeout=5) as answer:
                said = json.load(answer)
            found[node] = (said["etcdserver"], said["etcdcluster"])
        return found

    def all_run(self, version: str) -> None:
        line = ".".join(version.split(".")[:2])
        assert self.running() == dict.fromkeys(self.live.lab.nodes, (version, f"{line}.0"))
        for node in self.live.lab.nodes:
            installed = self.live.lab.run(node, "dpkg-query", "-W", "-f", "${Version}", "etcd-server").output
            assert installed == f"{version}-1~deb12u1"
