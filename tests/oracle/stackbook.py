"""Stack plans from tests/cases/stack: short lines of steps, read into plans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from upgrade_plans.models.stackplan import StackPlan

CASES = Path(__file__).parents[1] / "cases" / "stack" / "cases.yaml"
Tree = dict[str, Any]


def cases() -> list[Tree]:
    """Return the cases, each with its plan under `plan`."""
    tree: Tree = yaml.load(CASES.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return [{**case, "plan": plan_of(case, tree["starts"])} for case in tree["cases"]]


def plan_of(case: Tree, starts: Tree) -> StackPlan:
    """Return a case's plan."""
    steps = [step_of(number, line) for number, line in enumerate(case["steps"], 1)]
    if case.get("downloads", True):
        targets = [(name, count, step) for step in steps for name, count in step["takes"].items()]
        steps = [
            {**step, "id": f"download-{number}", "kind": "download", "takes": {name: 1}, "pre": []}
            for number, (name, _, step) in enumerate(targets)
        ] + steps  # fmt: skip
    return StackPlan.model_validate({"cluster": "reference", **starts[case["start"]], **case.get("with", {}), "steps": steps})


def step_of(number: int, line: str) -> Tree:
    """Return the step that a line says."""
    kind, targets, old, new, *options = line.split()
    pairs = (target.partition(":") for target in targets.split(","))
    takes = {name: int(count or 1) for name, _, count in pairs}
    step: Tree = {
        "id": f"{number}-{kind}", "kind": kind, "takes": takes, "from": old, "to": new, "pre": ["healthy", "floor", "balancer"],
    }  # fmt: skip
    for option in options:
        name, _, value = option.partition("=")
        if name in ("window", "per_row"):
            step[name] = int(value)
        elif name == "pre":
            step["pre"] = value.split(",")
        elif name == "proxy":
            step["proxy"] = value
        else:
            step |= {"bgp": True} if name == "bgp" else {"undo": False}
    return step
