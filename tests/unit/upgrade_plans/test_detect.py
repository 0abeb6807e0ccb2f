"""Which rules concern a cluster: every automatic rule has a case that hits and twins that differ in one field and do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kubedeb.errors import KubedebError
from kubedeb.knowledge import load
from kubedeb.knowledge.schema import DetectMode
from kubedeb.versions import Version
from rulecases import cases
from upgrade_plans.models.facts import Facts
from upgrade_plans.planner.detect import concerns, detect
from upgrade_plans.planner.paths import unknown

DC_A = Path(__file__).parents[2] / "cases/clusters/dc-a.facts.json"
KNOWLEDGE = load()
AUTO = [rule for rule in KNOWLEDGE.rules if rule.detect.mode is DetectMode.AUTO]
ROW = """rules:
  - id: a-rule
    component: kubelet
    kind: trap
    what: something
    detect:
      mode: auto
      how: look
      when: {when}
    remedy: something else
    severity: warn
    confidence: inferred
    source: https://x.y/z
"""


def test_every_path_leads_somewhere() -> None:
    assert list(unknown(KNOWLEDGE)) == []


def test_each_rule_hits_its_case_and_not_the_twin() -> None:
    wrong = []
    hits = twins = 0
    for rule in AUTO:
        found = list(cases(rule, KNOWLEDGE))
        assert {case.hits for case in found} == {True, False}, rule.id
        for case in found:
            hits, twins = hits + case.hits, twins + (not case.hits)
            if concerns(case.facts, case.target, KNOWLEDGE, rule) != case.hits:
                wrong.append(f"{rule.id} ({case.about}): expected {case.hits}")
    assert wrong == []
    assert hits >= len(AUTO)
    assert twins >= len(AUTO)


def test_at_most_one_rule_in_ten_is_left_to_a_person() -> None:
    assert len(KNOWLEDGE.rules) - len(AUTO) <= len(KNOWLEDGE.rules) / 10


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("{field: daemon.arguments, present: yes, above: 1}", "a field has one comparison"),
        ("{field: daemon.arguments}", "a field has one comparison"),
        ("{all: [], any: []}", "a condition is one of"),
        ("{field: 'daemon..x', present: true}", "is not a path"),
        ("{field: daemon.version, version: 1.8}", "is not a range"),
        ("{field: daemon.version, matches: '('}", "is not a regular expression"),
        ("{feld: daemon.version, present: true}", "did you mean 'field'?"),
    ],
)
def test_refuses_a_bad_condition_with_its_line(tmp_path: Path, when: str, says: str) -> None:
    (tmp_path / "rows.yaml").write_text(ROW.format(when=when))
    with pytest.raises(KubedebError) as caught:
        load(tmp_path)
    assert says in caught.value.render()
    assert f"{tmp_path}/rows.yaml:" in caught.value.render()


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("{field: daemon.argument, present: true}", "there is no argument there"),
        ("{field: 'kubernetes.uses[tpr]', present: true}", "there is no tpr there"),
        ("{field: demon.version, present: true}", "facts know nothing called demon"),
        ("{field: daemon.version, above: 1}", "compares numbers"),
        ("{field: node.host.swap, matches: x}", "compares texts"),
    ],
)
def test_names_a_path_that_leads_nowhere(tmp_path: Path, when: str, says: str) -> None:
    (tmp_path / "rows.yaml").write_text(ROW.format(when=when))
    (found,) = unknown(load(tmp_path))
    assert says in found
    assert found.startswith("rows.yaml:2: rule a-rule: ")


def test_what_was_not_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "rows.yaml").write_text(ROW.format(when="{field: 'kubernetes.uses[cron-job]', present: true}"))
    nodes = {"w[1-3]": {"daemons": {"kubelet": {"running": {"version": "1.7.16"}}}}}
    facts = Facts.model_validate({"cluster": "c", "read_at": "2026-01-01", "nodes": nodes, "etcd": []})
    found = detect(facts, {"kubelet": Version.parse("1.8.15")}, load(tmp_path))
    assert found.seen == ()
    assert [(rule.id, what) for rule, what in found.untold] == [("a-rule", "kubernetes")]


def test_evidence_is_folded_and_one_thing_must_have_it_all(tmp_path: Path) -> None:
    when = "{all: [{field: 'daemon.arguments[--a]', present: true}, {field: 'daemon.arguments[--b]', present: false}]}"
    (tmp_path / "rows.yaml").write_text(ROW.format(when=when))

    def kubelet(**arguments: str) -> dict[str, object]:
        return {
            "daemons": {"kubelet": {"running": {"version": "1.7.16", "arguments": {f"--{k}": v for k, v in arguments.items()}}}}
        }

    nodes = {"w[1-3]": kubelet(a="1"), "w[4-5]": kubelet(a="1", b="1"), "w6": kubelet(), "w7": kubelet(a="2")}
    facts = Facts.model_validate({"cluster": "c", "read_at": "2026-01-01", "nodes": nodes, "etcd": []})
    (seen,) = detect(facts, {"kubelet": Version.parse("1.8.15")}, load(tmp_path)).seen
    assert seen.evidence == ("w[1-3,7]",)


def test_what_would_start_on_a_reboot_counts_and_what_is_masked_does_not() -> None:
    rule = KNOWLEDGE.by_id["kubelet-1.8-api-servers"]
    disk = {"version": "1.7.16", "arguments": {"--api-servers": "https://m1"}}
    for masked in (False, True):
        daemon = {"running": {"version": "1.7.16"}, "disk": {**disk, "masked": masked}}
        nodes = {"w1": {"daemons": {"kubelet": daemon}}}
        facts = Facts.model_validate({"cluster": "c", "read_at": "2026-01-01", "nodes": nodes, "etcd": []})
        assert concerns(facts, {"kubernetes": Version.parse("1.8.15")}, KNOWLEDGE, rule) is not masked


def half_done(servers: str, kubelets: str, kubectl: str) -> Facts:
    """The reference cluster after an upgrade that stopped: control plane, workers and clients on different versions."""
    facts = json.loads(DC_A.read_text())
    of = {"kube-apiserver": servers, "kube-controller-manager": servers, "kube-scheduler": servers,
          "kubelet": kubelets, "kube-proxy": kubelets}  # fmt: skip
    for node in facts["nodes"].values():
        for name, daemon in node.get("daemons", {}).items():
            for settings in (daemon["running"], daemon["disk"]) if name in of else ():
                settings["version"] = of[name]
        if "kubectl" in node.get("tools", {}):
            node["tools"]["kubectl"] = kubectl
    return Facts.model_validate(facts)


@pytest.mark.parametrize(
    ("servers", "kubelets", "kubectl", "hops"),
    [
        ("1.7.16", "1.7.16", "1.7.16", ["kubernetes-hop-1.7-1.8", "kubernetes-hop-1.8-1.9", "kubernetes-hop-1.9-1.10"]),
        ("1.9.11", "1.7.16", "1.7.16", ["kubernetes-hop-1.9-1.10"]),
        ("1.10.13", "1.9.11", "1.10.13", []),
        ("1.10.13", "1.10.13", "1.7.16", []),
    ],
)
def test_a_hop_is_named_while_an_api_server_is_below_it(servers: str, kubelets: str, kubectl: str, hops: list[str]) -> None:
    found = detect(half_done(servers, kubelets, kubectl), {"kubernetes": Version.parse("1.10.13")}, KNOWLEDGE)
    seen = {one.rule.id: one.evidence for one in found.seen if "-hop-" in one.rule.id}
    assert seen == dict.fromkeys(hops, ("a-master[1-2]",))


def test_what_a_half_done_upgrade_left_behind_is_named_where_it_is() -> None:
    facts = half_done("1.9.11", "1.7.16", "1.7.16")
    found = {one.rule.id: one.evidence for one in detect(facts, {"kubernetes": Version.parse("1.10.13")}, KNOWLEDGE).seen}
    assert found["kubelet-1.8-swap"] == ("a-w[01-40]",)
    assert "kube-controller-manager-1.8-lookup-caches" not in found


def test_a_product_s_first_part_leads_the_way() -> None:
    assert {product: parts[0] for product, parts in KNOWLEDGE.parts.items() if parts} == {
        "kubernetes": "kube-apiserver", "calico": "calico-node", "helm": "tiller",
    }  # fmt: skip
