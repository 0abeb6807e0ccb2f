"""Inventories of Ansible and of kubectl become cluster files; what was described comes back the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubedeb.cli import run
from kubedeb.errors import ExitCode, KubedebError
from upgrade_plans import clusterfile
from upgrade_plans.clusterimport import Wanted, cluster_of
from upgrade_plans.inventory import hosts_of, read
from upgrade_plans.models.alike import traits
from upgrade_plans.models.cluster import Cluster

CASES = Path(__file__).parents[2] / "cases/clusters"
GROUPS = {
    "etcd": "etcd",
    "apiserver": "kube_control_plane",
    "worker": "kube_node",
    "client": "bastion",
    "balancer": "loadbalancers",
}
INI = """\
# a comment
[etcd]
e[1:3] rack=x

[kube_control_plane]
m1 ansible_host=10.0.0.1   # the first
m2 ansible_host=10.0.0.2

[kube_node:children]
row_a
row_b

[row_a]
w[01:03] hardware='big one'
[row_a:vars]
row=a
[row_b]
w[04:06].shop
[row_b:vars]
row = b
[unused]
x1
"""


def variables(cluster: Cluster) -> dict[str, dict[str, str]]:
    """Return what an inventory would say of each node."""
    found = {}
    for node, here in traits(cluster).items():
        taints = ",".join(cluster.taint_groups[here.taint_group].taints) if here.taint_group else ""
        said = {"row": here.row, "rack": here.rack, "architecture": here.architecture, "hardware": here.hardware,
                "taints": taints, "ansible_host": cluster.address(node)}  # fmt: skip
        found[node] = {key: value for key, value in said.items() if value not in ("", "default", node)}
    return found


def as_ini(cluster: Cluster) -> str:
    hosts = [
        " ".join([node, *(f"{key}='{value}'" for key, value in said.items())]) for node, said in variables(cluster).items()
    ]
    groups = [f"[{GROUPS[role]}]\n" + "\n".join(nodes) for role, nodes in cluster.roles.items() if role in GROUPS]
    return "\n".join(["[all]", *hosts, *groups]) + "\n"


def as_yaml(cluster: Cluster) -> str:
    children = {GROUPS[role]: {"hosts": dict.fromkeys(nodes)} for role, nodes in cluster.roles.items() if role in GROUPS}
    return yaml.safe_dump({"all": {"hosts": variables(cluster), "children": children}})


def as_nodes(cluster: Cluster) -> str:
    """Return `kubectl get nodes -o json` of a cluster whose control plane registers too."""
    items = []
    for node, said in variables(cluster).items():
        roles = traits(cluster)[node].roles
        if not {"apiserver", "worker"} & set(roles):
            continue
        taints = []
        for one in filter(None, said.get("taints", "").split(",")):
            pair, effect = one.split(":")
            key, _, value = pair.partition("=")
            taints.append({"key": key, "value": value, "effect": effect})
        labels = {"topology.kubernetes.io/zone": said["row"], "rack": said["rack"]}
        if "hardware" in said:
            labels["hardware"] = said["hardware"]
        if "apiserver" in roles:
            labels["node-role.kubernetes.io/control-plane"] = ""
            taints.append({"key": "node-role.kubernetes.io/control-plane", "value": "", "effect": "NoSchedule"})
        items.append({
            "metadata": {"name": node, "labels": labels}, "spec": {"taints": taints},
            "status": {"nodeInfo": {"architecture": said["architecture"]},
                       "addresses": [{"type": "InternalIP", "address": said.get("ansible_host", node)}]},
        })  # fmt: skip
    return json.dumps({"kind": "List", "items": items})


def same(made: Cluster, wanted: Cluster, roles: set[str]) -> None:
    """Assert that two clusters describe the same nodes alike."""
    keep = {node for node, here in traits(wanted).items() if roles & set(here.roles)}
    ours = {node: here for node, here in traits(made).items() if node in keep}

    def about(here: Any) -> tuple[Any, ...]:
        return (set(here.roles) & roles, here.row, here.rack, bool(here.taint_group), here.architecture, here.hardware)

    assert {node: about(here) for node, here in ours.items()} == {
        node: about(here) for node, here in traits(wanted).items() if node in keep
    }
    assert {node: made.address(node) for node in keep} == {node: wanted.address(node) for node in keep}


@pytest.mark.parametrize("name", ["dc-a", "staging", "modern"])
@pytest.mark.parametrize("form", ["ini", "yaml"])
def test_an_inventory_of_a_cluster_makes_the_cluster(name: str, form: str) -> None:
    cluster = clusterfile.load(CASES / f"{name}.yaml")
    text = as_ini(cluster) if form == "ini" else as_yaml(cluster)
    inventory = read(text, Path(f"inventory.{form}"))
    assert inventory.kind == "ansible"
    made = cluster_of(inventory, Wanted(name), Path("inventory"))
    same(made, cluster, {"etcd", "apiserver", "worker", "client", "balancer"})


def test_the_nodes_of_kubectl_make_the_cluster_and_what_they_do_not_say_is_assumed() -> None:
    cluster = clusterfile.load(CASES / "modern.yaml")
    made = cluster_of(read(as_nodes(cluster), Path("nodes.json")), Wanted("modern"), Path("nodes.json"))
    same(made, cluster, {"etcd", "apiserver", "worker"})
    assert [one.key for one in made.assumptions] == ["roles.etcd"]


@pytest.mark.parametrize("name", ["dc-a", "staging", "modern"])
def test_a_cluster_file_that_is_written_reads_back(tmp_path: Path, name: str) -> None:
    cluster = clusterfile.load(CASES / f"{name}.yaml")
    path = tmp_path / "again.yaml"
    path.write_text(clusterfile.text_of(cluster))
    assert clusterfile.load(path) == cluster
    assert len(path.read_text()) < 5000


def test_reads_an_ini_inventory_as_ansible_does() -> None:
    found = read(INI, Path("hosts"))
    assert found.members("kube_node") == ("w01", "w02", "w03", "w04.shop", "w05.shop", "w06.shop")
    assert found.variables()["w02"] == {"row": "a", "hardware": "big one"}
    made = cluster_of(found, Wanted("shop"), Path("hosts"))
    assert made.address("m2") == "10.0.0.2"
    assert made.rows["a"] == {"a": ("w01", "w02", "w03")}
    assert set(made.rows["unplaced"]["x"]) == {"e1", "e2", "e3"}
    assert "x1" not in made.nodes
    assert [one.key for one in made.assumptions] == ["rows.unplaced"]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[etcd]\ne[1:\n", 2, "holds no range that can be read"),
        ("[etcd]\ne[3:1]\n", 2, "is empty"),
        ("[etcd]\ne[1:999999999]\n", 2, "holds more than 200000 hosts"),
        ("[etcd]\ne1 'open\n", 2, "No closing quotation"),
        ("[etcd]\ne1 a b\n", 2, "is not NAME=VALUE"),
        ("[etcd]\n", 0, "no group for the role etcd"),
        ("[workers]\nw1\n", 0, "no group for the role etcd"),
        ("[etcd]\n-x\n", 0, "is not a node's name"),
        ("all:\n  hosts: [a]\n", 2, "hosts of all is not a mapping"),
        ("all:\n  children: {etcd: text}\n", 2, "etcd is not a mapping"),
        ("{", 1, "not valid JSON"),
        ('{"items": [{}]}', 0, "a node without a name"),
        ('{"kind": "List"}', 0, "no list of nodes"),
    ],
)
def test_refuses_with_the_line(tmp_path: Path, text: str, line: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "hosts"
    path.write_text(text)
    assert run(["cluster", "import", str(path), "--name", "c"]) == ExitCode.CLUSTER
    shown = capsys.readouterr().err
    assert says in shown
    assert f"{path}:{line}:" in shown if line else str(path) in shown


def test_the_command_writes_a_file_that_lint_accepts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hosts, out = tmp_path / "hosts", tmp_path / "cluster.yaml"
    hosts.write_text(INI.replace("[kube_node:children]", "[pool:children]"))
    assert run(["cluster", "import", str(hosts), "--name", "shop", "--role", "worker=pool", "-o", str(out)]) == ExitCode.DONE
    assert run(["cluster", "lint", str(out)]) == ExitCode.DONE
    assert "11 nodes in 3 rows: valid" in capsys.readouterr().out
    assert run(["cluster", "import", str(hosts), "--name", "shop", "--role", "worker=none"]) == ExitCode.CLUSTER
    assert run(["cluster", "import", str(hosts), "--name", "shop", "--role", "wroker=pool"]) == ExitCode.USAGE


@given(st.integers(0, 30), st.integers(0, 12), st.integers(1, 4), st.booleans())
def test_a_range_of_ansible_holds_what_it_says(low: int, more: int, step: int, wide: bool) -> None:
    first = f"{low:03}" if wide else str(low)
    expected = tuple(f"w{number:03}" if wide else f"w{number:0{len(first)}}" for number in range(low, low + more + 1, step))
    assert hosts_of(f"w[{first}:{low + more}:{step}]") == expected


@given(st.text("[]ab=12:-.,'\" \n{}#", max_size=60), st.sampled_from(["hosts", "hosts.yaml", "hosts.json"]))
def test_any_text_is_an_inventory_or_refused(text: str, name: str) -> None:
    error: KubedebError | None = None
    try:
        read(text, Path(name))
    except KubedebError as caught:
        error = caught
    assert error is None or error.code is ExitCode.CLUSTER
