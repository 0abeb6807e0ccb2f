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
    leader: int = 0,
    offered: Iterable[str] = OFFERED,
    of: Cluster | None = None,
    members: Mapping[int, Mapping[str, Any]] | None = None,
) -> Facts:
    """Return facts of members that run `running`; `members` (index → fields) changes single members' facts."""
    versions, offered = list(running), list(offered)
    described = of or cluster(len(versions))
    line = cluster_version or min(versions, key=lambda text: tuple(map(int, text.split(".")))).rsplit(".", 1)[0] + ".0"
    etcd = []
    for index, version in enumerate(versions):
        member = {
            "node": f"etcd{index + 1}", "member_id": f"{index + 1:x}", "cluster_id": "c1", "running": version,
            "cluster_version": line, "leader": index == leader, "healthy": True, "raft_index": 100, "revision": 50,
            "db_size": 20_000_000, **(members or {}).get(index, {}),
        }  # fmt: skip
        etcd.append(member)
    nodes = {
        f"etcd{index + 1}": {
            "row": described.place(f"etcd{index + 1}")[0],
            "rack": described.place(f"etcd{index + 1}")[1],
            "packages": {name: packages(version, offered, name) for name in ("etcd-server", "etcd-client")},
        }
        for index, version in enumerate(versions)
    }
    return Facts.model_validate({"cluster": "test", "read_at": "2026-11-23T12:00:00Z", "nodes": nodes, "etcd": etcd})
