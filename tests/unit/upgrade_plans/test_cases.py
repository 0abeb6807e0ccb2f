"""The reference case, its variations and a modern cluster: files that load, agree, and find what they should."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import referencecase
from changes import change, plain
from kubedeb.cli import run
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.knowledge import load
from kubedeb.yamlfile import load as load_yaml
from upgrade_plans import clusterfile, factsfile, fleetfile
from upgrade_plans.canonical import text_of
from upgrade_plans.commands.targets import pair
from upgrade_plans.models.cluster import Role
from upgrade_plans.models.facts import Facts
from upgrade_plans.planner.detect import detect

CASES = referencecase.CASES
NAMES = tuple(referencecase.MAKERS)
VARIATIONS = load_yaml(CASES / "variations.yaml", code=ExitCode.BUG).data["variations"]


@cache
def facts(name: str) -> Facts:
    return factsfile.load(CASES / f"clusters/{name}.facts.json")


@pytest.mark.parametrize("name", NAMES)
def test_the_facts_are_those_that_are_made_and_fit_the_cluster_file(name: str) -> None:
    cluster, made = referencecase.made(name)
    assert (CASES / f"clusters/{name}.facts.json").read_text() == text_of(made), "python tests/support/referencecase.py"
    factsfile.check_same(facts(name), cluster)
    assert set(facts(name).sets) == set(cluster.nodes)


@pytest.mark.parametrize("name", ["dc-a", "dc-b"])
def test_a_data_centre_is_as_described(name: str) -> None:
    cluster = clusterfile.load(CASES / f"clusters/{name}.yaml")
    workers = set(cluster.roles[Role.WORKER])
    by_row = {row: sum(len(workers & set(nodes)) for nodes in racks.values()) for row, racks in cluster.rows.items()}
    assert by_row == {"r1": 10, "r2": 10, "r3": 10, "r4": 10}
    assert all(len(racks) == 8 for racks in cluster.rows.values())
    assert len(cluster.roles[Role.APISERVER]) == 2
    assert len(cluster.members) == 3
    assert {cluster.place(node)[0] for node in cluster.members} == {"r1", "r2", "r3"}
    assert {one.key for one in cluster.assumptions} >= {"kubernetes.kubelet_user", "kubernetes.clients_tolerate_dead_apiserver"}
    read = facts(name)
    assert {member.running for member in read.etcd} == {"2.2.1"}
    assert read.kubernetes is not None
    assert {tiller.version for tiller in read.kubernetes.tillers} == {"2.7.2"}
    worker = read.of(sorted(workers)[0])
    assert worker.runtime is not None
    assert (worker.runtime.version, worker.daemons["calico-node"].running is not None) == ("1.12.6", True)


def test_the_fleet_goes_staging_first() -> None:
    read = fleetfile.load(CASES / "fleets/two-dc.yaml")
    assert list(read.clusters) == ["staging", "dc-a", "dc-b"]
    assert run(["fleet", "lint", str(CASES / "fleets/two-dc.yaml")]) == ExitCode.DONE


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("stage: staging", "stage: stagin", "did you mean 'staging'?"),
        ("stage: staging", "stage: production", ""),
        ("name: two-dc", "nam: two-dc", "did you mean 'name'?"),
        ("  dc-a: {file: ../clusters/dc-a", "  dc-x: {file: ../clusters/dc-a", "is of the cluster dc-a, not of dc-x"),
        ("clusters/dc-b.yaml", "clusters/dc-a.yaml", "is there twice"),
        ("soak: 24h", "soak: long", "is not a duration"),
    ],
)
def test_refuses_a_bad_fleet(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = (CASES / "fleets/two-dc.yaml").read_text()
    assert old in text
    path = tmp_path / "fleet.yaml"
    path.write_text(text.replace(old, new, 1).replace("../clusters", str(CASES / "clusters")))
    if not says:
        fleetfile.load(path)
        return
    with pytest.raises(KubedebError) as caught:
        fleetfile.load(path)
    assert caught.value.code is ExitCode.CLUSTER
    assert says in caught.value.render()
    assert f"{path}:" in caught.value.render()


def test_a_staging_cluster_after_production_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text("name: f\nclusters:\n  a: {file: a.yaml, stage: production}\n  b: {file: b.yaml, stage: staging}\n")
    with pytest.raises(KubedebError, match="the staging cluster b comes after the production cluster a"):
        fleetfile.load(path)


def found(read: Facts, to: list[str]) -> set[str]:
    return {seen.rule.id for seen in detect(read, dict(map(pair, to)), load()).seen}


@pytest.mark.parametrize("case", VARIATIONS, ids=lambda case: str(case["name"]))
def test_a_variation_changes_what_it_is_about_and_nothing_else(case: dict[str, Any]) -> None:
    base = facts(case["base"])
    tree = base.model_dump(mode="json", exclude_defaults=True)
    for path, value in case.get("set", ()):
        assert change(tree, path, plain(value))
    for path in case.get("drop", ()):
        assert change(tree, path, None)
    before = found(base, list(case["to"])) if "set" in case or "drop" in case else found(base, [])
    after = found(Facts.model_validate(tree), list(case["to"]))
    appear, disappear = set(case.get("appear", ())), set(case.get("disappear", ()))
    assert before - after == disappear
    assert after - before == appear if "set" in case or "drop" in case else appear <= after - before


def test_a_new_component_is_a_file() -> None:
    root = CASES.parents[1]
    code = [
        path
        for room in ("kubedeb/knowledge", "upgrade_plans/planner", "upgrade_plans/prover")
        for path in (root / room).rglob("*.py")
    ]
    assert len(code) > 20
    assert [path for path in code if re.search(r"containerd|coredns", path.read_text(), re.I)] == []
    known = {rule.component for rule in load().rules}
    assert {"containerd", "coredns"} <= known
    read = facts("modern")
    assert "containerd-2.0-configuration" in found(read, ["containerd=2.0.4"])
    tree = read.model_dump(mode="json", exclude_defaults=True)
    corefile = {"/etc/coredns/Corefile": {"fields": {"proxy": "."}}}
    tree["nodes"]["cp1"]["daemons"]["coredns"] = {"running": {"version": "1.4.0", "files": corefile}}
    assert found(Facts.model_validate(tree), ["coredns=1.6.7"]) - found(read, []) == {"coredns-1.5-proxy"}


def test_says_the_findings_of_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(CASES / "clusters/dc-a.facts.json")
    assert run(["cluster", "findings", path, "--to", "kubernetes=1.10.13", "--severity", "forbid"]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert "forbid kubelet-1.8-api-servers" in shown
    assert "seen: a-w[01-40]" in shown
    assert "warn " not in shown
    assert run(["cluster", "findings", path, "--to", "kubernetes"]) == ExitCode.USAGE
    assert run(["rules", "show", "kubelet-1.8-api-servers"]) == ExitCode.DONE
    assert "when:       daemon.arguments[--api-servers] is there" in capsys.readouterr().out
