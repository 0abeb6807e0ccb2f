"""The cluster file whole: places, classes of nodes that are alike, limits, and what is refused with its line."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from kubedeb.cli import run
from kubedeb.errors import ExitCode, KubedebError
from upgrade_plans import clusterfile, factsfile, factspage, fleetfile, planfile, upgradefile
from upgrade_plans.canonical import digest
from upgrade_plans.models.alike import classes, traits
from upgrade_plans.models.words import nodes_of, seconds

ROOT = Path(__file__).parents[3]
CLUSTER = """\
name: shop
transport: {kind: ssh}
dc: berlin
roles:
  etcd: e[1-3]
  apiserver: m[1-2]
  worker: w[01-12]
rows:
  a: {a1: "e1,m1,w[01-03]", a2: "w[04-06]"}
  b: {b1: "e2,m2,w[07-09]"}
  c: {c1: "e3,w[10-12]"}
hardware: {big: "w[01-02]"}
architectures: {arm64: w12}
taint_groups:
  ingress: {nodes: "w[03,09]", taints: ["dedicated=ingress:NoSchedule"]}
balancers:
  api: {kind: pybal, version: "1.13", nodes: "m[1-2]", address: 10.0.0.1, port: 6443, depool_threshold: "0.5"}
constraints:
  unavailable: {total: 25%, row: 1, rows: {a: 2}, taint_groups: {ingress: 1}}
  windows: [{days: [mon, tue], from: "08:00", until: "17:00", zone: Europe/Berlin}]
  soak: {canary: 1h}
  approvals: [canary, outage]
  frozen: [{nodes: w11, reason: waits for a disk}]
