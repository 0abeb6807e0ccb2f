"""Cluster, facts and plan files: what is wrong, where, and the documented exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import etcdcases
from kubedeb.errors import ExitCode, KubedebError
from upgrade_plans import clusterfile, factsfile, planfile
from upgrade_plans.canonical import digest, text_of
from upgrade_plans.models.facts import Facts

CLUSTER = """\
name: test
transport: {kind: docker}
roles:
  etcd: etcd[1-3]
rows:
  a:
    a1: etcd1
  b:
    b1: etcd2
  c:
    c1: etcd3
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "cluster.yaml"
    path.write_text(text)
    return path


def test_reads_a_cluster_file(tmp_path: Path) -> None:
    assert clusterfile.load(written(tmp_path, CLUSTER)) == etcdcases.cluster()


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("b1: etcd2", "b1: etcd[1-2]", 9, ["node etcd1 stands in two places: row a, rack a1 and row b, rack b1", "line 7"]),
        ("    b1: etcd2", "    b1: etcd2\n    b2: etcd2", 10, ["node etcd2 stands in two places"]),
        ("    c1: etcd3", "    c1: etcd4", 1, ["no row for etcd3"]),
        ("etcd[1-3]", "etcd[1-2]", 1, ["no role for etcd3"]),
        ("etcd[1-3]", "etcd[1-", 4, ["not a node set"]),
        ("  a:\n", "  b:\n", 8, ["key 'b' is there twice"]),
        ("  etcd:", "  etc:", 1, ["roles names no etcd nodes"]),
        ("transport:", "transprt:", 2, ["unknown key 'transprt': did you mean 'transport'?"]),
        ("kind: docker", "kind: podman", 2, ["docker"]),
        ("name: test", "name: Test!", 1, ["pattern"]),
        ("name: test", "name: [", 3, ["not valid YAML"]),
    ],
)
def test_refuses_a_bad_cluster_file(tmp_path: Path, old: str, new: str, line: int, says: list[str]) -> None:
    assert old in CLUSTER
    path = written(tmp_path, CLUSTER.replace(old, new, 1))
    with pytest.raises(KubedebError) as caught:
        clusterfile.load(path)
    assert caught.value.code is ExitCode.CLUSTER
    assert f"{path}:{line}:" in caught.value.render()
    for wanted in says:
        assert wanted in caught.value.render()


def test_a_cluster_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KubedebError, match="cannot read"):
        clusterfile.load(tmp_path / "none.yaml")


def test_facts_read_back_as_they_were_written(tmp_path: Path) -> None:
    path, facts = tmp_path / "facts.json", etcdcases.facts()
    factsfile.save(path, facts)
    assert factsfile.load(path) == facts
    assert digest(factsfile.load(path)) == digest(facts)


def remove_node(tree: dict[str, Any]) -> None:
    del tree["nodes"]["etcd2"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda tree: tree.update(format=2), "facts format 2 is not known here (known: 1)"),
        (lambda tree: tree.update(nods={}), "unknown key: did you mean 'nodes'?"),
        (lambda tree: tree.pop("cluster"), "cluster is missing"),
        (lambda tree: tree["etcd"][1].update(raft_index="high"), "etcd.1.raft_index (in etcd2)"),
        (lambda tree: tree["etcd"].append(tree["etcd"][0]), "an etcd member is there twice"),
        (remove_node, "no node facts for the members etcd2"),
    ],
)
def test_refuses_bad_facts(tmp_path: Path, spoil: Callable[[dict[str, Any]], object], says: str) -> None:
    tree = etcdcases.facts().model_dump(mode="json")
    spoil(tree)
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(tree))
    with pytest.raises(KubedebError) as caught:
        factsfile.load(path)
    assert caught.value.code is ExitCode.FACTS
    assert says in caught.value.render()


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"{", ":1: not valid JSON"), (b"[]", "not a plan file"), (b"\xff", "not UTF-8"), (b'{"format": 1, "format": 1}', "twice"),
     (b"[" * 100_000, "not valid JSON")],
)  # fmt: skip
def test_refuses_what_is_no_plan_file(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(KubedebError) as caught:
        planfile.load(path)
    assert caught.value.code is ExitCode.PLAN
    assert says in caught.value.render()


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_give_a_plan_or_one_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "plan.json"
    path.write_bytes(content)
    with pytest.raises(KubedebError) as caught:
        planfile.load(path)
    assert caught.value.code is ExitCode.PLAN


def test_facts_of_another_cluster_file_are_refused() -> None:
    facts = etcdcases.facts()
    factsfile.check_same(facts, etcdcases.cluster())
    for other, says in (
        (etcdcases.cluster(5), "etcd4 is an etcd member in only one of them"),
        (etcdcases.cluster(3, {"etcd2": "z"}), "etcd2 stands in another row or rack"),
        (etcdcases.cluster().model_copy(update={"name": "other"}), "of the cluster test, not of other"),
    ):
        with pytest.raises(KubedebError) as caught:
            factsfile.check_same(facts, other)
        assert caught.value.code is ExitCode.FACTS
        assert says in caught.value.render()


def test_equal_facts_have_equal_bytes() -> None:
    facts = etcdcases.facts()
    turned = Facts.model_validate(dict(reversed(facts.model_dump().items())))
    assert text_of(turned) == text_of(facts)
