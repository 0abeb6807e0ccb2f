"""The checker of whole stacks' certificates: what the prover states holds, what is forged does not."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import byhand
import testseed
from kubedeb import knowledge
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from upgrade_plans import upgradefile
from upgrade_plans.canonical import digest
from upgrade_plans.checker import check_whole
from upgrade_plans.checker.wholecheck import anew, compare
from upgrade_plans.models.certificate import WholeCertificate
from upgrade_plans.models.surroundings import BalancerKind
from upgrade_plans.models.upgrade import Balancer, Block, Upgrade
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
    (_set("warnings", [{"rule": "no-such", "step": ""}]), 'warnings: it states ["no-such"]'),
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
    assert any(one.startswith("segments: ") for one in checked(tree, plan)), checked(tree, plan)


def test_no_refusal_of_a_proven_plan_holds() -> None:
    tree = json.loads(text(GOOD))
    tree["proven"] = False
    tree["violations"] = [{"invariant": "etcd-hop", "clause": "below", "model": tree["model"], "what": "", "step": None}]
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


# Every statement of a certificate, one after the other, made another one.

WORDS = {"what", "where_it_ends"}
"""Words for people, which nothing is held to; of what is counted in steps `what` is one of five words and held."""
UNPLACED = ("violations", "step")
"""Of a plan that is refused before any state the failed checks are found again, not the step that each failed in."""


def places(value: object, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the way to every value of a certificate but words."""
    parts: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        parts = [(key, part) for key, part in value.items() if key not in WORDS or way[:1] == ("counterexample",)]
    elif isinstance(value, list):
        parts = list(enumerate(value))
    for key, part in parts:
        yield (*way, key)
        yield from places(part, (*way, key))


def others(value: object) -> Iterator[object]:
    """Yield other values than this one."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value - 1)
    elif isinstance(value, str):
        yield from (value + "x", value[:-1])
    elif value is None:
        yield from (1, "x")
    elif isinstance(value, list) and value:
        yield from (value[1:], [*value, value[-1]], [])
    elif isinstance(value, dict) and value:
        yield {key: value[key] for key in list(value)[1:]}


def mutated(tree: Tree) -> Iterator[tuple[str, WholeCertificate]]:
    """Yield a certificate with one value another, as far as it can still be read; and what was changed."""
    good = WholeCertificate.model_validate(tree)
    for way in places(tree):
        spoiled = json.loads(json.dumps(tree))
        within: Any = spoiled
        for key in way[:-1]:
            within = within[key]
        for value in others(within[way[-1]]):
            within[way[-1]] = value
            try:
                read = WholeCertificate.model_validate(spoiled)
            except ValidationError:
                continue
            if read != good:
                yield f"{way} is {value!r}", read


SEVERAL = [
    GOOD, BAD, "two servers with a threshold of 0.6", "nor can anybody go back", "a package that is nowhere",
    "the way out of a blocked etcd",
]  # fmt: skip


def no_mutant_holds(plan: Upgrade, tree: Tree) -> None:
    found = anew(plan, KNOWN)
    assert compare(WholeCertificate.model_validate(tree), plan, KNOWN, found) == ()
    held = [what for what, mutant in mutated(tree) if not compare(mutant, plan, KNOWN, found)]
    if tree["states"] is None:
        held = [what for what in held if not all(f"'{key}'" in what for key in UNPLACED)]
    assert held == []


@pytest.mark.parametrize("name", SEVERAL)
def test_no_mutant_of_a_certificate_holds(name: str) -> None:
    no_mutant_holds(CASES[name], json.loads(text(name)))


@pytest.mark.long
@pytest.mark.parametrize("name", ["a hop that blocks nothing", "the mission by hand is proven"])
def test_no_mutant_of_a_long_certificate_holds(name: str) -> None:
    no_mutant_holds(CASES[name], json.loads(text(name)))


def beside(needed: int, *, limit: int | None = None, **update: object) -> Upgrade:
    """Return the good plan with a floor for its three workers, and its step of workers otherwise."""
    plan = CASES[GOOD].model_copy(update={"needed": {"": needed}, "bgp_per_row": limit})
    return edited(plan, StepKind.WORKERS, **update)


NO_WAY_BACK = (Block(state="workers", by="it", loss="all"),)
FLOOR, SPARE, ROW, ENDLESS = ("capacity", "floor"), ("capacity", "spare"), ("bgp-up", "row"), ("reaches-end", "endless")
SIDE_BY_SIDE: dict[str, tuple[Upgrade, set[tuple[str, str]]]] = {
    "one node to spare": (beside(2), set()),
    "three at once": (beside(1, window=3), {FLOOR, SPARE}),
    "three at once with the check": (beside(1, window=3, pre=(Check.FLOOR,)), set()),
    "none to spare": (beside(3), {FLOOR}),
    "none can be taken": (beside(3, pre=(Check.FLOOR,)), {ENDLESS}),
    "none can be taken, and nobody can go back": (beside(3, pre=(Check.FLOOR,), undo=None, blocks=NO_WAY_BACK), {ENDLESS}),
    "two of a row without BGP": (beside(0, limit=1, window=2, bgp=True), {ROW}),
    "one of a row at a time": (beside(0, limit=1, window=2, per_row=1, bgp=True), set()),
    "two of a row that keep it": (beside(0, limit=1, window=2), set()),
}


@pytest.mark.parametrize("name", SIDE_BY_SIDE)
def test_what_moves_side_by_side_is_found_again(name: str) -> None:
    plan, expected = SIDE_BY_SIDE[name]
    tree = certified(plan)
    counted = {(one["invariant"], one["clause"]) for one in tree["violations"] if one["model"] == "stack-rolling/1"}
    assert counted == expected
    no_mutant_holds(plan, tree)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, proof = str(tmp_path / "p.json"), tmp_path / "c.json"
    upgradefile.save(tmp_path / "p.json", CASES[GOOD])
    proof.write_text(text(GOOD))
    assert run(["prove", plan, "--check", str(proof)]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "HOLDS: no reachable state of the sequence, of a hop or of what moves side by side violates an invariant" in said
    proof.write_text(json.dumps({**json.loads(text(GOOD)), "states": 1}))
    assert run(["prove", plan, "--check", str(proof)]) == ExitCode.REFUSED
    assert "does not hold\nstates: it states 1" in capsys.readouterr().err.replace("  ", "")
    assert run(["prove", plan, "--check", str(proof), "--json"]) == ExitCode.REFUSED
    assert json.loads(capsys.readouterr().out)["wrong"]
    proof.write_text("[]")
    assert run(["prove", plan, "--check", str(proof)]) == ExitCode.PLAN
    proof.write_text(json.dumps({"format": 1}))
    assert run(["prove", plan, "--check", str(proof)]) == ExitCode.PLAN
