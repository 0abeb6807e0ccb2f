"""Plans for whole stacks; what must come out of each case is data, written from the upgrade worked out by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

import referencecase
from changes import change, plain
from kubedeb.errors import ExitCode
from kubedeb.knowledge import Rule, Severity, load
from kubedeb.versions import Version
from kubedeb.yamlfile import load as load_yaml
from upgrade_plans import clusterfile, factsfile
from upgrade_plans.canonical import text_of
from upgrade_plans.checker import check_whole
from upgrade_plans.commands.targets import pair, patches
from upgrade_plans.models.certificate import WholeCertificate
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.facts import Facts
from upgrade_plans.models.nodesets import expand
from upgrade_plans.models.upgrade import Step, Upgrade
from upgrade_plans.models.upgradekinds import Check, Mode, StepKind, Store, When
from upgrade_plans.planner import NoPlan
from upgrade_plans.planner.stack import OF_PRODUCT
from upgrade_plans.planner.whole import Request, catalogue, make_upgrade
from upgrade_plans.prover.whole import certificate, prove_whole
from upgrade_plans.prover.wholesegments import Reductions, segments

CASES = referencecase.CASES
DOCUMENT = load_yaml(CASES / "whole/cases.yaml", code=ExitCode.BUG).data


@cache
def files(base: str) -> tuple[Facts, Cluster]:
    return factsfile.load(CASES / f"clusters/{base}.facts.json"), clusterfile.load(CASES / f"clusters/{base}.yaml")


def made(case: dict[str, Any]) -> Upgrade | NoPlan:
    facts, cluster = files(case["base"])
    if "facts" in case or "drop" in case:
        tree = facts.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        for path, value in case.get("facts", ()):
            assert change(tree, path, plain(value))
        for path in case.get("drop", ()):
            assert change(tree, path, None)
        facts = Facts.model_validate(tree)
    if "cluster" in case:
        tree = cluster.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        for path, value in case["cluster"]:
            assert change(tree, path, plain(value))
        cluster = Cluster.model_validate(tree)
    to = DOCUMENT["targets"].get(case["to"], ()) if isinstance(case["to"], str) else case["to"]
    limits = {str(name): str(text) for name, text in case.get("limits", {}).items()}
    request = Request(dict(map(pair, to)), Mode(case.get("mode", "usual")), limits, patches(case.get("via", ()), OF_PRODUCT),
                      tuple(case.get("also", ())), depool=case.get("depool") == "true")  # fmt: skip
    return make_upgrade(facts, cluster, request, load())


@cache
def reference() -> Upgrade:
    plan = made(DOCUMENT["cases"][0])
    assert isinstance(plan, Upgrade), plan
    return plan


def step(identity: str) -> Step:
    return next(one for one in reference().steps if one.id == identity)


@pytest.mark.parametrize(
    ("target", "says"),
    [({"helm": "2.9.2"}, "on 2.9.1, and its target is 2.9.2"), ({"storage": "etcd2"}, "on etcd3, and its target is etcd2"),
     ({"workers": "1.9.11"}, "on 1.10.13, and its target is 1.9.11")],
)  # fmt: skip
def test_an_end_beside_the_target_is_refused(target: dict[str, str], says: str) -> None:
    plan = reference()
    verdict = prove_whole(plan.model_copy(update={"target": plan.target | target}), load())
    assert {one.invariant for one in verdict.violations} == {"plan"}
    assert all(says in one.what for one in verdict.violations), verdict.violations


PASSES: dict[str, tuple[Callable[[Step], dict[str, Any]], set[str]]] = {
    "as it is": (lambda _: {}, set()),
    "nobody asks for the floor": (lambda one: {"pre": without(one, Check.FLOOR), "per_row": None, "window": 40}, {"capacity"}),
    "whole rows lose their sessions": (lambda _: {"bgp": True, "per_row": None, "window": 40}, {"bgp-up"}),
    "no way back": (lambda _: {"undo": None}, set()),
}  # fmt: skip


def without(one: Step, asked: Check) -> tuple[Check, ...]:
    return tuple(check for check in one.pre if check is not asked)


@pytest.mark.parametrize("name", PASSES)
def test_groups_that_are_alike_are_judged_as_one(name: str) -> None:
    change_of, broken = PASSES[name]
    plan = reference()
    edited = {one.id: one.model_copy(update=change_of(one)) if one.kind is StepKind.WORKERS else one for one in plan.steps}
    phases = [phase.model_copy(update={"steps": tuple(edited[one.id] for one in phase.steps)}) for phase in plan.phases]
    changed = plan.model_copy(update={"phases": tuple(phases), "needed": {"": 30}})
    apart, together = (segments(changed, load(), Reductions(groups=groups)) for groups in (False, True))
    assert together == apart
    assert {one.invariant for segment in together for one in segment.violations} == broken


def test_the_proof_of_an_empty_plan_is_empty() -> None:
    plan = made(next(case for case in DOCUMENT["cases"] if case["name"] == "target equals start"))
    assert isinstance(plan, Upgrade)
    verdict = prove_whole(plan, load())
    assert (verdict.proven, verdict.sequence.states, verdict.segments) == (True, 1, ())


@pytest.mark.parametrize("case", DOCUMENT["cases"], ids=lambda case: str(case["name"]))
def test_case(case: dict[str, Any]) -> None:
    plan = made(case)
    if "refused" in case:
        assert isinstance(plan, NoPlan), [phase.id for phase in plan.phases]
        assert {reason.rule for reason in plan.reasons} == set(case["refused"])
        said = " ".join(f"{reason.what} {reason.remedy}" for reason in plan.reasons)
        assert all(words in said for words in case.get("says", ())), said
        return
    assert isinstance(plan, Upgrade), plan
    if "phases" in case:
        assert [phase.id for phase in plan.phases] == case["phases"]
    if "drains" in case:
        assert plan.drains == int(case["drains"])
    ids = [one.id for one in plan.steps]
    for listed in case.get("order", ()):
        places = [ids.index(identity) for identity in listed]
        assert places == sorted(places), [ids[place] for place in sorted(places)]
    assert [name for name in case.get("has", ()) if not any(one.endswith(name) for one in ids)] == []
    moved = {one.id: list(one.moves) for one in plan.steps}
    assert {name: moved[name] for name in case.get("moved", ())} == case.get("moved", {})
    assert [name for name in case.get("lacks", ()) if any(one.endswith(name) for one in ids)] == []
    _check_rest(case, plan)


@pytest.mark.long
@pytest.mark.parametrize("case", [one for one in DOCUMENT["cases"] if "refused" not in one], ids=lambda case: str(case["name"]))
def test_a_certificate_is_found_again(case: dict[str, Any]) -> None:
    plan = made(case)
    assert isinstance(plan, Upgrade)
    document = json.loads(json.dumps(certificate(plan, load(), prove_whole(plan, load()))))
    assert document["proven"]
    assert check_whole(WholeCertificate.model_validate(document), plan, load()) == ()


def test_a_start_that_would_come_back_on_another_store_is_exposed_until_it_is_mended() -> None:
    name = "after a reboot API servers would run without --storage-backend"
    plan = made(next(one for one in DOCUMENT["cases"] if one["name"] == name))
    assert isinstance(plan, Upgrade)
    found = prove_whole(plan, load())
    assert found.proven
    mending = [step.id for step in plan.steps if step.kind is StepKind.CONFIG and step.component == "kube-apiserver"]
    ids = [step.id for step in plan.steps]
    exposed = {step for step, fault, _ in found.sequence.exposures if fault == "reboot"}
    assert exposed == set(ids[: ids.index(mending[-1]) + 1])
    before = plan.phases[: [phase.id for phase in plan.phases].index("configuration")]
    left = prove_whole(plan.model_copy(update={"phases": before, "target": {}}), load())
    assert ("etcd-store", "boots") in {(one.invariant, one.clause) for one in left.sequence.violations}


def _check_rest(case: dict[str, Any], plan: Upgrade) -> None:
    changes = {
        f"{one.when} {one.component} {line.setting} {line.old or '-'} {line.new or '-'}"
        for one in plan.changes.values() for line in one.lines
    }  # fmt: skip
    assert set(case.get("changes", ())) <= changes
    said = {finding.rule for finding in plan.findings} | {finding.what for finding in plan.findings}
    assert [words for words in case.get("finds", ()) if not any(words in str(text) for text in said)] == []
    assert [words for words in case.get("silent", ()) if any(words in str(text) for text in said)] == []
    by_id = {one.id: one for one in plan.steps}
    assert {name: by_id[name].window for name in case.get("windows", {})} == {
        name: int(size) for name, size in case.get("windows", {}).items()
    }
    reached = {one.id: " ".join(verify.expect for verify in one.verify) for one in plan.steps}
    assert [name for name, words in case.get("asks", {}).items() if words not in reached[name]] == []
    if "by-hand" in case:
        alone = {
            one.id.removeprefix(f"{phase.id}-") for phase in plan.phases for one in phase.steps if one.kind is StepKind.CHECK
        }
        assert alone & load().by_id.keys() == set(case["by-hand"])
    if "blocks" in case:
        assert [[one.id, block.state] for one in plan.steps for block in one.blocks] == case["blocks"]
    moved = {crowd for one in plan.steps if one.kind is StepKind.WORKERS for crowd in one.takes}
    kept = {node for crowd in plan.workers if crowd.id not in moved for node in expand(crowd.nodes)}
    assert set(case.get("leaves", ())) <= kept


@cache
def shows(row: str) -> tuple[dict[str, Any], ...]:
    """Return the cases in whose plans a row of configuration changes something."""
    plans = (
        (case, plan)
        for case in DOCUMENT["cases"]
        if "refused" not in case and isinstance(plan := planned(case["name"]), Upgrade)
    )
    return tuple(case for case, plan in plans if any(re.search(rf"-{row}(-\d+)?$", key) for key in plan.changes))


@cache
def planned(name: str) -> Upgrade | NoPlan:
    return made(next(case for case in DOCUMENT["cases"] if case["name"] == name))


def test_no_row_of_configuration_can_be_left_out_without_a_case_that_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, silent = catalogue.configuration(), []
    for row in whole.changes:
        known = shows(row.id)
        less = whole.model_copy(update={"changes": tuple(one for one in whole.changes if one is not row)})
        with monkeypatch.context() as patched:
            patched.setattr("upgrade_plans.planner.whole.writer.catalogue.configuration", lambda less=less: less)
            if not any(tells(case) for case in known):
                silent.append(row.id)
    assert silent == []


def tells(case: dict[str, Any]) -> bool:
    """Say whether a case fails now."""
    try:
        test_case(case)
    except AssertionError:
        return True
    return False


def test_each_step_of_the_reference_plan_is_well_formed() -> None:
    plan, seen, phases = reference(), set[str](), set[str]()
    units = {host.node for host in plan.hosts} | {crowd.id for crowd in plan.workers} | {"tillers-2.7.2"}
    for phase in plan.phases:
        phases.add(phase.id)
        for one in phase.steps:
            assert one.id not in seen
            assert set(one.requires) <= seen
            assert set(one.takes) <= units
            assert set(one.changes) <= plan.changes.keys()
            assert {block.state for block in one.blocks} <= phases
            assert {block.backup for block in one.blocks if block.backup} <= seen
            assert "{" not in one.title + one.reason
            assert set(one.rules) <= load().by_id.keys()
            seen.add(one.id)
    used = {key for one in plan.steps for key in one.changes}
    assert used == plan.changes.keys()


def test_the_same_input_gives_the_same_bytes() -> None:
    plan = made(DOCUMENT["cases"][0])
    assert isinstance(plan, Upgrade)
    assert text_of(plan) == text_of(reference())


def test_every_worker_is_taken_once_in_each_pass_and_within_the_limits() -> None:
    plan = reference()
    for phase in plan.phases:
        if phase.group in ("workers", "calico"):
            taken: dict[str, int] = {}
            for one in phase.steps:
                if one.kind in (StepKind.WORKERS, StepKind.CALICO_NODES):
                    for crowd, count in one.takes.items():
                        taken[crowd] = taken.get(crowd, 0) + count
                    assert one.window <= 4
                    assert one.per_row is not None
                    assert one.per_row <= (1 if one.bgp else 2)
                    floor = [bound.why for bound in one.bounds if bound.kind == "capacity"]
                    assert all(" GiB there, " in why for why in floor)
                    assert bool(floor) == (one.kind is StepKind.WORKERS)
            assert taken == {crowd.id: crowd.count for crowd in plan.workers}


def test_nothing_is_emptied_and_no_pod_is_deleted_inside_the_calico_window() -> None:
    phase = next(phase for phase in reference().phases if phase.id == "calico-3.1.7")
    ids = [one.id for one in phase.steps]
    window = phase.steps[ids.index("calico-3.1.7-open") : ids.index("calico-3.1.7-complete") + 1]
    assert {one.kind for one in window} == {
        StepKind.CALICO_START, StepKind.CALICO_NODES, StepKind.CALICO_CONTROLLERS, StepKind.CLIENTS, StepKind.GATE,
        StepKind.APPROVE, StepKind.CALICO_COMPLETE,
    }  # fmt: skip
    assert not any(one.drains for one in window)


def test_backups_hold_every_store_that_is_in_use() -> None:
    kept = {one.id: one.backup for one in reference().steps if one.backup is not None}
    assert {name: backup.stores for name, backup in kept.items()} == {
        "etcd-2.3.8-backup": (Store.V2,), "etcd-3.0.17-backup": (Store.V2,), "storage-etcd3-backup": (Store.V2, Store.V3),
        "etcd-3.1.12-backup": (Store.V2, Store.V3), "apiservers-1.8.15-backup": (Store.V2, Store.V3),
        "apiservers-1.9.11-backup": (Store.V2, Store.V3), "calico-3.1.7-backup": (Store.V2, Store.V3),
        "apiservers-1.10.13-backup": (Store.V3,), "closing-keep-registry": (Store.V2, Store.V3),
        "closing-keep-calico": (Store.V2, Store.V3),
    }  # fmt: skip


def test_a_hop_that_blocks_names_its_backup_and_how_old_it_may_be() -> None:
    hop = step("etcd-3.0.17-hop")
    assert [(block.state, block.backup) for block in hop.blocks] == [("etcd-3.0.17", "etcd-3.0.17-backup")]
    assert hop.max_backup_age is not None
    assert 600 <= hop.max_backup_age <= 3600
    assert Check.BACKUP_PROVEN in hop.pre
    assert hop.undo is not None
    assert hop.undo.to == "2.3.8"


def test_the_reference_plan_is_proven() -> None:
    verdict = prove_whole(reference(), load(), files("dc-a")[0])
    assert verdict.proven, verdict.violations


def test_points_of_no_return() -> None:
    blocked = {block.state: one.id for one in reversed(reference().steps) for block in one.blocks}
    assert blocked == {
        "etcd-2.3.8": "etcd-2.3.8-hop", "etcd-3.0.17": "etcd-3.0.17-hop", "etcd-3.1.12": "etcd-3.1.12-hop",
        "apiservers-1.8.15": "apiservers-1.8.15-change-a-master2", "apiservers-1.9.11": "apiservers-1.10.13-change-a-master2",
        "storage-etcd3": "storage-etcd3-first", "calico-3.1.7": "closing-delete-calico",
    }  # fmt: skip


def test_no_two_api_servers_name_the_same_member_first() -> None:
    firsts = {node: text.split(",")[0] for change in reference().changes.values() for line in change.lines
              if line.setting == "--etcd-servers" and line.new for node, text in [(change.nodes, line.new)]}  # fmt: skip
    assert firsts == {"a-master2": "https://a-etcd2:2379"}


def test_every_flag_is_accepted_by_the_binary_that_starts_with_it() -> None:
    """Follow the files through the plan: a setting that a change takes out was there, and what is left is accepted."""
    plan, knowledge = reference(), load()
    files = {(found.component, node): dict(found.arguments) | dict(found.environment)
             for found in plan.settings for node in expand(found.nodes)}  # fmt: skip
    written: set[str] = set()
    for one in plan.steps:
        for key in one.changes:
            if key in written:
                continue
            written.add(key)
            here = plan.changes[key]
            assert here.when is not When.BEFORE or one.kind is StepKind.CONFIG
            for node in expand(here.nodes):
                settings = files[here.component, node]
                for line in here.lines:
                    assert settings.get(line.setting) == line.old
                    settings.pop(line.setting, None)
                    if line.new is not None:
                        settings[line.setting] = line.new
        if one.kind is StepKind.WORKERS and one.to is not None:
            _accepted(files, knowledge, "kubelet", one.to)
        if one.kind is StepKind.APISERVER and one.to is not None:
            _accepted({key: value for key, value in files.items() if key[1] in one.takes}, knowledge, "kube-apiserver", one.to)


def test_no_step_by_hand_wants_a_flag_gone_before_the_binary_that_refuses_it() -> None:
    """Set every flag of which a rule says that it is gone, as long as some binary on the way still takes it."""
    knowledge, version = load(), Version.parse
    about = {rule.id: (rule, flags) for rule in knowledge.rules if (flags := only_flags(rule))}
    facts, cluster = files("dc-a")
    tree = facts.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    rows = [row for row in knowledge.flags if row.gone and version("1.8.0") <= version(row.gone) <= version("1.12.0")]
    for row in rows:
        for where in ("running", "disk"):
            path = f"nodes.*.daemons.{row.component}.{where}.arguments.{row.flag}"
            assert change(tree, path, tree_value(tree, row.component, row.flag))
    goals = {
        "kubernetes": version("1.12.10"),
        "etcd": version("3.2.32"),
        "storage": version("3.0.0"),
        "calico": version("3.1.7"),
    }
    plan = make_upgrade(Facts.model_validate(tree), cluster, Request(goals), knowledge)
    assert isinstance(plan, Upgrade), plan
    asked = {rule: one for one in plan.steps if one.kind is StepKind.CHECK for rule in one.rules if rule in about}
    assert set(asked) == {"kube-apiserver-1.10-keystone", "kubelet-1.10-init-config-dir", "kubelet-1.12-cadvisor-port"}
    for rule, one in asked.items():
        assert all(flag in one.verify[0].expect for flag in about[rule][1])
        assert "not before" in one.verify[0].expect
    dropped = {(one.component, line.setting) for one in plan.changes.values() for line in one.lines if line.new is None}
    assert {(row.component, row.flag) for row in rows} <= dropped


def only_flags(rule: Rule) -> set[str]:
    """Return the flags whose presence a rule is about, none where it is about anything else."""
    leaves = rule.detect.when.leaves if rule.detect.when is not None else ()
    gone = {(row.component, row.flag) for row in load().flags if row.gone}
    flags = {str(leaf.field).removeprefix("daemon.arguments[").removesuffix("]") for leaf in leaves if leaf.present}
    forbids = rule.severity is Severity.FORBID and len(flags) == len(leaves)
    return flags if forbids and all((rule.component, flag) in gone for flag in flags) else set()


def tree_value(tree: dict[str, Any], component: str, flag: str) -> str:
    """Return the value that a flag has already, else one."""
    daemons = [node["daemons"][component] for node in tree["nodes"].values() if component in node.get("daemons", {})]
    known = [one["disk"]["arguments"][flag] for one in daemons if flag in one["disk"].get("arguments", {})]
    return str(known[0]) if known else "1"


def _accepted(files: dict[tuple[str, str], dict[str, str]], knowledge: Any, component: str, version: str) -> None:
    refused = [
        row.flag for row in knowledge.flags if row.component == component and not row.accepted_by(Version.parse(version))
    ]
    left = {flag for (name, _), settings in files.items() if name == component for flag in refused if flag in settings}
    assert left == set()


def test_every_rule_that_the_tables_name_is_known() -> None:
    tables, rows = catalogue.procedures(), catalogue.configuration().changes
    steps = [*tables.preparation, *tables.closing, *tables.shared.values(), *(chore.step for chore in tables.chores)]
    steps += [one for procedure in (*tables.procedures, *tables.configuring) for one in tables.written(procedure)]
    named = {rule for one in steps for rule in (*one.rules, *one.seen)} | {
        rule for row in rows for rule in (*row.rules, *row.seen)
    }
    named |= {rule for procedure in tables.procedures for rule in procedure.handles} | {row.rule for row in tables.refusals}
    assert named <= load().by_id.keys()
    assert set(StepKind) == set(catalogue.durations())
