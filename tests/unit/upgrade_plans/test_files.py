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
from kubedeb.knowledge import load as load_knowledge
from upgrade_plans import clusterfile, factsfile, planfile
from upgrade_plans.canonical import digest, text_of
from upgrade_plans.models.facts import Facts
from upgrade_plans.models.plan import Plan
from upgrade_plans.planner import make_plan

BASH = {"version": "5.2.15-2", "sha256": "b" * 64}

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
        ("    c1: etcd3", "    c1: etcd4", 4, ["no row for etcd3"]),
        ("etcd[1-3]", "etcd[1-2]", 5, ["no role for etcd3"]),
        ("etcd[1-3]", "etcd[1-", 4, ["not a node set"]),
        ("  a:\n", "  b:\n", 8, ["key 'b' is there twice"]),
        ("  etcd:", "  worker:", 3, ["roles names no etcd nodes"]),
        ("  etcd:", "  etc:", 4, ["did you mean 'etcd'?"]),
        ("transport:", "transprt:", 2, ["unknown key 'transprt': did you mean 'transport'?"]),
        ("kind: docker", "kind: podman", 2, ["docker"]),
        ("name: test", "name: Test!", 1, ["'Test!' is not a name"]),
        ("etcd[1-3]", '"*"', 4, ["names a group, which differs from machine to machine"]),
        ("etcd[1-3]", '"@all"', 4, ["names a group"]),
        ("etcd[1-3]", "etcd[1-999999999]", 4, ["too large: a node set holds at most 200000 nodes"]),
        ("etcd[1-3]", "e[1-4096]t[1-4096]", 4, ["too large"]),
        ("etcd[1-3]", "etcd[1-99999999999999999999]", 4, ["too large"]),
        ("    c1: etcd3", '    c1: "@all"', 11, ["names a group"]),
        ("    c1: etcd3", "    c1: etcd[1-999999999]", 11, ["too large"]),
        ("etcd[1-3]", "-rm", 4, ["'-rm' is not a node's name"]),
        ("etcd[1-3]", "a/../b", 4, ["is not a node's name"]),
        ("{kind: docker}", '{kind: docker, container: "--privileged"}', 2, ["'--privileged' holds what cannot stand there"]),
        ("{kind: docker}", '{kind: docker, container: "{node.__class__}"}', 2, ["only {node} may stand in braces"]),
        ("{kind: docker}", '{kind: docker, container: "{node:>9999999999}"}', 2, ["only {node} may stand in braces"]),
        ("{kind: docker}", "{kind: docker}\netcd: {unit: --now}", 3, ["'--now' is not a unit's name"]),
        ("{kind: docker}", "{kind: docker}\netcd: {data_dir: /var/../etc}", 3, ["is not an absolute path"]),
        ("{kind: docker}", "{kind: docker}\netcd: {backups: var}", 3, ["'var' is not an absolute path"]),
        ("{kind: docker}", "{kind: docker}\netcd: {backups: '/b; rm -r /'}", 3, ["is not an absolute path"]),
        ("{kind: docker}", "{kind: docker}\naddresses: {etcd1: '-x'}", 3, ["'-x' is not an address"]),
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


def test_facts_of_the_first_format_are_read(tmp_path: Path) -> None:
    path, tree = tmp_path / "facts.json", etcdcases.facts().model_dump(mode="json", exclude_defaults=True)
    path.write_text(json.dumps({**tree, "format": 1}))
    read = factsfile.load(path)
    assert read.format == 1
    assert read.etcd == etcdcases.facts().etcd
    assert read.of("etcd1").packages == etcdcases.facts().of("etcd1").packages


def test_nodes_that_answer_alike_stand_there_once(tmp_path: Path) -> None:
    path, tree = tmp_path / "facts.json", etcdcases.facts().model_dump(mode="json", exclude_defaults=True)
    tree["nodes"] = {"etcd[1-3]": {"packages": tree["nodes"]["etcd1"]["packages"]}}
    path.write_text(json.dumps(tree))
    assert factsfile.load(path).of("etcd2").packages["etcd-server"].installed == "3.3.25-1~deb12u1"


def test_facts_read_back_as_they_were_written(tmp_path: Path) -> None:
    path, facts = tmp_path / "facts.json", etcdcases.facts()
    factsfile.save(path, facts)
    assert factsfile.load(path) == facts
    assert digest(factsfile.load(path)) == digest(facts)


