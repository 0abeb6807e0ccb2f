"""Flags by version: what a plan drops and a proof refuses, as data; and no row of the tables can be flipped unseen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

import byhand
from kubedeb.errors import ExitCode
from kubedeb.knowledge import Flag, Knowledge, RuleKind, load
from kubedeb.versions import Version
from kubedeb.yamlfile import load as load_yaml
from upgrade_plans.checker.wholefind import find
from upgrade_plans.models.upgrade import Upgrade
from upgrade_plans.prover.whole import prove_whole

CASES: dict[str, dict[str, dict[str, str]]] = load_yaml(Path(__file__).parents[2] / "cases/flags.yaml", code=ExitCode.BUG).data
SAYS = {
    "accepted": (True, False, False), "early": (False, False, True), "gone": (False, True, True),
    "dropped": (False, True, False), "unknown": (False, False, False),
}  # fmt: skip
"""By word: whether the row accepts it, whether a plan drops it on the way there, whether a proof refuses a start with it."""
WORKERS = ("kubelet", "kube-proxy")


@cache
def setting(component: str, flag: str, version: str) -> Upgrade:
    """Return a plan with one step that matters: a flag is given to a daemon that stays what it is."""
    hosts = {} if component in WORKERS else {"h1": {"row": "a", component: version}}
    workers = {"w": {"nodes": "n[1-1]", "row": "a", **dict.fromkeys(WORKERS, version)}} if component in WORKERS else {}
    line = {"setting": flag, "new": "1"}
    takes, nodes = ("w", "n1") if component in WORKERS else ("h1", "h1")
    short = {
        "hosts": hosts, "workers": workers, "downloads": "no",
        "cluster_version": version.rpartition(".")[0] + ".0" if component == "etcd" else "3.5.0",
        "changes": {"set": {"component": component, "nodes": nodes, "when": "before", "lines": [line]}},
        "steps": ["== set", f"config {takes} component={component} changes=set id=set"],
    }  # fmt: skip
    return byhand.changed(short)


def verdict(knowledge: Knowledge, component: str, flag: str, version: str, others: tuple[str, ...]) -> tuple[bool, bool, bool]:
    """Return what `SAYS` has; `others` are the versions from which a plan may come there. Prover and checker must agree."""
    rows = [row for row in knowledge.flags if (row.component, row.flag) == (component, flag)]
    now, older = Version.parse(version), [old for one in others if (old := Version.parse(one)) < Version.parse(version)]
    lost = [row.flag for old in older for row in knowledge.flags_lost(component, old, now)]
    plan = setting(component, flag, version)
    proven = {one.invariant for one in prove_whole(plan, knowledge).violations}
    checked = {invariant for invariant, _ in find(plan, knowledge).violated}
    assert ("flags-legal" in proven) == ("flags-legal" in checked), (component, flag, version)
    return all(row.accepted_by(now) for row in rows), flag in lost, "flags-legal" in proven


def test_every_row_has_cases() -> None:
    assert {(component, flag) for component, flags in CASES.items() for flag in flags} == {
        (row.component, row.flag) for row in load().flags
    }


@pytest.mark.parametrize("component", CASES)
def test_a_flag_is_taken_as_long_as_its_row_says(component: str) -> None:
    for flag, versions in CASES[component].items():
        found = {version: verdict(load(), component, flag, version, tuple(versions)) for version in versions}
        assert found == {version: SAYS[word] for version, word in versions.items()}, flag


def flips(row: Flag, knowledge: Knowledge) -> Iterator[Flag | None]:
    """Yield what a row could be instead: not there, without one of its bounds, with a bound one line up or down."""
    yield None
    hops = knowledge.of("etcd" if row.component == "etcd" else "kubernetes", RuleKind.HOP)
    for name in ("first", "last", "gone"):
        text = getattr(row, name)
        if text is not None:
            yield row.model_copy(update={name: None})
            here = Version.parse(text).line
            above = [hop.to.line for hop in hops if hop.from_.line == here]
            below = [hop.from_.line for hop in hops if hop.to.line == here]
            for line in filter(None, (*above, *below)):
                yield row.model_copy(update={name: str(Version(*line, 99 if name == "last" else 0))})


@pytest.mark.parametrize("component", CASES)
def test_no_row_can_be_flipped_without_a_case_that_tells(component: str) -> None:
    knowledge, silent = load(), []
    for place, row in enumerate(knowledge.flags):
        if row.component != component:
            continue
        versions = CASES[component][row.flag]
        for flipped in flips(row, knowledge):
            rows = (*knowledge.flags[:place], *((flipped,) if flipped else ()), *knowledge.flags[place + 1 :])
            changed = replace(knowledge, flags=rows)
            told = (verdict(changed, component, row.flag, one, tuple(versions)) != SAYS[word] for one, word in versions.items())
            if not any(told):
                silent.append(f"{row.flag}: {flipped}")
    assert silent == []
