"""The checker of certificates: what the prover states holds, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import book
from kubedeb import knowledge
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from upgrade_plans import planfile
from upgrade_plans.checker import check
from upgrade_plans.models.certificate import Certificate
from upgrade_plans.models.plan import Plan
from upgrade_plans.prover import prove
from upgrade_plans.prover.certificate import certificate
from upgrade_plans.prover.symmetry import Reductions

KNOWN = knowledge.load()
Tree = dict[str, Any]


@cache
def made() -> Plan:
    """Return a small plan with an exposure: one of three members gets its packages and is changed."""
    hop = "3.3.25", "3.4.23"
    return book.plan(book.members(3, hop[0]), [[book.download(["m0"], hop)], [book.change("m0", hop)]], cluster=hop[0])


def certified(plan: Plan, reductions: Reductions = Reductions()) -> Tree:  # noqa: B008 - frozen
    tree: Tree = json.loads(json.dumps(certificate(plan, KNOWN, prove(plan, None, KNOWN, reductions, with_evidence=True))))
    return tree


@cache
def text() -> str:
    return json.dumps(certified(made()))


def checked(tree: Tree, plan: Plan) -> tuple[str, ...]:
    return check(Certificate.model_validate(tree), plan, KNOWN)


@pytest.mark.parametrize("reductions", [Reductions(), Reductions(symmetry=False), Reductions(rows=False)])
def test_holds_with_and_without_reductions(reductions: Reductions) -> None:
    assert checked(certified(made(), reductions), made()) == ()


def _state_fewer(tree: Tree) -> None:
    tree["states"] -= 1


def _no_exposure(tree: Tree) -> None:
    tree["exposures"].pop()


def _other_levels(tree: Tree) -> None:
    tree["levels"]["N"] += 1


def _place_missing(tree: Tree) -> None:
    del tree["evidence"]["places"]["forward 1 0"]


def _place_differs(tree: Tree) -> None:
    tree["evidence"]["places"]["forward 1 0"][1] = "0" * 64


def _refused(tree: Tree) -> None:
    tree["proven"] = False


def _violates(tree: Tree) -> None:
    tree["violations"] = [{"invariant": "etcd-hop"}]


def _no_evidence(tree: Tree) -> None:
    tree["evidence"] = None


def _other_plan(tree: Tree) -> None:
    tree["sha256"]["plan"] = "0" * 64


def _other_knowledge(tree: Tree) -> None:
    tree["sha256"]["knowledge"] = "0" * 64


def _other_model(tree: Tree) -> None:
    tree["model"] = "etcd-rolling/0"


def _other_reductions(tree: Tree) -> None:
    tree["evidence"]["reductions"]["symmetry"] = False


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_state_fewer, "states: it states"), (_no_exposure, "exposures: it states"), (_other_levels, "levels: it states"),
        (_place_missing, "places: it states"), (_place_differs, "places: it states"), (_refused, "proven: it states false"),
        (_violates, 'violations: it states ["etcd-hop"], and [] is found'), (_no_evidence, "it carries no evidence"),
        (_other_plan, "it is of another plan"), (_other_knowledge, "it is of another knowledge"),
        (_other_model, "it is of the model 'etcd-rolling/0'"), (_other_reductions, "places: it states"),
    ],
)  # fmt: skip
def test_finds_what_is_not_so(spoil: Callable[[Tree], None], says: str) -> None:
    tree = json.loads(text())
    spoil(tree)
    assert any(says in wrong for wrong in checked(tree, made()))


def test_a_proof_of_an_illegal_plan_does_not_hold() -> None:
    """A prover that finds nothing: the certificate of the good plan, bound to one that changes what it did not download."""
    bad = made().model_copy(update={"phases": made().phases[1:]})
    tree = json.loads(text())
    tree["sha256"]["plan"] = certified(bad)["sha256"]["plan"]
    wrong = checked(tree, bad)
    assert any(one.startswith("violations: it states [], and [") for one in wrong), wrong


def test_a_refusal_before_any_state_holds() -> None:
    plan = made().model_copy(update={"releases": {}})
    tree = certified(plan)
    assert tree["states"] is None
    assert checked(tree, plan) == ()
    tree["violations"] = []
    assert checked(tree, plan)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planfile.save(tmp_path / "p.json", made())
    command = ["prove", str(tmp_path / "p.json")]
    proof = str(tmp_path / "c.json")
    assert run([*command, "--certificate", proof, "--without", "symmetry"]) == ExitCode.DONE
    assert run([*command, "--check", proof]) == ExitCode.DONE
    assert "HOLDS: no reachable state violates an invariant; states found again: 1984" in capsys.readouterr().out
    tree = json.loads(Path(proof).read_text())
    tree["states"] = 1
    Path(proof).write_text(json.dumps(tree))
    assert run([*command, "--check", proof]) == ExitCode.REFUSED
    assert "does not hold\nstates: it states 1" in capsys.readouterr().err.replace("  ", "")
    Path(proof).write_text("[]")
    assert run([*command, "--check", proof]) == ExitCode.PLAN
