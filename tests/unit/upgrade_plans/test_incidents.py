"""Incidents that others had (`tests/cases/incidents`): each is found or refused; its twin, without the cause, is not."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
import yaml

import byhand
import referencecase
from changes import change, plain
from kubedeb import knowledge
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.knowledge.schema import DetectMode
from kubedeb.yamlfile import load as load_yaml
from upgrade_plans import clusterfile, factsfile
from upgrade_plans.checker import check_whole
from upgrade_plans.commands.targets import pair
from upgrade_plans.models.certificate import WholeCertificate
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.facts import Facts
from upgrade_plans.planner import NoPlan
from upgrade_plans.planner.detect import detect
from upgrade_plans.planner.whole import Request, make_upgrade
from upgrade_plans.prover.whole import certificate, prove_whole

CASES = referencecase.CASES
KNOWN = knowledge.load()
HEADINGS = 22
"""How many there are, numbered from 1; a number with a word behind it is another cause of the same one, or another place."""


def _listed(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = load_yaml(CASES / f"incidents/{name}.yaml", code=ExitCode.BUG).data["incidents"]
    return found


FOUND, REFUSED = _listed("found"), _listed("refused")
# The base loader makes texts only, as for the plans that these change.
PROVEN: list[dict[str, Any]] = yaml.load((CASES / "incidents/proven.yaml").read_text(), Loader=yaml.BaseLoader)["incidents"]  # noqa: S506


def named(case: dict[str, Any]) -> str:
    return f"{case['id']}: {case['name']}"


@cache
def files(base: str) -> tuple[dict[str, Any], Cluster]:
    facts = factsfile.load(CASES / f"clusters/{base}.facts.json")
    return facts.model_dump(mode="json", exclude_defaults=True), clusterfile.load(CASES / f"clusters/{base}.yaml")


def changed(base: str, *parts: dict[str, Any]) -> Facts:
    """Return the facts of a base after what each part sets in them."""
    tree = plain_copy(files(base)[0])
    for part in parts:
        for path, value in part.get("facts", ()):
            assert change(tree, path, plain(value)), path
    return Facts.model_validate(tree)


def plain_copy(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: plain_copy(value) for key, value in tree.items()}
    return [plain_copy(value) for value in tree] if isinstance(tree, list) else tree


def both(case: dict[str, Any]) -> tuple[tuple[dict[str, Any], ...], tuple[dict[str, Any], ...]]:
    """Return what changes the base of the incident, and of its twin."""
    given = case.get("given", {})
    return (given, case["differs"]), (given,)


def found(case: dict[str, Any], parts: tuple[dict[str, Any], ...]) -> set[str]:
    """Return the rules that `kubedeb cluster findings` names."""
    target = next((part["to"] for part in reversed(parts) if "to" in part), case.get("to", ()))
    seen = detect(changed(case["base"], *parts), dict(map(pair, map(str, target))), KNOWN).seen
    return {one.rule.id for one in seen}


def refused(case: dict[str, Any], parts: tuple[dict[str, Any], ...]) -> set[str]:
    """Return why `kubedeb plan make` makes no plan: rules, or `identity` where the files are of two clusters."""
    facts, (_, cluster) = changed(case["base"], *parts), files(case["base"])
    try:
        factsfile.check_same(facts, cluster)
    except KubedebError as error:
        if error.code is not ExitCode.FACTS:
            raise
        return {"identity"}
    made = make_upgrade(facts, cluster, Request(dict(map(pair, map(str, case["to"])))), KNOWN)
    return {reason.rule for reason in made.reasons} if isinstance(made, NoPlan) else set()


@pytest.mark.parametrize("case", FOUND, ids=named)
def test_a_cause_in_the_cluster_is_found(case: dict[str, Any]) -> None:
    incident, twin = both(case)
    assert found(case, incident) ^ found(case, twin) == set(case["found-by"])
    assert not found(case, twin) & set(case["found-by"])


@pytest.mark.parametrize("case", REFUSED, ids=named)
def test_a_start_is_refused(case: dict[str, Any]) -> None:
    incident, twin = both(case)
    assert refused(case, incident) == set(case["refused-by"])
    assert refused(case, twin) == set()


@pytest.mark.parametrize("case", PROVEN, ids=named)
def test_an_order_of_steps_is_refused(case: dict[str, Any]) -> None:
    incident, twin = both(case)
    short = byhand.plans()[case["plan"]]
    plan = byhand.changed(short, *incident)
    verdict = prove_whole(plan, KNOWN)
    assert {one.invariant for one in verdict.violations} == set(case["refused-by"]), verdict.violations
    stated = WholeCertificate.model_validate_json(json.dumps(certificate(plan, KNOWN, verdict)))
    assert check_whole(stated, plan, KNOWN) == ()
    verdict = prove_whole(byhand.changed(short, *twin), KNOWN)
    assert verdict.proven, verdict.violations


def test_none_is_left_out() -> None:
    numbers = {int(str(case["id"]).partition("-")[0]) for case in (*FOUND, *REFUSED, *PROVEN)}
    assert numbers == set(range(1, HEADINGS + 1))
    assert all(str(case["source"]).startswith("https://") for case in (*FOUND, *REFUSED, *PROVEN))


def test_what_catches_an_incident_catches_something_else_too() -> None:
    """A rule that is detected automatically has a hit and a twin made from its row; an invariant has other cases by hand."""
    rules = {rule for case in FOUND for rule in case["found-by"]}
    assert [rule for rule in rules if KNOWN.by_id[rule].detect.mode is not DetectMode.AUTO] == []
    others = "".join((CASES / f"{name}.yaml").read_text() for name in ("byhand/cases", "whole/cases", "stack/cases"))
    invariants = {rule for case in (*REFUSED, *PROVEN) for rule in case["refused-by"]} - {"identity"}
    assert [name for name in invariants if name not in others] == []
