"""The fleet file and the cluster files that it names, read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.yamlfile import load as load_yaml
from kubedeb.yamlfile import validate
from upgrade_plans import clusterfile, jsonfile
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.fleet import Fleet


@dataclass(frozen=True)
class LoadedFleet:
    """A fleet and its clusters by name, in the order in which they are changed."""

    fleet: Fleet
    clusters: dict[str, Cluster]


def load(path: Path) -> LoadedFleet:
    """Read a fleet file and its cluster files. Raises `KubedebError` (CLUSTER) with file and line."""
    document = load_yaml(path, code=ExitCode.CLUSTER)
    fleet = validate(document, Fleet, code=ExitCode.CLUSTER)
    clusters: dict[str, Cluster] = {}
    for name, entry in fleet.clusters.items():
        clusters[name] = clusterfile.load(path.parent / entry.file)
        if clusters[name].name != name:
            line = document.line_of(("clusters", name, "file"))
            raise KubedebError(
                f"{path}:{line}: {entry.file} is of the cluster {clusters[name].name}, not of {name}",
                hint="Clusters are named in the fleet as in their own files.", code=ExitCode.CLUSTER,
            )  # fmt: skip
    return LoadedFleet(fleet, clusters)


def schema() -> dict[str, Any]:
    """Return the JSON schema of a fleet file."""
    return jsonfile.schema(Fleet, "fleet")
