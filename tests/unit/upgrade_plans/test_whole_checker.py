"""The checker of whole stacks' certificates: what the prover states holds, what is forged does not."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import byhand
import testseed
from kubedeb import knowledge
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from upgrade_plans import upgradefile
from upgrade_plans.canonical import digest
from upgrade_plans.checker import check_whole
from upgrade_plans.models.certificate import WholeCertificate
from upgrade_plans.models.surroundings import BalancerKind
from upgrade_plans.models.upgrade import Balancer, Upgrade
from upgrade_plans.models.upgradekinds import Check, StepKind
from upgrade_plans.prover.whole import certificate, prove_whole

KNOWN = knowledge.load()
CASES: dict[str, Upgrade] = {str(case["name"]): case["plan"] for case in byhand.cases()}
GOOD, BAD = "Kubernetes alone is proven", "kubelets to 1.9 while one API server is 1.8"
Tree = dict[str, Any]
Spoil = Callable[[Tree], object]


def certified(plan: Upgrade) -> Tree:
    tree: Tree = json.loads(json.dumps(certificate(plan, KNOWN, prove_whole(plan, KNOWN))))
    return tree


@cache
def text(name: str) -> str:
    return json.dumps(certified(CASES[name]))


def checked(tree: Tree, plan: Upgrade) -> tuple[str, ...]:
    return check_whole(WholeCertificate.model_validate(tree), plan, KNOWN)


def forged(tree: Tree, plan: Upgrade) -> Tree:
    """Return a certificate as of a plan in which nothing was found."""
    proven = [{**segment, "proven": True} for segment in tree["segments"]]
    sha256 = {**tree["sha256"], "plan": digest(plan)}
    return {**tree, "proven": True, "violations": [], "segments": proven, "sha256": sha256}


@pytest.mark.turn("certificates of whole plans by hand")
@pytest.mark.parametrize("name", CASES)
def test_holds_of_every_plan_by_hand_and_no_forged_proof_does(name: str) -> None:
    plan = CASES[name]
    tree = certified(plan)
    assert checked(tree, plan) == ()
    if not tree["proven"] and any(one["model"] == tree["model"] for one in tree["violations"]):
        assert checked(forged(tree, plan), plan)


@pytest.mark.parametrize("name", [GOOD, BAD])
def test_holds(name: str) -> None:
    assert checked(json.loads(text(name)), CASES[name]) == ()


def _set(path: str, value: object) -> Spoil:
    """Return what replaces a value, by its path."""

    def spoil(tree: Tree) -> None:
        *way, last = path.split("/")
        for name in way:
            tree = tree[int(name)] if isinstance(tree, list) else tree[name]
        tree[last] = value

    return spoil


def _state_dropped(tree: Tree) -> None:
    """One state of a place is not there: count and digest are of the others."""
    place = next(name for name, (count, _) in tree["evidence"]["places"].items() if count > 1)
    tree["evidence"]["places"][place] = [tree["evidence"]["places"][place][0] - 1, "0" * 64]
    tree["states"] -= 1
    tree["levels"]["N"] -= 1


SPOILED: list[tuple[Spoil, str]] = [
    (_state_dropped, "places: it states"),
    (lambda tree: tree["evidence"]["places"].popitem(), "places: it states"),
    (_set("evidence", None), "it carries no evidence"),
    (_set("states", 1), "states: it states 1"),
    (_set("levels/R", 1), "levels: it states"),
    (lambda tree: tree["exposures"].pop(0), "exposures: it states"),
    (_set("exposures/0/states", 77), "exposures: it states"),
    (_set("sha256/plan", "0" * 64), "it is of another plan"),
    (_set("sha256/knowledge", "0" * 64), "it is of another knowledge"),
    (_set("sha256/facts", "0" * 64), "it is of another start"),
    (_set("cluster", "another"), "it names another cluster"),
    (_set("model", "stack-sequence/0"), "it is of the model 'stack-sequence/0'"),
    (_set("proven", False), "proven: it states false"),
    (_set("segments/0/proven", False), "proven: it states true"),
    (_set("segments", []), "segments: it states []"),
    (_set("warnings", [{"rule": "no-such"}]), 'warnings: it states ["no-such"]'),
    (_set("inferred_rules", ["kubelet-skew-old"]), "inferred_rules: it states"),
]


@pytest.mark.parametrize(("spoil", "says"), SPOILED)
def test_finds_what_is_not_so(spoil: Spoil, says: str) -> None:
    tree = json.loads(text(GOOD))
    spoil(tree)
    assert any(says in wrong for wrong in checked(tree, CASES[GOOD])), checked(tree, CASES[GOOD])


def test_no_proof_of_a_refused_plan_holds() -> None:
    wrong = checked(forged(json.loads(text(BAD)), CASES[BAD]), CASES[BAD])
    assert any(one.startswith("violations: it states [], and [[") and "skew-kubelet" in one for one in wrong), wrong


def test_a_hop_without_its_checks_is_walked_again() -> None:
    """Nothing asks whether the members are healthy before the next one is restarted."""
    plan = edited(CASES["the mission by hand is proven"], StepKind.ETCD_HOP, pre=())
    first = next(phase for phase in plan.phases if any(step.kind is StepKind.ETCD_HOP for step in phase.steps))
    plan = plan.model_copy(update={"phases": (*plan.phases[:1], first), "target": {}})
    tree = certified(plan)
    number, segment = next((n, one) for n, one in enumerate(tree["segments"]) if one["model"] == "etcd-rolling/1")
    assert not segment["proven"]
    assert checked(tree, plan) == ()
    tree["segments"][number]["proven"] = True
    assert any(one.startswith("the hop ") for one in checked(tree, plan)), checked(tree, plan)


def test_no_refusal_of_a_proven_plan_holds() -> None:
    tree = json.loads(text(GOOD))
    tree["proven"] = False
    tree["violations"] = [{"invariant": "etcd-hop", "clause": "below", "model": tree["model"]}]
    assert 'violations: it states [["etcd-hop", "below"]], and [] is found' in checked(tree, CASES[GOOD])


def edited(plan: Upgrade, kind: StepKind, **update: object) -> Upgrade:
    """Return a plan with these fields of every step of a kind."""
    phases = [
        phase.model_copy(update={"steps": tuple(
            step.model_copy(update=update) if step.kind is kind else step for step in phase.steps
        )})
        for phase in plan.phases
    ]  # fmt: skip
    return plan.model_copy(update={"phases": tuple(phases)})


def test_a_refusal_before_any_state_holds_and_no_proof_does() -> None:
    plan = edited(CASES[GOOD], StepKind.WORKERS, undo=None, blocks=())
    tree = certified(plan)
    assert (tree["states"], tree["proven"]) == (None, False)
    assert checked(tree, plan) == ()
    assert 'violations: it states [], and [["plan", "static"]] is found' in checked(forged(tree, plan), plan)


def test_a_pool_that_cannot_spare_a_server_stops_both() -> None:
    """Without the server that is taken out, one of two is below six tenths: its step never begins."""
    pool = Balancer(kind=BalancerKind.HAPROXY, threshold=0.6)
    plan = edited(CASES[GOOD], StepKind.DEPOOL, pre=(Check.BALANCER,)).model_copy(update={"balancer": pool})
    tree = certified(plan)
    assert [one["invariant"] for one in tree["violations"] if one["model"] == tree["model"]] == ["reaches-end"]
    assert checked(tree, plan) == ()


def mutant(seed: int) -> Upgrade:
    """Return a good plan of which one step was dropped, stripped of its checks, or put elsewhere."""
    rng = random.Random(f"certificate {seed}")  # noqa: S311
    phases = [list(phase.steps) for phase in CASES[GOOD].phases]
    steps = rng.choice([steps for steps in phases if steps])
    step = steps.pop(rng.randrange(len(steps)))
    match rng.choice(["drop", "strip", "move"]):
        case "strip":
            steps.append(step.model_copy(update={"pre": (), "undo": None}))
        case "move":
            rng.choice(phases).append(step)
    pairs = zip(CASES[GOOD].phases, phases, strict=True)
    return CASES[GOOD].model_copy(update={"phases": tuple(old.model_copy(update={"steps": tuple(new)}) for old, new in pairs)})


def of_mutants(first: int, count: int) -> list[bool]:
    """Check the certificates of mutants, and the good plan's bound to each; return which mutants are proven."""
    proven = []
    for seed in range(first, first + count):
        plan = mutant(seed)
        tree = certified(plan)
        assert checked(tree, plan) == (), seed
        if digest(plan) != digest(CASES[GOOD]):
            assert checked(json.loads(text(GOOD)), plan)
        if any(one["model"] == tree["model"] for one in tree["violations"]):
            assert checked(forged(json.loads(text(GOOD)), plan), plan), seed
            assert checked(forged(tree, plan), plan), seed
        proven.append(tree["proven"])
    return proven


