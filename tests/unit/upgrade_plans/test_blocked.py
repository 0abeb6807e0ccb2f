"""A start on a blocked version: its way out is planned and proven with an exposure; what stays or comes later is refused."""

from __future__ import annotations

import json
from functools import cache

import pytest

import referencecase
from changes import change
from kubedeb.knowledge import load
from upgrade_plans import clusterfile, factsfile
from upgrade_plans.checker import check, check_whole
from upgrade_plans.commands.targets import pair
from upgrade_plans.models.certificate import Certificate, WholeCertificate
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.facts import Facts
from upgrade_plans.models.plan import Plan
from upgrade_plans.models.upgrade import Upgrade
from upgrade_plans.models.upgradekinds import StepKind
from upgrade_plans.planner import NoPlan, make_plan
from upgrade_plans.planner.whole import Request, make_upgrade
from upgrade_plans.prover import prove
from upgrade_plans.prover.certificate import certificate as etcd_certificate
from upgrade_plans.prover.whole import certificate, prove_whole

BASE = referencecase.CASES / "clusters"
OFFERED = [
    {"version": f"{text}-1~deb12u1", "sha256": str(n) * 64, "size": 1} for n, text in enumerate(("3.5.1", "3.5.2", "3.5.16"))
]


@cache
def cluster() -> Cluster:
    return clusterfile.load(BASE / "modern.yaml")


@cache
def facts() -> Facts:
    """Return the modern cluster with every member on 3.5.1."""
    tree = factsfile.load(BASE / "modern.facts.json").model_dump(mode="json", exclude_defaults=True)
    package = {"installed": "3.5.1-1~deb12u1", "available": OFFERED}
    values: tuple[tuple[str, object], ...] = (
        ("etcd.*.running", "3.5.1"), ("nodes.*.daemons.etcd.running.version", "3.5.1"),
        ("nodes.*.daemons.etcd.disk.version", "3.5.1"),
        *((f"nodes.cp{number}.packages.etcd-{part}", package) for number in (1, 2, 3) for part in ("server", "client")),
    )  # fmt: skip
    for path, value in values:
        assert change(tree, path, value)
    return Facts.model_validate(tree)


@cache
def whole() -> Upgrade:
    plan = make_upgrade(facts(), cluster(), Request(dict(map(pair, ["kubernetes=1.32.4", "etcd=3.5.16"]))), load())
    assert isinstance(plan, Upgrade), plan
    return plan


def test_it_is_left_before_anything_else_moves() -> None:
    assert [phase.id for phase in whole().phases if phase.group][:2] == ["etcd-3.5.16", "apiservers-1.32.4"]


def test_another_patch_of_a_line_blocks_no_way_back() -> None:
    hops = [step for step in whole().steps if step.kind is StepKind.ETCD_HOP]
    assert [(step.id, len(step.takes), step.blocks, step.undo and step.undo.to) for step in hops] == [
        ("etcd-3.5.16-followers", 2, (), "3.5.1"), ("etcd-3.5.16-last", 1, (), "3.5.1"),
    ]  # fmt: skip


def test_the_way_out_is_proven_and_exposed_until_the_last_member_has_left() -> None:
    plan = whole()
    verdict = prove_whole(plan, load())
    assert verdict.proven, verdict.violations
    exposed = [step for step, fault, _ in verdict.sequence.exposures if fault == "blocked"]
    ids = [step.id for step in plan.steps]
    assert sorted(exposed, key=ids.index) == ids[: ids.index("etcd-3.5.16-last") + 1]
    tree = json.loads(json.dumps(certificate(plan, load(), verdict)))
    assert check_whole(WholeCertificate.model_validate(tree), plan, load()) == ()
    tree["exposures"] = [one for one in tree["exposures"] if one["fault"] != "blocked"]
    assert any(one.startswith("exposures: ") for one in check_whole(WholeCertificate.model_validate(tree), plan, load()))