configuration: {manager: puppet, every: 30m, owns: [/etc/default]}
hooks: [{at: before-node, on: node, run: [logger, begin]}]
kubernetes: {kubelet_user: kubelet}
assumptions: [{key: kubernetes.kubelet_user, why: nobody looked}]
"""


def written(folder: Path, text: str = CLUSTER) -> Path:
    path = folder / "cluster.yaml"
    path.write_text(text)
    return path


def test_nodes_that_are_alike_are_one_class(tmp_path: Path) -> None:
    cluster = clusterfile.load(written(tmp_path))
    workers = {kind.folded: kind for kind in classes(cluster) if "worker" in kind.traits.roles}
    assert sorted(workers) == ["w03", "w09", "w10", "w11", "w12", "w[01-02]", "w[04-06]", "w[07-08]"]
    assert workers["w[01-02]"].count == 2
    assert workers["w[01-02]"].traits.hardware == "big"
    assert workers["w12"].traits.architecture == "arm64"
    assert workers["w11"].traits.frozen == ("*",)
    assert workers["w09"].traits.taint_group == "ingress"
    assert sum(kind.count for kind in classes(cluster)) == len(cluster.nodes) == 17
    assert traits(cluster)["e3"].dc == "berlin"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("  worker:", "  wroker:", 7, "did you mean 'worker'?"),
        ("hardware:", "hardwear:", 12, "unknown key 'hardwear': did you mean 'hardware'?"),
        ("kind: pybal", "kind: pibal", 17, "did you mean 'pybal'?"),
        ("taints: [\"dedicated=ingress:NoSchedule\"]", "taints: [\"dedicated=ingress\"]", 15, "is not a taint"),
        ("version: \"1.13\"", "version: 1.13", 17, "write \"1.13\" in quotes"),
        ("depool_threshold: \"0.5\"", "depool_threshold: \"1.5\"", 17, "is not a fraction"),
        ("total: 25%", "total: 250%", 19, "is not a share"),
        ("rows: {a: 2}", "rows: {x: 2}", 19, "constraints.unavailable.rows names x"),
        ("Europe/Berlin", "Europe/Berlim", 20, "is no time zone; did you mean 'Europe/Berlin'?"),
        ("from: \"08:00\"", "from: \"18:00\"", 20, "is empty; write one over midnight as two"),
        ("days: [mon", "days: [mo", 20, "did you mean 'mon'?"),
        ("canary: 1h", "canary: 1 h", 21, "is not a duration"),
        ("nodes: w11, reason", "nodes: w99, reason", 23, "no role for w99 (named in constraints.frozen)"),
        ("reason: waits for a disk", "reason: ''", 23, "say why"),
        ("at: before-node", "at: before-run", 25, "is about no node"),
        ("key: kubernetes.kubelet_user", "key: kubernetes.kublet_user", 27, "there is no key kubernetes.kublet_user"),
        ("arm64: w12", "arm64: w12, armhf: w12", 13, "architectures: w12 in arm64 and in armhf"),
    ],
)  # fmt: skip
def test_refuses_with_the_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert old in CLUSTER
    path = written(tmp_path, CLUSTER.replace(old, new, 1))
    with pytest.raises(KubedebError) as caught:
        clusterfile.load(path)
    assert caught.value.code is ExitCode.CLUSTER
    assert f"{path}:{line}:" in caught.value.render()
    assert says in caught.value.render()


def test_shows_each_class_once_and_marks_what_is_assumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    assert run(["cluster", "show", str(path)]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert "w[04-06]" in shown
    assert "w05" not in shown
    assert "ASSUMED: kubernetes.kubelet_user: nobody looked" in shown
    assert run(["cluster", "show", str(path), "--nodes"]) == ExitCode.DONE
    assert "w05" in capsys.readouterr().out
    assert run(["cluster", "show", str(path), "--json"]) == ExitCode.DONE
    assert {kind["count"] for kind in json.loads(capsys.readouterr().out)["classes"]} == {1, 2, 3}


def test_the_digest_does_not_depend_on_what_is_left_out(tmp_path: Path) -> None:
    first = digest(clusterfile.load(written(tmp_path)))
    assert digest(clusterfile.load(written(tmp_path, CLUSTER + "architecture: amd64\n"))) == first
    assert digest(clusterfile.load(written(tmp_path, CLUSTER + "architecture: arm64\n"))) != first


@pytest.mark.parametrize(("share", "total", "nodes"), [("3", 40, 3), ("10%", 40, 4), ("1%", 40, 1), ("0", 40, 0)])
def test_a_share_is_a_number_of_nodes(share: str, total: int, nodes: int) -> None:
    assert nodes_of(share, total) == nodes


def test_durations() -> None:
    assert [seconds(text) for text in ("90s", "10m", "24h", "7d")] == [90, 600, 86_400, 604_800]


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("cluster", clusterfile.schema),
        ("facts", factsfile.schema),
        ("fleet", fleetfile.schema),
        ("plan", planfile.schema),
        ("upgrade", upgradefile.schema),
    ],
)
def test_the_kept_schema_is_the_model_s(name: str, made: object) -> None:
    assert callable(made)
    kept = json.loads((ROOT / f"docs/{name}.schema.json").read_text())
    assert kept == made(), f"docs/{name}.schema.json: run script/docs"


def test_every_field_of_the_facts_says_what_it_is_and_how_it_is_read() -> None:
    listed = dict(factspage.fields())
    assert len(listed) > 100
    silent = [name for name, about in listed.items() if not about.get("description") or not about.get("read")]
    assert silent == []
    assert (ROOT / "docs/facts.md").read_text() == factspage.page(), "run script/docs"


def test_many_nodes_load_in_seconds(tmp_path: Path) -> None:
    rows = "\n".join(f'  r{row:02}: {{k: "w[{row * 500:05}-{row * 500 + 499:05}]"}}' for row in range(20))
    path = written(
        tmp_path, 'name: big\ntransport: {kind: ssh}\nroles: {worker: "w[00000-09999]", etcd: "w[00000-00002]"}\nrows:\n' + rows
    )
    begun = time.process_time()
    assert len(classes(clusterfile.load(path))) == 21
    assert time.process_time() - begun < 3
