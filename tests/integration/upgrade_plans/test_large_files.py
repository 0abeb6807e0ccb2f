"""100,000 nodes: the cluster file loads in seconds, facts are read and checked at 20 MB/s at least."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

from upgrade_plans import clusterfile, factsfile
from upgrade_plans.models.alike import classes
from upgrade_plans.models.nodesets import fold

NODES = 100_000
ROWS = 40
MB = 1_000_000


def name(number: int) -> str:
    return f"w{number:05}"


def node_set(numbers: list[int]) -> str:
    """Return sorted numbers as a folded node set, gaps and all."""
    parts, first = [], 0
    for index, number in enumerate(numbers):
        if index + 1 == len(numbers) or numbers[index + 1] != number + 1:
            low = numbers[first]
            parts.append(f"{low:05}" if low == number else f"{low:05}-{number:05}")
            first = index + 1
    return f"w[{','.join(parts)}]"


def test_folds_as_clustershell_does() -> None:
    numbers = [1, 2, 3, 7, 9, 10]
    assert node_set(numbers) == fold(map(name, numbers))


def test_a_cluster_file_of_many_nodes_loads_in_seconds(tmp_path: Path) -> None:
    chance = random.Random(1)  # noqa: S311 - tests, not secrets
    hardware: dict[int, list[int]] = {}
    for number in range(NODES):
        hardware.setdefault(chance.randrange(12), []).append(number)
    each = NODES // ROWS
    lines = [
        "name: big",
        "transport: {kind: ssh}",
        f'roles: {{worker: "{node_set(list(range(NODES)))}", etcd: "e[1-3]"}}',
        "rows:",
    ]
    lines += ['  e: {e: "e[1-3]"}']
    lines += [f'  r{row:02}: {{k: "{node_set(list(range(row * each, (row + 1) * each)))}"}}' for row in range(ROWS)]
    lines += ["hardware:", *(f'  h{kind}: "{node_set(numbers)}"' for kind, numbers in hardware.items())]
    path = tmp_path / "cluster.yaml"
    path.write_text("\n".join(lines) + "\n")
    begun = time.process_time()
    cluster = clusterfile.load(path)
    found = classes(cluster)
    assert time.process_time() - begun < 10
    assert len(found) == ROWS * 12 + 1
    assert sum(kind.count for kind in found) == NODES + 3


def test_facts_are_read_at_twenty_megabytes_a_second(tmp_path: Path) -> None:
    chance = random.Random(2)  # noqa: S311 - tests, not secrets
    workloads = [
        {"namespace": f"n{number % 300}", "name": f"w{number}", "kind": "Deployment", "replicas": 1500,
         "pods": [{"nodes": node_set(sorted(chance.sample(range(NODES), 1500)))}]}
        for number in range(2000)
    ]  # fmt: skip
    tree = {"cluster": "big", "read_at": "2026-01-01", "nodes": {node_set(list(range(NODES))): {}, "e[1-3]": {}}, "etcd": [],
            "kubernetes": {"workloads": workloads}}  # fmt: skip
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(tree))
    assert len(factsfile.load(path).sets) == NODES + 3  # the first time builds the validators of the models too
    assert path.stat().st_size / MB / min(seconds(path) for _ in range(5)) >= 20


def seconds(path: Path) -> float:
    """Return how much of the processor's time it takes to read a facts file once."""
    begun = time.process_time()
    factsfile.load(path)
    return time.process_time() - begun
