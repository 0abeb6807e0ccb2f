"""The planner against cases: a start, a target, and the outline of the plan or what the refusal must say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import etcdcases
from kubedeb.errors import ExitCode
from kubedeb.knowledge import load as load_knowledge
from kubedeb.yamlfile import load as load_yaml
from upgrade_plans.canonical import text_of
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.facts import Facts
from upgrade_plans.models.plan import DAY, Check, Duration, Plan, StepKind
from upgrade_plans.models.upstream import upstream_of
from upgrade_plans.planner import NoPlan, make_plan
from upgrade_plans.planner.durations import backup_age
from upgrade_plans.planner.findings import findings
from upgrade_plans.prover import prove

CASES = Path(__file__).parents[2] / "cases/etcd"
KNOWLEDGE = load_knowledge()


def cases(name: str) -> list[Any]:
    read = load_yaml(CASES / name, code=ExitCode.USAGE).data["cases"]
    return [pytest.param(case, id=str(case["about"])) for case in read]


def plain(value: Any) -> Any:
    """Return what a test case means by `null` and `true` (the loader reads every scalar as a string)."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return {"null": None, "true": True, "false": False}.get(value, value)


def read(case: dict[str, Any]) -> tuple[Facts, Cluster]:
    start = plain(case["start"])
    cluster = etcdcases.cluster(len(start["running"]), start.pop("rows", None))
    return etcdcases.facts(**start, of=cluster), cluster


def planned(case: dict[str, Any]) -> Plan | NoPlan:
    return make_plan(*read(case), {"etcd": case["target"]}, KNOWLEDGE)


@pytest.mark.parametrize("case", cases("ways.yaml"))
def test_plans_the_way(case: dict[str, Any]) -> None:
    plan = planned(case)
    assert isinstance(plan, Plan), plan
    shown = [step.id + (f" {step.nodes[0]}" if step.kind in (StepKind.BACKUP, StepKind.DRILL, StepKind.MOVE_LEADER) else "")
             for step in plan.steps]  # fmt: skip
    assert shown == case["steps"]
    assert [step.id for step in plan.steps if step.blocks] == case["blocking"]
    told = findings(plan, KNOWLEDGE, read(case)[0])
    for wanted in case.get("findings", []):
        assert any(wanted in finding.what for finding in told)
    assert not {finding.rule for finding in told} & set(case.get("silent", []))
    unsure = {finding.rule for finding in told if "The facts do not say" in finding.remedy}
    assert unsure >= set(case.get("asks", []))
    verdict = prove(plan, None, KNOWLEDGE)
    assert verdict.violations == ()
    # With three members there is nothing to spare while one is changed, and only then; with five there is.
    exposed = {exposure.step for exposure in verdict.exposures if exposure.fault != "row" or "findings" not in case}
    changes = {step.id for step in plan.steps if step.kind is StepKind.CHANGE}
    assert exposed == (changes if len(plan.members) == 3 else set())


@pytest.mark.parametrize("case", cases("refusals.yaml"))
def test_refuses_and_says_why(case: dict[str, Any]) -> None:
    refused = planned(case)
    assert isinstance(refused, NoPlan)
    said = "\n".join(f"{reason.what} | {reason.remedy}" for reason in refused.reasons)
    for wanted in case["says"]:
        assert wanted in said
    if "rule" in case:
        assert case["rule"] in {reason.rule for reason in refused.reasons}
    assert {reason.rule for reason in refused.reasons if reason.rule} - KNOWLEDGE.by_id.keys() <= {"installed-running"}
    assert all(reason.remedy for reason in refused.reasons)


def test_a_target_that_no_rules_are_known_for() -> None:
    refused = make_plan(etcdcases.facts(), etcdcases.cluster(), {"etcd": "3.4.23", "docker": "20.10"}, KNOWLEDGE)
    assert isinstance(refused, NoPlan)
    assert "docker" in refused.reasons[0].what


def test_all_that_is_wrong_is_said_at_once() -> None:
    broken = {"etcd1": {"alarms": ["NOSPACE"]}, "etcd3": {"healthy": False}}
    refused = make_plan(etcdcases.facts(members=broken), etcdcases.cluster(), {"etcd": "3.5.16"}, KNOWLEDGE)
    assert isinstance(refused, NoPlan)
    assert len(refused.reasons) == 2


def hop_plan() -> Plan:
    plan = make_plan(etcdcases.facts(), etcdcases.cluster(), {"etcd": "3.5.16"}, KNOWLEDGE)
    assert isinstance(plan, Plan)
    return plan


def test_each_step_says_why_and_names_rules_that_exist() -> None:
    plan = hop_plan()
    assert all(step.reason for step in plan.steps)
    assert all(rule in KNOWLEDGE.by_id for step in plan.steps for rule in step.rules)
    assert all(step.rules for step in plan.steps if step.kind is StepKind.CHANGE)


def test_flags_that_a_hop_loses_are_a_finding() -> None:
    found = [finding for finding in findings(hop_plan(), KNOWLEDGE) if "--debug" in finding.what]
    assert [finding.what for finding in found] == [
        "3.4.23 → 3.5.16: etcd 3.5.16 does not start with --debug, which 3.4.23 accepts"
    ]
    assert "--log-level=debug" in found[0].remedy