def test_certificates_of_mutants_of_the_day() -> None:
    of_mutants(testseed.seed() * 1000, 4)


@pytest.mark.long
def test_certificates_of_many_mutants() -> None:
    proven = of_mutants(0, 150)
    assert 10 < proven.count(False) < 150


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, proof = str(tmp_path / "p.json"), tmp_path / "c.json"
    upgradefile.save(tmp_path / "p.json", CASES[GOOD])
    proof.write_text(text(GOOD))
    assert run(["prove", plan, "--check", str(proof)]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "HOLDS: no reachable state of the sequence or a hop violates an invariant" in said
    assert "Not checked again: API servers, managers and workers, in stack-rolling/1" in said
    proof.write_text(json.dumps({**json.loads(text(GOOD)), "states": 1}))
    assert run(["prove", plan, "--check", str(proof)]) == ExitCode.REFUSED
    assert "does not hold\nstates: it states 1" in capsys.readouterr().err.replace("  ", "")
    assert run(["prove", plan, "--check", str(proof), "--json"]) == ExitCode.REFUSED
    assert json.loads(capsys.readouterr().out)["wrong"]
    proof.write_text("[]")
    assert run(["prove", plan, "--check", str(proof)]) == ExitCode.PLAN
    proof.write_text(json.dumps({"format": 1}))
    assert run(["prove", plan, "--check", str(proof)]) == ExitCode.PLAN
