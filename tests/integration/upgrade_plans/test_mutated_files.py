"""Cluster, fleet, facts and inventory files with anything wrong in them: read or refused, never a bug."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.knowledge import load
from kubedeb.versions import Version
from mutants_of import mutants
from upgrade_plans import clusterfile, factsfile, fleetfile
from upgrade_plans.clusterimport import Wanted, cluster_of
from upgrade_plans.inventory import read
from upgrade_plans.models.alike import classes
from upgrade_plans.planner.detect import detect

CASES = Path(__file__).parents[2] / "cases"
TARGET = {"kubernetes": Version(1, 10, 13), "etcd": Version(3, 1, 12), "calico": Version(3, 1, 7), "helm": Version(2, 9, 1)}
VALUES = (
    None,
    True,
    -1,
    10**30,
    1.5,
    "",
    "x",
    "-x",
    "9.9.9",
    "v1",
    "*",
    "[1-",
    "w[1-3],w2",
    "\ud800",
    [],
    {},
    ["x"],
    {"x": {}},
)


def shaken(tree: Any, number: int, seed: int) -> Iterator[Any]:
    """Yield a tree with one to three values exchanged, dropped or doubled, `number` times."""
    for index in range(number):
        chance = random.Random(seed * 100_000 + index)  # noqa: S311 - tests, not secrets
        copy = json.loads(json.dumps(tree))
        for _ in range(chance.randint(1, 3)):
            shake(copy, chance)
        yield copy


def shake(tree: Any, chance: random.Random) -> None:
    here = tree
    while isinstance(here, dict | list) and here:
        key = chance.choice(list(here)) if isinstance(here, dict) else chance.randrange(len(here))
        if not isinstance(here[key], dict | list) or not here[key] or chance.random() < 0.15:
            kind = chance.randrange(4)
            if kind == 0:
                del here[key]
            elif kind == 1 and isinstance(here, dict):
                here[chance.choice(["x", "-x", "w[1-3]", "nodes", str(key) + "x"])] = here.pop(key)
            else:
                here[key] = chance.choice(VALUES)
            return
        here = here[key]


def judged(act: Any, code: ExitCode) -> bool:
    """Say whether an input was taken; it is refused with its documented exit code and a sentence, or taken."""
    error: KubedebError | None = None
    try:
        act()
    except KubedebError as caught:
        error = caught
    assert error is None or (error.code is code and error.brief), error
    return error is None


def test_cluster_files(tmp_path: Path) -> None:
    original = (CASES / "clusters/dc-a.yaml").read_bytes()
    path = tmp_path / "cluster.yaml"
    taken = 0
    for mutant in mutants(original, 1500, seed=71):
        path.write_bytes(mutant)

        def act() -> None:
            cluster = clusterfile.load(path)
            assert sum(kind.count for kind in classes(cluster)) == len(cluster.nodes)

        taken += judged(act, ExitCode.CLUSTER)
    assert 50 < taken < 1450


def test_facts(tmp_path: Path) -> None:
    knowledge = load()
    path = tmp_path / "facts.json"
    taken = 0
    for name, number in (("staging", 1200), ("modern", 300)):
        tree = json.loads((CASES / f"clusters/{name}.facts.json").read_text())
        for mutant in shaken(tree, number, seed=72):
            path.write_text(json.dumps(mutant))

            def act() -> None:
                detect(factsfile.load(path), TARGET, knowledge)

            taken += judged(act, ExitCode.FACTS)
    assert 100 < taken < 1400


def test_facts_with_bytes_exchanged(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    for mutant in mutants((CASES / "clusters/staging.facts.json").read_bytes(), 300, seed=73):
        path.write_bytes(mutant)
        judged(lambda: factsfile.load(path), ExitCode.FACTS)


def test_fleets(tmp_path: Path) -> None:
    text = (CASES / "fleets/two-dc.yaml").read_text().replace("../clusters", str(CASES / "clusters"))
    path = tmp_path / "fleet.yaml"
    for mutant in mutants(text.encode(), 400, seed=74):
        path.write_bytes(mutant)
        judged(lambda: fleetfile.load(path), ExitCode.CLUSTER)


@pytest.mark.parametrize("form", ["ini", "yaml", "json"])
def test_inventories(form: str) -> None:
    texts = {
        "ini": "[etcd]\ne[1:3] rack=x\n[kube_control_plane]\nm1 ansible_host=10.0.0.1\n[kube_node:children]\na\n"
        "[a]\nw[1:3] a='b c'\n",
        "yaml": "all:\n  hosts: {w1: {row: a, taints: 'a=b:NoSchedule'}}\n  children:\n    etcd: {hosts: {'e[1:3]': {}}}\n",
        "json": json.dumps({"items": [{"metadata": {"name": "m1", "labels": {"node-role.kubernetes.io/master": ""}},
                                       "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}}]}),
    }  # fmt: skip
    for mutant in mutants(texts[form].encode(), 500, seed=75):
        text = mutant.decode(errors="replace")
        path = Path(f"hosts.{form}")
        judged(lambda text=text, path=path: cluster_of(read(text, path), Wanted("c"), path), ExitCode.CLUSTER)
