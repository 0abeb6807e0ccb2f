"""The cluster file, read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.yamlfile import Document, validate
from kubedeb.yamlfile import load as load_yaml
from upgrade_plans import jsonfile
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.nodesets import expand, fold


def load(path: Path) -> Cluster:
    """Read a cluster file. Raises `KubedebError` (CLUSTER) with file and line; a node in two places names both."""
    document = load_yaml(path, code=ExitCode.CLUSTER)
    _check_places(document)
    return validate(document, Cluster, code=ExitCode.CLUSTER)


def text_of(cluster: Cluster) -> str:
    """Return a cluster as its file's text, node sets folded, what is as it is by default left out; `load` reads it back."""
    import yaml

    tree = cluster.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return yaml.safe_dump(_folded(tree), sort_keys=False, allow_unicode=True, width=120)


def _folded(value: Any) -> Any:
    """Return a tree with each list of nodes as one node set, where that reads back as the same list."""
    if isinstance(value, dict):
        folded = {name: _folded(inner) for name, inner in value.items() if name not in SETS_OF}
        return {**folded, **{name: _sets(value[name], SETS_OF[name]) for name in SETS_OF if name in value}}
    return [_folded(item) for item in value] if isinstance(value, list) else value


SETS_OF = {"roles": 1, "rows": 2, "dcs": 1, "architectures": 1, "hardware": 1, "nodes": 0}
"""Keys that hold nodes, and how many levels of names stand above them."""


def _sets(value: Any, depth: int) -> Any:
    if depth:
        return {name: _sets(inner, depth - 1) for name, inner in value.items()}
    folded = fold(value)
    return folded if list(expand(folded)) == list(value) else value


def schema() -> dict[str, Any]:
    """Return the JSON schema of a cluster file, kept in `docs/cluster.schema.json`."""
    return jsonfile.schema(Cluster, "cluster")


def _check_places(document: Document) -> None:
    """Refuse a node that stands in two racks, naming the lines of both (the model knows no lines)."""
    rows = document.data.get("rows") if isinstance(document.data, dict) else None
    seen: dict[str, tuple[int, str]] = {}
    for row, racks in rows.items() if isinstance(rows, dict) else ():
        for rack, nodes in racks.items() if isinstance(racks, dict) else ():
            line = document.line_of(("rows", row, rack))
            for node in _names(nodes):
                place = f"row {row}, rack {rack}"
                if node in seen:
                    first_line, first = seen[node]
                    raise KubedebError(
                        f"{document.path}:{line}: node {node} stands in two places: {first} and {place}",
                        details=f"It stands in line {first_line} already.",
                        hint="A row fails as one, so each node has exactly one place: keep the right one.",
                        code=ExitCode.CLUSTER,
                    )
                seen[node] = line, place


def _names(nodes: object) -> list[str]:
    """Expand a node set; one that cannot be read is left for the model to refuse."""
    texts = nodes if isinstance(nodes, list) else [nodes]
    try:
        return [name for text in texts if isinstance(text, str) for name in expand(str(text))]
    except ValueError:
        return []
