"""`kubedeb prove` on the plan of a whole stack: what people see, the certificate, the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import byhand
import etcdcases
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from upgrade_plans import factsfile, upgradefile

CASES = {str(case["name"]): case["plan"] for case in byhand.cases()}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_proof_says_what_it_rests_on_and_leaves_a_certificate(capsys: pytest.CaptureFixture[str]) -> None:
    upgradefile.save(Path("p.json"), CASES["Kubernetes alone is proven"])
    assert run(["prove", "p.json", "--certificate", "c.json"]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "PROVEN: in the model stack-sequence/1" in said
    assert "proven apart: API servers, managers and workers, in stack-rolling/1 (each step bounded)" in said
    assert "m1: a fault of a host, about 60 s" in said
    document = json.loads(Path("c.json").read_text())
    assert document["proven"]
    assert document["states"] == sum(count for count, _ in document["evidence"]["places"].values())
    assert document["levels"]["N"] + document["levels"]["R"] == document["states"]
    assert {"step": "m1", "fault": "host"} in [{key: one[key] for key in ("step", "fault")} for one in document["exposures"]]


def test_facts_that_the_plan_was_not_made_from_are_named_by_their_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    plan = CASES["Kubernetes alone is proven"]
    upgradefile.save(Path("p.json"), plan)
    for cluster, says in (
        ("elsewhere", f"the plan is for {plan.cluster}, and these facts are of elsewhere"),
        (plan.cluster, f"the plan was made from other facts of {plan.cluster} than these"),
    ):
        factsfile.save(Path("f.json"), etcdcases.facts().model_copy(update={"cluster": cluster}))
        assert run(["prove", "p.json", "--facts", "f.json", "--certificate", "c.json"]) == ExitCode.FACTS
        assert says in capsys.readouterr().err
        assert not Path("c.json").exists()


def test_a_refusal_tells_the_way_into_it_and_what_is_where(capsys: pytest.CaptureFixture[str]) -> None:
    upgradefile.save(Path("p.json"), CASES["kubelets to 1.9 while one API server is 1.8"])
    assert run(["prove", "p.json", "--certificate", "c.json"]) == ExitCode.REFUSED
    said = capsys.readouterr().err
    assert "skew-kubelet: kubelet 1.9.11 beside kube-apiserver 1.8.15 [workers]" in said
    assert "rule kubelet-skew-old" in said
    assert "6 steps go through as planned" in said
    assert "kube-apiserver: m1 1.9.11 on v3, m2 1.8.15 on v3" in said
    document = json.loads(Path("c.json").read_text())
    assert document["counterexample"][-1] == {"step": "workers", "what": "begin", "part": "", "planned": True}


@pytest.mark.parametrize("reduction", ["groups", "hops", "symmetry", "rows"])
def test_a_reduction_that_is_switched_off_changes_no_certificate(reduction: str) -> None:
    upgradefile.save(Path("p.json"), CASES["the mission by hand is proven"])
    assert run(["prove", "p.json", "--certificate", "usual.json"]) == ExitCode.DONE
    assert run(["prove", "p.json", "--certificate", "slow.json", "--without", reduction]) == ExitCode.DONE
    usual, slow = (json.loads(Path(name).read_text()) for name in ("usual.json", "slow.json"))
    for segment in (*usual["segments"], *slow["segments"]):
        segment["about"] = segment["about"].split(", alike")[0]
    assert slow == usual


def test_the_way_back_is_known_beforehand(capsys: pytest.CaptureFixture[str]) -> None:
    upgradefile.save(Path("p.json"), CASES["the mission by hand is proven"])
    assert run(["plan", "show", "p.json", "--rollback-from", "pass-1", "--to", "workers-1.9"]) == ExitCode.DONE
    assert "2 steps are undone" in capsys.readouterr().out
    assert run(["plan", "show", "p.json", "--rollback-from", "pass-2", "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["reaches"] == "servers-1.10"
    assert run(["plan", "show", "p.json", "--rollback-from", "nothing"]) == ExitCode.USAGE
    assert "the plan has no step 'nothing'" in capsys.readouterr().err
    assert run(["plan", "show", "p.json", "--to", "ready"]) == ExitCode.USAGE
