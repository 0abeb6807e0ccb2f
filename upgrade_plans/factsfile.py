"""The facts file, read and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode, KubedebError
from upgrade_plans import jsonfile
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.facts import READABLE, Facts


def load(path: Path) -> Facts:
    """Read a facts file. Raises `KubedebError` (FACTS)."""
    facts = jsonfile.load(path, Facts, what="facts", formats=READABLE, code=ExitCode.FACTS)
    _check_sets(path, facts)
    members = [member.node for member in facts.etcd]
    if unknown := sorted(set(members) - facts.sets.keys()):
        raise KubedebError(f"{path}: no node facts for the members {', '.join(unknown)}", code=ExitCode.FACTS,
                           hint="Read the facts again: kubedeb inspect.")  # fmt: skip
    if len(set(members)) != len(members):
        raise KubedebError(f"{path}: an etcd member is there twice", code=ExitCode.FACTS, hint="kubedeb inspect")
    return facts


def _check_sets(path: Path, facts: Facts) -> None:
    """Refuse node sets that cannot be expanded, and a node that stands in two of them."""
    try:
        several = len(facts.sets) < facts.named
    except ValueError as error:
        raise KubedebError(
            f"{path}: nodes: {error}", code=ExitCode.FACTS, hint="Read the facts again: kubedeb inspect."
        ) from error
    if several:
        raise KubedebError(f"{path}: nodes: a node stands in two node sets", code=ExitCode.FACTS,
                           hint="Read the facts again: kubedeb inspect.")  # fmt: skip


def schema() -> dict[str, Any]:
    """Return the JSON schema of a facts file."""
    return jsonfile.schema(Facts, "facts")


def save(path: Path, facts: Facts) -> None:
    """Write a facts file."""
    jsonfile.save(path, facts, what="facts", code=ExitCode.FACTS)


def check_same(facts: Facts, cluster: Cluster) -> None:
    """Refuse facts of another cluster, or of one whose nodes differ. Raises `KubedebError` (FACTS)."""
    hint = "Read the facts again with this cluster file: kubedeb inspect CLUSTER.yaml -o facts.json"
    if facts.cluster != cluster.name:
        raise KubedebError(
            f"these facts are of the cluster {facts.cluster}, not of {cluster.name}", hint=hint, code=ExitCode.FACTS
        )
    differ = set(cluster.members) ^ {member.node for member in facts.etcd}
    known = set(cluster.nodes)
    placed = {node: (facts.nodes[key].row, facts.nodes[key].rack) for node, key in facts.sets.items() if facts.nodes[key].row}
    moved = [node for node, place in placed.items() if node in known and cluster.place(node) != place]
    if differ or moved:
        raise KubedebError(
            "the facts were read with another cluster file",
            details="\n".join([f"{node} is an etcd member in only one of them" for node in sorted(differ)]
                              + [f"{node} stands in another row or rack" for node in sorted(moved)]),
            hint=hint, code=ExitCode.FACTS,
        )  # fmt: skip
