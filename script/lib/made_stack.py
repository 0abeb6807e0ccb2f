"""A whole stack of any size, made by rule and seed: cluster and facts in the shape of the reference case."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from upgrade_plans import clusterfile, factsfile
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.facts import Facts
from upgrade_plans.models.nodesets import fold

CASES = Path(__file__).parents[2] / "tests/cases/clusters"
ROWS, RACKS, CLASSES, SERVICES, BUDGETS, PODS = 40, 8, 12, 2_000, 500, 30
Tree = dict[str, Any]


def make(workers: int, *, seed: int = 7, classes: int = CLASSES) -> tuple[Facts, Cluster]:
    """Return facts and cluster of so many workers in 40 rows of 8 racks, of 12 hardware classes, 30 pods on each.

    With as many `classes` as workers no two of them are alike: each has an entry of its own in the facts.
    """
    rng = Random(seed)  # noqa: S311 - made data
    names = [f"w{number:06}" for number in range(1, workers + 1)]
    hardware = {name: f"h{number % classes:02}" for number, name in enumerate(names)}
    return Facts.model_validate(_facts(names, hardware, rng)), Cluster.model_validate(_cluster(names, hardware))


def _cluster(names: list[str], hardware: dict[str, str]) -> Tree:
    base = clusterfile.load(CASES / "dc-a.yaml")
    tree: Tree = base.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    hosts = [node for node in base.nodes if node not in base.roles["worker"]]  # type: ignore[index]
    rows: Tree = {}
    for number, name in enumerate(names):
        row = f"r{number % ROWS:02}"
        rows.setdefault(row, {}).setdefault(f"{row}-{number // ROWS % RACKS}", []).append(name)
    for number, host in enumerate(hosts):
        row = f"r{number % min(ROWS, len(names)):02}"
        rows[row].setdefault(f"{row}-0", []).append(host)
    classes: Tree = {}
    for name, kind in hardware.items():
        classes.setdefault(kind, []).append(name)
    tree["roles"]["worker"] = names
    tree |= {"name": "made", "rows": rows, "hardware": classes, "taint_groups": {}, "assumptions": []}
    tree["balancers"].pop("ingress")
    tree["constraints"]["unavailable"] = {"total": "10%", "row": "10%"}
    return tree


def _facts(names: list[str], hardware: dict[str, str], rng: Random) -> Tree:
    base: Tree = json.loads((CASES / "dc-a.facts.json").read_bytes())
    worker = base["nodes"]["a-w[02-08,12-18,22-28,32-38]"]
    nodes = {key: node for key, node in base["nodes"].items() if not key.startswith("a-w")}
    kinds: dict[str, list[str]] = {}
    for name, kind in hardware.items():
        kinds.setdefault(kind, []).append(name)
    for kind, mine in sorted(kinds.items()):
        number = int(kind[1:])
        cores = 32_000 + 2_000 * (number % CLASSES) + number // CLASSES
        nodes[fold(mine)] = worker | {"capacity": {"cpu": cores, "memory": 1 << 37, "pods": 110}}
    base["kubernetes"]["workloads"] = list(_workloads(names, rng))
    base["kubernetes"]["budgets"] = [
        {"namespace": f"s{number:04}", "name": "app", "workloads": ["app"], "max_unavailable": "25%"}
        for number in range(min(BUDGETS, _services(names)))
    ]
    base["calico"]["nodes"] = []
    return base | {"cluster": "made", "nodes": nodes}


def _services(names: list[str]) -> int:
    """Return how many workloads there are: fewer where there are not as many pods."""
    return min(SERVICES, len(names) * PODS)


def _workloads(names: list[str], rng: Random) -> Iterator[Tree]:
    replicas = max(1, len(names) * PODS // SERVICES)
    for number in range(_services(names)):
        where = rng.sample(names, min(replicas, len(names)))
        yield {"namespace": f"s{number:04}", "name": "app", "kind": "Deployment", "replicas": replicas, "cpu": 500,
               "memory": 1 << 28, "service": f"s{number:04}", "pods": [{"nodes": fold(where)}]}  # fmt: skip


def write(folder: Path, workers: int, *, classes: int = CLASSES) -> tuple[Path, Path]:
    """Write both files; returns the cluster's and the facts'."""
    facts, cluster = make(workers, classes=classes)
    factsfile.save(folder / "made.facts.json", facts)
    (folder / "made.yaml").write_text(clusterfile.text_of(cluster))
    return folder / "made.yaml", folder / "made.facts.json"
