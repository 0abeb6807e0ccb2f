"""Whole plans in short (`tests/cases/byhand`), written out as `plan make` writes them, and the cases that edit them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from upgrade_plans.models.plan import Duration
from upgrade_plans.models.upgrade import Inputs, Upgrade
from upgrade_plans.models.upgradekinds import StepKind

HERE = Path(__file__).parent.parent / "cases" / "byhand"
MOVING = {"etcd-hop", "apiserver", "managers", "workers", "calico-nodes"}
CHANGING = MOVING | {"calico-start", "calico-complete", "tillers", "config", "migrate", "switch-store"}
LISTS = {"pre", "post", "changes", "requires", "moves", "scope", "stores"}
DURATION = Duration(p50=60, p95=120).model_dump()
BY_HAND = {"reason": "by hand", "duration": DURATION}
INPUTS = Inputs(facts="", cluster_file="", knowledge="", procedures="").model_dump()
FROZEN = {"nodes", "row", "count", "down", "taints"}


def _load(name: str) -> Any:
    return yaml.load((HERE / name).read_text(), Loader=yaml.BaseLoader)  # noqa: S506  # the base loader makes texts only


def plans() -> dict[str, dict[str, Any]]:
    """Return the plans in short, by name."""
    found: dict[str, dict[str, Any]] = _load("plans.yaml")["plans"]
    return found


def cases() -> list[dict[str, Any]]:
    """Return the cases, each with its `plan` written out and its lists sorted."""
    known = plans()
    return [_written_out(case, known) for case in _load("cases.yaml")["cases"]]


def mission() -> Upgrade:
    """Return the whole upgrade of the reference cluster, by hand; it is proven."""
    case = next(case for case in _load("cases.yaml")["cases"] if case["name"] == "the mission by hand is proven")
    plan: Upgrade = _written_out(case, plans())["plan"]
    return plan


def _written_out(case: dict[str, Any], known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {**case, "plan": changed(known[case["plan"]], case), "expect": sorted(case["expect"])}


def changed(short: dict[str, Any], *cases: dict[str, Any]) -> Upgrade:
    """Return a plan in short in full, after what each case changes: its `facts`, its `steps`, then its `edit`s."""
    short = copy.deepcopy(short)
    steps = parsed(short["steps"])
    for case in cases:
        short |= case.get("facts", {})
        steps = parsed(case["steps"]) if "steps" in case else steps
        for edit in case.get("edit", []):
            steps = edited(steps, edit)
    return write_out(short, steps)


def parsed(lines: list[str]) -> list[dict[str, str]]:
    """Return lines as words: a phase is {"phase"}, a step {"kind", "id", "takes", "from", "to" …}."""
    found: list[dict[str, str]] = []
    number = 0
    for line in lines:
        words = line.split()
        if words[0] == "==":
            found.append({"phase": words[1]})
            continue
        number += 1
        step = {"kind": words[0], "id": f"{words[0]}-{number}"}
        plain = [word for word in words[1:] if "=" not in word and word != "cold"]
        step |= dict(zip(("takes", "from", "to"), plain, strict=False))
        step |= dict(word.split("=", 1) for word in words[1:] if "=" in word)
        if "cold" in words[1:]:
            step["cold"] = "yes"
        found.append(step)
    return found


def edited(steps: list[dict[str, str]], edit: dict[str, Any]) -> list[dict[str, str]]:
    """Return steps after one edit of a case."""
    name = edit.get("drop") or edit.get("set") or edit.get("before") or edit.get("after")
    at = next(number for number, step in enumerate(steps) if step.get("id") == name)
    if "drop" in edit:
        return [*steps[:at], *steps[at + 1 :]]
    if "set" in edit:
        changed = {key: value for key, value in edit.items() if key != "set"}
        return [*steps[:at], {**steps[at], **changed}, *steps[at + 1 :]]
    at += "after" in edit
    rest = []
    if any(line.startswith("==") for line in edit["add"]) and at < len(steps) and "phase" not in steps[at]:
        rest = [{"phase": f"{edit['add'][0].split()[1]}-rest"}]
    return [*steps[:at], *parsed(edit["add"]), *rest, *steps[at:]]


def write_out(short: dict[str, Any], steps: list[dict[str, str]]) -> Upgrade:
    """Return a plan in full."""
    counts = {name: count_of(one) for name, one in short.get("workers", {}).items()}
    counts |= {name: len(one["namespaces"]) for name, one in short.get("tillers", {}).items()}
    phases: list[dict[str, Any]] = []
    for step in steps:
        if "phase" in step:
            phases.append({"id": step["phase"], "title": step["phase"], "reason": "by hand", "steps": []})
        else:
            phases[-1]["steps"].append(_step(step, counts))
    if short.get("downloads") != "no":
        phases[0]["steps"][:0] = list(_downloads(phases))
    return Upgrade.model_validate(
        {
            "cluster": "dc", "target": {}, "inputs": INPUTS,
            "hosts": [_unit(name, one, "node") for name, one in short["hosts"].items()],
            "workers": [{**_unit(name, one, "id"), "nodes": one["nodes"], "count": counts[name],
                         "down": one.get("down") == "yes", "taints": one.get("taints", "")}
                        for name, one in short.get("workers", {}).items()],
            "tillers": [{"id": name, **one} for name, one in short.get("tillers", {}).items()],
            "settings": [{"file": f"/etc/default/{one['component']}", **one} for one in short.get("settings", [])],
            "changes": {name: {"file": f"/etc/default/{one['component']}", "reason": "by hand", **one}
                        for name, one in short.get("changes", {}).items()},
            "phases": phases,
            **{key: short[key] for key in ("cluster_version", "stores", "balancer", "apiserver_count", "tolerant",
                                           "managers_reach", "needed", "bgp_per_row") if key in short},
        }
    )  # fmt: skip


def count_of(group: dict[str, Any]) -> int:
    """Return how many nodes a group has."""
    low, _, high = group["nodes"].partition("[")[2].rstrip("]").partition("-")
    return int(high) - int(low) + 1


def _unit(name: str, one: dict[str, Any], called: str) -> dict[str, Any]:
    daemons = {key: {"running": value, "installed": value} for key, value in one.items() if key not in FROZEN}
    return {called: name, "row": one.get("row", ""), "daemons": daemons}


def _step(step: dict[str, str], counts: dict[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {"id": step["id"], "kind": step["kind"], "title": step["id"], **BY_HAND}
    takes = {}
    for word in filter(None, step.get("takes", "").split(",")):
        name, _, number = word.partition(":")
        takes[name] = int(number) if number else counts.get(name, 1)
    found |= {"takes": takes}
    for key in ("from", "to", "component", "window", "per_row", "store", "prefix"):
        if key in step:
            found[key] = step[key]
    for key in LISTS & step.keys() - {"scope", "stores"}:
        found[key] = [word for word in step[key].split(",") if word]
    found["with_ttl"] = step.get("ttl") == "yes"
    found |= _back(step)
    if step["kind"] == StepKind.OUTAGE:
        words = step["scope"].split(",")
        found["outage"] = {"stops": words, "scope": words, "longest": 1800, "until": step["until"]}
    if step["kind"] == StepKind.BACKUP:
        found["backup"] = {"stores": step["stores"].split(","), "cold": step.get("cold") == "yes", "how": "by hand"}
    return found


def _back(step: dict[str, str]) -> dict[str, Any]:
    """Return how a step is taken back and what it blocks."""
    found: dict[str, Any] = {}
    if step["kind"] in CHANGING and step.get("undo") != "no":
        found["undo"] = {"how": "back", **({"to": step["from"]} if "from" in step else {})}
    if "undo_pre" in step:
        found["undo"] = {"how": "back", "pre": step["undo_pre"].split(",")}
    if "loss" in step:
        found["undo"] = {**found.get("undo", {"how": "back"}), "loss": step["loss"]}
    if blocks := [word for word in step.get("blocks", "").split(",") if word]:
        pairs = [word.partition(":") for word in blocks]
        found["blocks"] = [{"state": state, "by": "this step", "loss": "what was written since", "backup": backup or None}
                           for state, _, backup in pairs]  # fmt: skip
        found["max_backup_age"] = 3600
    return found


def _downloads(phases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    moved = [step for phase in phases for step in phase["steps"] if step["kind"] in MOVING]
    pairs: dict[tuple[str, str, str], set[str]] = {}
    for step in moved:
        pairs.setdefault((step["kind"], step["from"], step["to"]), set()).update(step["takes"])
    return [
        {"id": f"get-{kind}-{to}-from-{old}", "kind": "download", "title": "packages", **BY_HAND,
         "takes": dict.fromkeys(sorted(names), 1), "from": old, "to": to}
        for (kind, old, to), names in pairs.items()
    ]  # fmt: skip
