"""Backups of etcd's store on a node: etcdctl snapshots, and a scratch cluster of one member to restore them in."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from upgrade_plans.adapters.etcd import entry
from upgrade_plans.adapters.hosts import change, must
from upgrade_plans.adapters.protocols import Entry, Hosts, Outcome, RefusedError, Saved
from upgrade_plans.models.cluster import Cluster

SLOW = 900.0
API = {"ETCDCTL_API": "3"}
UNIT = "kubedeb-scratch"
# The scratch member ends by itself when the executor that started it died.
LONGEST = 3600
PAGE = 1000
NOT_LOADED = 5
# Everybody on the node can reach a port, and the store holds every secret. etcd takes a socket's name only as HOST:PORT
# (measured: 3.3, 3.4 and 3.5), so the sockets are files of such names in the folder it runs in, which only root may enter.
CLIENT, PEER = "unix://127.0.0.1:1", "unix://127.0.0.1:2"
NOWHERE = "http://127.0.0.1:1"
"""What the scratch member must advertise; nobody listens there, and nobody asks."""


class SnapshotBackups:
    """Backups in the cluster file's `backups` folder on the node."""

    def __init__(self, hosts: Hosts, cluster: Cluster, *, page: int = PAGE) -> None:
        self._hosts = hosts
        self._cluster = cluster
        self._page = page

    def save(self, node: str, name: str) -> Saved:
        """Save with `etcdctl snapshot save` from the node's own member."""
        folder = self._cluster.etcd.backups
        path = f"{folder}/{name}.db"
        self._change(node, "making the backups' folder", "install", "-d", "-m", "0700", folder)
        self._change(node, "removing an older backup of this name", "rm", "-f", path, f"{path}.part")
        self._change(
            node, "saving a snapshot", "etcdctl", f"--endpoints={self._cluster.client_url(node)}", "snapshot", "save", path
        )
        status = self._json(node, "reading the snapshot", "etcdctl", "snapshot", "status", path, "-w", "json")
        size = int(self._read(node, "measuring the snapshot", "stat", "-c", "%s", path).text)
        digest = self.digest(node, path)
        if digest is None:
            raise RefusedError(f"node {node}", "saving a snapshot", f"{path} is not there")
        return Saved(path, size, digest, int(status["revision"]))

    def digest(self, node: str, path: str) -> str | None:
        """Return sha256sum's word; None when there is no such file."""
        outcome = self._hosts.run(node, ("sha256sum", path), timeout=SLOW)
        return outcome.text.split()[0].lstrip("\\") if outcome.status == 0 else None

    def fetch(self, node: str, path: str, target: Path) -> None:
        """Copy a backup to the operator's side."""
        self._hosts.get(node, path, target)

    def restored(self, node: str, path: str) -> Generator[Entry]:
        """Restore into a scratch member that no network reaches and read it whole; see `Backups`."""
        self._clear(node)
        try:
            self._start(node, path)
            yield from self._entries(node)
        finally:
            self._clear(node)

    @property
    def _scratch(self) -> str:
        return f"{self._cluster.etcd.backups}/scratch"

    def _start(self, node: str, path: str) -> None:
        self._change(node, "making the scratch member's folder", "install", "-d", "-m", "0700", self._scratch)
        data = f"--data-dir={self._scratch}/data"
        member = (f"--initial-cluster=scratch={NOWHERE}", f"--initial-advertise-peer-urls={NOWHERE}",
                  "--initial-cluster-token=kubedeb-scratch", "--name=scratch", data)  # fmt: skip
        self._change(node, "restoring the snapshot", "etcdctl", "snapshot", "restore", path, *member)
        listen = (f"--listen-peer-urls={PEER}", f"--listen-client-urls={CLIENT}", f"--advertise-client-urls={NOWHERE}")
        unit = ("systemd-run", f"--unit={UNIT}", "--collect", "--property=Type=notify", f"--property=RuntimeMaxSec={LONGEST}",
                f"--property=WorkingDirectory={self._scratch}")  # fmt: skip
        self._change(node, "starting the scratch member", *unit, "etcd", *member, *listen)

    def _clear(self, node: str) -> None:
        self._change(node, "stopping the scratch member", "systemctl", "stop", f"{UNIT}.service", ok=(0, NOT_LOADED))
        self._change(node, "removing the scratch member", "rm", "-rf", self._scratch)

    def _entries(self, node: str) -> Iterator[Entry]:
        """Read the scratch store in pages; a page begins at the last key before it that can stand in an argument list."""
        start, limit, last = "", self._page, b""
        while True:
            words = ("get", "--from-key", f"--limit={limit}", "-w", "json", "--", start)
            ask = ("env", "-C", self._scratch, "etcdctl", f"--endpoints={CLIENT}")
            answer = self._json(node, "reading the scratch member", *ask, *words)
            page = [entry(item) for item in answer.get("kvs", [])]
            yield from (item for item in page if item.key > last)
            if not answer.get("more"):
                return
            last = max(last, page[-1].key)
            begin = next((word for item in reversed(page) if (word := as_argument(item.key))), "")
            limit = self._page if begin > start else limit * 2
            start = max(begin, start)

    def _change(self, node: str, what: str, *argv: str, ok: tuple[int, ...] = (0,)) -> None:
        must(change(self._hosts, node, argv, timeout=SLOW, env=API), node, what, ok=ok)

    def _read(self, node: str, what: str, *argv: str) -> Outcome:
        return must(self._hosts.run(node, argv, timeout=SLOW, env=API), node, what)

    def _json(self, node: str, what: str, *argv: str) -> dict[str, Any]:
        outcome = self._read(node, what, *argv)
        try:
            answer = json.loads(outcome.stdout)
        except ValueError as error:
            raise RefusedError(f"node {node}", what, f"not JSON: {outcome.text[:200]!r}") from error
        return answer if isinstance(answer, dict) else {}


def as_argument(key: bytes) -> str | None:
    """Return a key as a word of an argument list; None when it cannot be one (no UTF-8, or a NUL in it)."""
    try:
        return None if b"\0" in key else key.decode()
    except UnicodeDecodeError:
        return None