def test_a_step_that_blocks_needs_the_proven_backup_and_has_no_undo() -> None:
    for step in hop_plan().steps:
        if step.blocks:
            assert Check.BACKUP_PROVEN in step.pre
            assert step.undo is None
            assert step.max_backup_age is not None
            assert f"at most {step.max_backup_age // 60} minutes old" in step.blocks[0].loss
        elif step.kind is StepKind.CHANGE:
            assert step.undo is not None
            assert step.undo.to == step.from_


def test_each_step_requires_the_one_before() -> None:
    steps = hop_plan().steps
    assert [step.requires for step in steps] == [(), *((step.id,) for step in steps[:-1])]


def test_releases_are_pinned_by_the_digest_that_apt_states() -> None:
    release = hop_plan().releases["3.4.23"]
    assert release.packages["etcd-server"].version == "3.4.23-1~deb12u1"
    assert release.packages["etcd-server"].sha256 == etcdcases.digest("etcd-server", "3.4.23-1~deb12u1")


def test_the_way_back_takes_the_very_package_that_is_installed() -> None:
    offered = ["3.3.25", "3.3.25-2~deb12u1", "3.4.23", "3.4.23-2~deb12u1"]
    plan = make_plan(etcdcases.facts(offered=offered), etcdcases.cluster(), {"etcd": "3.4.23"}, KNOWLEDGE)
    assert isinstance(plan, Plan)
    assert plan.releases["3.3.25"].packages["etcd-server"].version == "3.3.25-1~deb12u1"
    assert plan.releases["3.4.23"].packages["etcd-server"].version == "3.4.23-2~deb12u1"


def test_one_version_with_two_digests_is_no_package() -> None:
    facts = etcdcases.facts().model_dump(mode="json")
    facts["nodes"]["etcd2"]["packages"]["etcd-client"]["available"][1]["sha256"] = "0" * 64
    refused = make_plan(Facts.model_validate(facts), etcdcases.cluster(), {"etcd": "3.4.23"}, KNOWLEDGE)
    assert isinstance(refused, NoPlan)
    assert [reason.what for reason in refused.reasons] == ["etcd-client 3.4.23 is not the same package on every node"]


def test_a_large_database_takes_longer_to_drill() -> None:
    big = etcdcases.facts(members={"etcd2": {"db_size": 2_000_000_000}})
    plan = make_plan(big, etcdcases.cluster(), {"etcd": "3.4.23"}, KNOWLEDGE)
    assert isinstance(plan, Plan)
    drill = next(step for step in plan.steps if step.kind is StepKind.DRILL)
    assert drill.duration.p50 > 400
    allowed = [step.max_backup_age for step in plan.steps if step.max_backup_age is not None]
    assert drill.duration.p95 < allowed[0] <= DAY


def test_the_backup_may_be_as_old_as_a_slow_run_makes_it_and_a_day_at_most() -> None:
    assert [step.max_backup_age for step in hop_plan().steps if step.blocks] == [600, 600]
    slow = [hop_plan().steps[0].model_copy(update={"duration": Duration(p50=1, p95=p95)}) for p95 in (400, 311)]
    assert backup_age(slow) == 24 * 60
    assert backup_age(slow * 100) == DAY


@pytest.mark.parametrize(
    ("debian", "upstream"),
    [("3.3.25-1~deb12u1", "3.3.25"), ("3.3.25+dfsg-6", "3.3.25"), ("1:3.5.16-4", "3.5.16"), ("3.5.0~rc1-1", "3.5.0-rc1"),
     ("2021.1-1", None), ("nonsense", None)],
)  # fmt: skip
def test_reads_the_upstream_version_out_of_a_debian_one(debian: str, upstream: str | None) -> None:
    found = upstream_of(debian)
    assert (str(found) if found else None) == upstream


PATCHES = ("3.2.32", "3.3.24", "3.3.25", "3.4.19", "3.4.22", "3.4.23", "3.5.6", "3.5.16")


@st.composite
def starts(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.sampled_from([3, 3, 3, 4, 5]))
    lower = draw(st.sampled_from(PATCHES))
    upper = draw(st.sampled_from([version for version in PATCHES if version >= lower][:4]))
    running = draw(st.lists(st.sampled_from([lower, upper]), min_size=count, max_size=count))
    return {
        "running": running,
        "leader": f"etcd{draw(st.integers(1, count))}",
        "offered": draw(st.lists(st.sampled_from(PATCHES), unique=True, min_size=4).map(sorted)),
    }


@settings(max_examples=25, deadline=None)
@given(start=starts(), target=st.sampled_from(PATCHES))
def test_what_is_planned_is_proven_and_the_same_input_gives_the_same_bytes(start: dict[str, Any], target: str) -> None:
    cluster = etcdcases.cluster(len(start["running"]))
    facts = etcdcases.facts(**start, of=cluster)
    plan = make_plan(facts, cluster, {"etcd": target}, KNOWLEDGE)
    again = make_plan(Facts.model_validate(facts.model_dump()), cluster, {"etcd": target}, KNOWLEDGE)
    if isinstance(plan, NoPlan):
        assert plan == again
        assert plan.reasons
        return
    assert isinstance(again, Plan)
    assert text_of(plan) == text_of(again)
    assert prove(plan, facts, KNOWLEDGE).violations == ()