def server(tree: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = tree["nodes"]["etcd1"]["packages"]["etcd-server"]
    return found


def remove_node(tree: dict[str, Any]) -> None:
    del tree["nodes"]["etcd2"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda tree: tree.update(format=3), "facts format 3 is not known here (known: 1, 2)"),
        (lambda tree: tree.update(nods={}), "unknown key: did you mean 'nodes'?"),
        (lambda tree: tree.pop("cluster"), "cluster is missing"),
        (lambda tree: tree["etcd"][1].update(raft_index="high"), "etcd.1.raft_index (in etcd2)"),
        (lambda tree: tree["etcd"].append(tree["etcd"][0]), "an etcd member is there twice"),
        (lambda tree: tree["etcd"][1].update(running="-x"), "etcd.1.running (in etcd2): '-x' is not a version"),
        (lambda tree: tree["etcd"][1].update(member_id="--force"), "'--force' is not an id"),
        (lambda tree: tree["nodes"].update({"../x": tree["nodes"]["etcd1"]}), "'../x' is not a node set"),
        (lambda tree: tree["nodes"].update({"etcd[1-2]": tree["nodes"]["etcd1"]}), "a node stands in two node sets"),
        (lambda tree: tree["nodes"].update({"x[1-999999]": tree["nodes"]["etcd1"]}), "too large"),
        (lambda tree: server(tree)["available"][0].update(version="1 --allow-unauthenticated"), "is not a Debian version"),
        (lambda tree: server(tree)["available"][0].update(sha256="../../etc/passwd"), "is not a sha256"),
        (lambda tree: server(tree).update(installed="-o"), "'-o' is not a Debian version"),
        (
            lambda tree: tree["nodes"]["etcd1"]["packages"].update({"--purge": server(tree)}),
            "'--purge' is not a package's name",
        ),
        (lambda tree: tree.update(cluster="a/b"), "'a/b' is not a name"),
        (lambda tree: tree.update(read_at="\ud800"), "holds half of a surrogate pair"),
        (lambda tree: tree.update(read_at="yesterday"), "'yesterday' is no date"),
        (lambda tree: tree["nodes"]["etcd1"].update(certificates=[{"path": "/c", "not_after": "Jan  1 2030"}]), "is no date"),
        (
            lambda tree: tree.update(kubernetes={"budgets": [{"namespace": "s", "name": "b", "min_available": "most"}]}),
            "'most' is not a share",
        ),
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


def change(tree: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = tree["phases"][1]["steps"][-2]
    return found


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda tree: change(tree).update(id="../../etc/cron.d/x"), "'../../etc/cron.d/x' is not an id"),
        (lambda tree: change(tree).update(id="x" * 200), "at most 128 characters"),
        (lambda tree: change(tree).update(id="a\n"), "is not an id"),
        (lambda tree: change(tree).update(nodes=["-it"]), "'-it' is not a node's name"),
        (lambda tree: change(tree).update(to="3.4.23 --now"), "'3.4.23 --now' is not a version"),
        (lambda tree: change(tree).update(max_backup_age=0), "phases.1.steps.4.max_backup_age (in 3.4-change-etcd1)"),
        (lambda tree: change(tree).update(max_backup_age=86_401), "less than or equal to 86400"),
        (lambda tree: change(tree).update(duration={"p50": float("nan"), "p95": 1}), "duration.p50"),
        (lambda tree: tree["releases"]["3.4.23"]["packages"].update({"-o": BASH}), "'-o' is not a package's name"),
        (lambda tree: tree["releases"]["3.4.23"]["packages"].update(bash={**BASH, "version": "5.2 -t sid"}),
         "'5.2 -t sid' is not a Debian version (expected: [epoch:]upstream[-revision]"),
        (lambda tree: tree["releases"]["3.4.23"]["packages"].update(bash={**BASH, "sha256": "../x"}), "'../x' is not a sha256"),
        (lambda tree: tree.update(cluster="a/.."), "'a/..' is not a name"),
        (lambda tree: tree.update(cluster_id="../x"), "'../x' is not an id"),
        (lambda tree: tree["members"][0].update(member_id="--x"), "'--x' is not an id"),
        (lambda tree: change(tree).update(reason="\ud800"), "holds half of a surrogate pair"),
    ],
)  # fmt: skip
def test_refuses_what_cannot_be_a_word_or_a_file_name(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], object], says: str
) -> None:
    made = make_plan(etcdcases.facts(), etcdcases.cluster(), {"etcd": "3.4.23"}, load_knowledge())
    assert isinstance(made, Plan)
    tree = made.model_dump(mode="json", by_alias=True)
    spoil(tree)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(tree))
    with pytest.raises(KubedebError) as caught:
        planfile.load(path)
    assert caught.value.code is ExitCode.PLAN
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
