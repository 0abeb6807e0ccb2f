"""The prover against plans that were spoilt on purpose: each is refused, for the right reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import etcdcases
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.knowledge import load as load_knowledge
from upgrade_plans.canonical import digest
from upgrade_plans.models.plan import Plan
from upgrade_plans.planner import make_plan
from upgrade_plans.prover import Verdict, prove
from upgrade_plans.prover.certificate import certificate
from upgrade_plans.prover.judge import CLAUSES
from upgrade_plans.render import verdict_text

KNOWLEDGE = load_knowledge()
Tree = dict[str, Any]


def good(target: str = "3.5.16") -> Tree:
    plan = make_plan(etcdcases.facts(), etcdcases.cluster(), {"etcd": target}, KNOWLEDGE)
    assert isinstance(plan, Plan)
    tree: Tree = plan.model_dump(mode="json", by_alias=True)
    return tree


def steps(tree: Tree) -> list[Tree]:
    return [step for phase in tree["phases"] for step in phase["steps"]]


def step(tree: Tree, step_id: str) -> Tree:
    return next(step for step in steps(tree) if step["id"] == step_id)


def drop(tree: Tree, *ids: str) -> None:
    """Take steps out, and out of what the others require."""
    for phase in tree["phases"]:
        phase["steps"] = [step for step in phase["steps"] if step["id"] not in ids]
    tree["phases"] = [phase for phase in tree["phases"] if phase["steps"]]
    for left in steps(tree):
        left["requires"] = [needed for needed in left["requires"] if needed not in ids]


def drop_check(tree: Tree, check: str) -> None:
    for spoilt in steps(tree):
        for place in (spoilt, spoilt["undo"] or {"pre": []}):
            place["pre"] = [kept for kept in place["pre"] if kept != check]


def judge(tree: Tree) -> Verdict:
    return prove(Plan.model_validate(tree), None, KNOWLEDGE)


def two_at_once(tree: Tree) -> None:
    drop(tree, "3.4-change-etcd3")
    step(tree, "3.4-change-etcd2")["nodes"] = ["etcd2", "etcd3"]


def skip_a_minor(tree: Tree) -> None:
    tree["phases"] = [tree["phases"][0], tree["phases"][2]]
    for spoilt in steps(tree):
        spoilt["requires"] = []
        if spoilt["from"] == "3.4.23":
            spoilt["from"] = "3.3.25"
        if spoilt["undo"]:
            spoilt["undo"]["to"] = "3.3.25"


def drop_backup_and_check(tree: Tree) -> None:
    drop(tree, "3.4-backup", "3.4-drill")
    drop_check(tree, "backup-proven")


def drop_drill_and_check(tree: Tree) -> None:
    drop(tree, "3.4-drill")
    drop_check(tree, "backup-proven")


def drop_download_and_check(tree: Tree) -> None:
    drop(tree, "download-3.4.23")
    drop_check(tree, "packages-cached")


def undeclared_block(tree: Tree) -> None:
    step(tree, "3.4-change-etcd1")["blocks"] = []


def undo_of_the_last(tree: Tree) -> None:
    undeclared_block(tree)
    step(tree, "3.4-change-etcd1")["undo"] = {"to": "3.3.25", "pre": ["members-healthy"]}


def undo_to_a_line_too_low(tree: Tree) -> None:
    spoilt = step(tree, "3.5-change-etcd1")
    spoilt["undo"] = {"to": "3.3.25", "pre": ["members-healthy"]}


def no_wait_between_hops(tree: Tree) -> None:
    drop(tree, "3.4-await", "3.5-backup", "3.5-drill")
    for spoilt in steps(tree):
        spoilt["pre"] = [check for check in spoilt["pre"] if check not in ("cluster-version", "backup-proven")]


def block_too_early(tree: Tree) -> None:
    hop = tree["phases"][1]["steps"]
    hop.insert(2, hop.pop([step["id"] for step in hop].index("3.4-change-etcd1")))
    for spoilt in hop:
        spoilt["requires"] = []


BASH = {"version": "5.2.15-2", "sha256": "b" * 64}


def pin(tree: Tree, version: str, name: str) -> Tree:
    found: Tree = tree["releases"][version]["packages"][name]
    return found


def only_bash(tree: Tree) -> None:
    tree["releases"]["3.5.16"]["packages"] = {"bash": BASH}


MUTANTS: list[tuple[Callable[[Tree], None], set[str]]] = [
    (two_at_once, {"etcd-quorum", "no-dead-end"}),
    (skip_a_minor, {"etcd-hop"}),
    (lambda tree: drop(tree, "3.4-backup"), {"reaches-end"}),
    (lambda tree: drop(tree, "3.4-backup", "3.4-drill"), {"reaches-end"}),
    (drop_backup_and_check, {"snapshot"}),
    (lambda tree: drop(tree, "3.4-drill"), {"reaches-end"}),
    (drop_drill_and_check, {"snapshot"}),
    (lambda tree: drop(tree, "download-3.4.23"), {"reaches-end"}),
    (drop_download_and_check, {"packages"}),
    (lambda tree: drop_check(tree, "members-healthy"), {"etcd-quorum"}),
    (undeclared_block, {"snapshot"}),
    (undo_of_the_last, {"snapshot"}),
    (undo_to_a_line_too_low, {"etcd-hop"}),
    (no_wait_between_hops, {"snapshot"}),
    (lambda tree: step(tree, "3.4-change-etcd1").update({"from": "3.5.16"}), {"reaches-end"}),
    (lambda tree: step(tree, "3.4-drill").update(undo={"to": "3.3.25"}), {"plan"}),
    (lambda tree: step(tree, "3.4-drill").update(nodes=[]), {"plan"}),
    (lambda tree: step(tree, "3.4-drill").update(nodes=["etcd9"]), {"plan"}),
    (lambda tree: step(tree, "3.4-drill").update(nodes=["etcd1", "etcd1"]), {"plan"}),
    (lambda tree: step(tree, "3.4-drill").update(requires=["3.5-backup"]), {"plan"}),
    (lambda tree: step(tree, "3.4-drill").update(id="3.4-backup"), {"plan"}),
    (lambda tree: step(tree, "3.4-drill").update(to="next"), {"plan", "packages"}),
    (lambda tree: tree["members"].clear(), {"plan"}),
    (lambda tree: tree["members"].append(tree["members"][0]), {"plan"}),
    (lambda tree: tree.update(cluster_version="three"), {"plan"}),
    (lambda tree: tree["releases"].pop("3.4.23"), {"packages"}),
    (lambda tree: tree["releases"]["3.4.23"]["packages"].clear(), {"packages"}),
    (lambda tree: tree["releases"]["3.4.23"]["packages"]["etcd-client"].update(sha256=""), {"packages"}),
    (lambda tree: pin(tree, "3.4.23", "etcd-server").update(version="3.5.16-1~deb12u1"), {"packages"}),
    (lambda tree: pin(tree, "3.4.23", "etcd-client").update(version="3.3.25-1~deb12u1"), {"packages"}),
    (lambda tree: pin(tree, "3.4.23", "etcd-client").update(version="1-1"), {"packages"}),
    (only_bash, {"packages"}),
    (lambda tree: tree["releases"]["3.4.23"]["packages"].update(bash=BASH), {"packages"}),
    (lambda tree: tree["releases"].update(newest=tree["releases"]["3.5.16"]), {"packages"}),
    (lambda tree: step(tree, "3.4-change-etcd1").update(max_backup_age=None), {"snapshot"}),
    (lambda tree: tree["members"][1].update(installed="3.4.23"), {"installed-running"}),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "broken"), MUTANTS)
def test_refuses_a_spoilt_plan_for_the_right_reason(spoil: Callable[[Tree], None], broken: set[str]) -> None:
    tree = good()
    spoil(tree)
    verdict = judge(tree)
    assert not verdict.proven
    assert broken <= {violation.invariant for violation in verdict.violations}
    if broken <= {"plan", "packages", "snapshot"} and verdict.states is None:
        assert verdict.counterexample is None
    else:
        assert verdict.counterexample is not None
        assert verdict.counterexample.ends == verdict.violations[0]


def test_two_of_five_at_once_is_an_exposure_that_nobody_has_to_take() -> None:
    cluster = etcdcases.cluster(5)
    plan = make_plan(
        etcdcases.facts(["3.4.22"] * 5, offered=["3.4.22", "3.4.23"], of=cluster), cluster, {"etcd": "3.4.23"}, KNOWLEDGE
    )
    assert isinstance(plan, Plan)
    tree: Tree = plan.model_dump(mode="json", by_alias=True)
    drop(tree, "download-3.4.23", "3.4-backup", "3.4-drill", "3.4-change-etcd3", "3.4-change-etcd4", "3.4-change-etcd5")
    drop(tree, "3.4-change-etcd1")
    step(tree, "3.4-change-etcd2").update(nodes=["etcd1", "etcd2"], pre=["members-healthy"], undo=None)
    clauses = {(violation.invariant, violation.clause) for violation in judge(tree).violations}
    assert ("etcd-quorum", "spare") in clauses
    assert ("etcd-quorum", "majority") not in clauses


def test_accepts_the_good_plan_with_its_figures() -> None:
    verdict = judge(good())
    assert verdict.proven
    assert verdict.states == sum(verdict.levels.values()) == 16625
    assert verdict.inferred == ("etcd-backup-drill",)
    assert verdict.findings == ()


def move_leader_elsewhere(tree: Tree) -> None:
    step(tree, "3.5-move-leader")["nodes"] = ["etcd1"]


@pytest.mark.parametrize("worsen", [move_leader_elsewhere, block_too_early, lambda tree: drop_check(tree, "packages-cached")])
def test_what_is_worse_but_harms_nobody_is_legal(worsen: Callable[[Tree], None]) -> None:
    # One leader more; the way back given up a member early; a check that the download step made sure of already.
    tree = good()
    worsen(tree)
    assert judge(tree).proven


def test_an_empty_plan_is_proven() -> None:
    tree = good()
    tree["phases"], tree["releases"] = [], {}
    verdict = judge(tree)
    assert verdict.proven
    assert verdict.exposures == ()
    assert verdict.states == 44


def test_the_story_of_a_skipped_minor_names_the_rule_and_its_source() -> None:
    tree = good()
    skip_a_minor(tree)
    verdict = judge(tree)
    told = "\n".join(verdict_text(verdict, KNOWLEDGE))
    assert "etcd2: etcd 3.5.16 is installed" in told or "etcd1: etcd 3.5.16 is installed" in told
    assert "a member starts a version that skips a line" in told
    assert KNOWLEDGE.by_id["etcd-one-minor"].source in told


def test_a_story_is_a_shortest_one() -> None:
    tree = good("3.4.23")
    tree["members"][1]["installed"] = "3.4.23"
    verdict = judge(tree)
    assert verdict.counterexample is not None
    assert verdict.counterexample.moments == ()


def test_what_is_too_large_to_visit_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upgrade_plans.prover.explore.LIMIT", 1000)
    with pytest.raises(KubedebError, match="more than 1,000 states") as caught:
        judge(good())
    assert caught.value.code is ExitCode.REFUSED


def test_a_row_of_two_is_a_finding_and_no_violation() -> None:
    tree = good()
    tree["members"][1]["row"] = tree["members"][0]["row"]
    verdict = judge(tree)
    assert verdict.proven
    assert verdict.findings == ("row a holds etcd1, etcd2: losing it leaves less than a majority",)


def test_other_inputs_are_a_finding() -> None:
    plan = Plan.model_validate(good())
    other = etcdcases.facts(members={"etcd1": {"revision": 51}})
    assert prove(plan, other, KNOWLEDGE).findings == ("the plan was made from other facts than these",)


def test_the_certificate_is_the_same_each_time_and_bound_to_its_inputs() -> None:
    plan = Plan.model_validate(good())
    document = certificate(plan, KNOWLEDGE, prove(plan, None, KNOWLEDGE))
    assert document == certificate(plan, KNOWLEDGE, prove(plan, None, KNOWLEDGE))
    assert document["proven"]
    assert document["model"] == "etcd-rolling/1"
    assert document["sha256"] == {"plan": digest(plan), "facts": None, "knowledge": KNOWLEDGE.digest}
    assert document["plan_says_made_from"] == plan.inputs.model_dump()
    assert document["not_claimed"]
    assert {exposure["fault"] for exposure in document["exposures"]} == {"process", "node", "row", "link"}


def test_the_certificate_holds_the_digest_of_the_facts_that_were_compared() -> None:
    plan, other = Plan.model_validate(good("3.4.23")), etcdcases.facts(members={"etcd1": {"revision": 51}})
    document = certificate(plan, KNOWLEDGE, prove(plan, other, KNOWLEDGE))
    assert document["sha256"]["facts"] == digest(other) != plan.inputs.facts
    told = "\n".join(verdict_text(prove(plan, other, KNOWLEDGE), KNOWLEDGE))
    assert f"from the facts {digest(other)[:12]}," in told
    told = "\n".join(verdict_text(prove(plan, None, KNOWLEDGE), KNOWLEDGE))
    assert "from the start that the plan states (no facts were given)," in told


def test_every_clause_names_rules_that_exist() -> None:
    assert all(rule in KNOWLEDGE.by_id for clause in CLAUSES for rule in clause.rules)
    assert len({(clause.invariant, clause.name) for clause in CLAUSES}) == len(CLAUSES)
