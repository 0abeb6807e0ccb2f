"""Clusters and facts of etcd for tests: `cluster()`, `facts()`, each with what a test wants to differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.facts import Facts

OFFERED = ("3.3.25", "3.4.23", "3.5.16")
RELEASE = "1~deb12u1"


def debian(version: str) -> str:
    """Return the Debian version that packs an upstream version."""
    return version if "-" in version else f"{version}-{RELEASE}"


def digest(name: str, version: str) -> str:
    """Return a sha256 that a package of that name and version could have."""
    return sha256(f"{name} {version}".encode()).hexdigest()


def cluster(members: int = 3, rows: Mapping[str, str] | None = None) -> Cluster:
    """Return a cluster of `members` etcd members, each in a row of its own unless `rows` (node → row) says otherwise."""
    nodes = [f"etcd{number}" for number in range(1, members + 1)]
    placed: dict[str, dict[str, list[str]]] = {}
    for index, node in enumerate(nodes):
        row = (rows or {}).get(node, "abcdefghi"[index])
        placed.setdefault(row, {}).setdefault(f"{row}1", []).append(node)
    return Cluster.model_validate({"name": "test", "transport": {"kind": "docker"}, "roles": {"etcd": nodes}, "rows": placed})


def packages(installed: str | None, offered: Iterable[str], name: str) -> dict[str, Any]:
    """Return a node's facts of one package."""
    available = [
        {"version": debian(version), "sha256": digest(name, debian(version)), "size": 10_000_000} for version in offered
    ]
    return {"installed": debian(installed) if installed else None, "available": available}


def facts(
    running: Iterable[str] = ("3.3.25",) * 3,
    *,
    cluster_version: str | None = None,
    leader: str = "etcd1",
    offered: Iterable[str] = OFFERED,
    of: Cluster | None = None,
    members: Mapping[str, Mapping[str, Any]] | None = None,
    nodes: Mapping[str, Mapping[str, Any]] | None = None,
    store: Mapping[str, Any] | None = None,
) -> Facts:
    """Return facts of members that run `running`.

    `members` (node → fields) changes single members' facts; `nodes` (node → `offered`, `installed`) single nodes'
    packages; `store` is what was read of the stores.
    """
    versions, offered = list(running), list(offered)
    described = of or cluster(len(versions))
    line = cluster_version or min(versions, key=lambda text: tuple(map(int, text.split(".")))).rsplit(".", 1)[0] + ".0"
    names = [f"etcd{number}" for number in range(1, len(versions) + 1)]
    etcd = [
        {
            "node": node, "member_id": f"{number:x}", "cluster_id": "c1", "running": version, "cluster_version": line,
            "leader": node == leader, "healthy": True, "raft_index": 100, "revision": 50, "db_size": 20_000_000,
            **(members or {}).get(node, {}),
        }
        for number, (node, version) in enumerate(zip(names, versions, strict=True), 1)
    ]  # fmt: skip
    found = {}
    for node, version in zip(names, versions, strict=True):
        here = {"installed": version, "offered": offered, **(nodes or {}).get(node, {})}
        row, rack = described.place(node)
        kinds = {name: packages(here["installed"], here["offered"], name) for name in ("etcd-server", "etcd-client")}
        found[node] = {"row": row, "rack": rack, "packages": kinds}
    whole = {"cluster": "test", "read_at": "2026-11-23T12:00:00Z", "nodes": found, "etcd": etcd, "store": store}
    return Facts.model_validate(whole)