@pytest.mark.parametrize(
    ("order", "clause"), [([0, 1, 3, 4, 5, 2, 6], "first"), ([0, 1, 3, 4, 5, 6], "stays")], ids=["later", "not at all"]
)
def test_what_leaves_it_later_or_not_at_all_is_refused(order: list[int], clause: str) -> None:
    free = [phase.model_copy(update={"steps": tuple(step.model_copy(update={"requires": ()}) for step in phase.steps)})
            for phase in whole().phases]  # fmt: skip
    phases = tuple(free[number] for number in order)
    target = {name: text for name, text in whole().target.items() if name != "etcd"}
    plan = whole().model_copy(update={"phases": phases, "target": target})
    verdict = prove_whole(plan, load())
    found = {(one.invariant, one.clause) for one in verdict.violations}
    assert {("blocked", "first"), ("blocked", clause)} == {one for one in found if one[0] == "blocked"}
    tree = json.loads(json.dumps(certificate(plan, load(), verdict)))
    assert check_whole(WholeCertificate.model_validate(tree), plan, load()) == ()


# The same for a plan of etcd alone.


def of_etcd(target: str = "3.5.16") -> Plan:
    plan = make_plan(facts(), cluster(), {"etcd": target}, load())
    assert isinstance(plan, Plan), plan
    return plan


def moved(plan: Plan, to: str, *, without: str = "") -> Plan:
    """Return a plan whose changes go to another version, and one member is left out."""
    tree = plan.model_dump(mode="json", by_alias=True)
    for phase in tree["phases"]:
        phase["steps"] = [step for step in phase["steps"] if step["kind"] != "change" or step["nodes"] != [without]]
        for step in phase["steps"]:
            step["to"] = to
            step["requires"] = []
    release = tree["releases"]["3.5.16"]
    tree["releases"][to] = json.loads(json.dumps(release).replace("3.5.16", to))
    return Plan.model_validate(tree)


def test_of_etcd_alone_it_is_proven_with_an_exposure() -> None:
    verdict = prove(of_etcd(), None, load(), with_evidence=True)
    assert verdict.proven, verdict.violations
    inherited = [one.step for one in verdict.exposures if one.fault == "blocked"]
    assert inherited == [step.id for step in of_etcd().steps]
    tree = json.loads(json.dumps(etcd_certificate(of_etcd(), load(), verdict)))
    assert check(Certificate.model_validate(tree), of_etcd(), load()) == ()
    tree["exposures"] = [one for one in tree["exposures"] if one["fault"] != "blocked"]
    assert any(one.startswith("exposures: ") for one in check(Certificate.model_validate(tree), of_etcd(), load()))


@pytest.mark.parametrize(("to", "without", "clause"), [("3.5.2", "", "brought"), ("3.5.16", "cp2", "stays")])
def test_of_etcd_alone_none_is_brought_and_none_stays(to: str, without: str, clause: str) -> None:
    plan = moved(of_etcd(), to, without=without)
    verdict = prove(plan, None, load(), with_evidence=True)
    assert {(one.invariant, one.clause) for one in verdict.violations} == {("blocked", clause)}
    tree = json.loads(json.dumps(etcd_certificate(plan, load(), verdict)))
    assert check(Certificate.model_validate(tree), plan, load()) == ()
    tree |= {"violations": [], "proven": True}
    assert check(Certificate.model_validate(tree), plan, load())


def test_a_blocked_target_has_no_plan() -> None:
    made = make_plan(facts(), cluster(), {"etcd": "3.5.2"}, load())
    assert isinstance(made, NoPlan)
    assert [reason.rule for reason in made.reasons] == ["etcd-blocked-3.5.0-2"]


def test_of_etcd_alone_no_undo_brings_one_that_was_not_there() -> None:
    """A way back to what a member began on is one; to another blocked version it is not."""
    tree = moved(of_etcd(), "3.5.16").model_dump(mode="json", by_alias=True)
    for phase in tree["phases"]:
        for step in phase["steps"]:
            if step["undo"]:
                step["undo"]["to"] = "3.5.2"
    tree["releases"]["3.5.2"] = json.loads(json.dumps(tree["releases"]["3.5.16"]).replace("3.5.16", "3.5.2"))
    plan = Plan.model_validate(tree)
    verdict = prove(plan, None, load(), with_evidence=True)
    assert ("blocked", "undone") in {(one.invariant, one.clause) for one in verdict.violations}
    made = json.loads(json.dumps(etcd_certificate(plan, load(), verdict)))
    assert check(Certificate.model_validate(made), plan, load()) == ()
