"""Small stack plans: good ones, and good ones after a few edits; each drawn by a seed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

from upgrade_plans.models.stackplan import StackPlan

Tree = dict[str, Any]
LINES = ("1.7.16", "1.8.15", "1.9.11", "1.10.13")
CHECKS = ("healthy", "floor", "balancer")


def step(kind: str, takes: dict[str, int], way: tuple[str, str], **more: Any) -> Tree:
    """Return a step; ids are given when the plan is finished."""
    return {"id": "s", "kind": kind, "takes": takes, "from": way[0], "to": way[1], "pre": list(CHECKS), **more}


def fleet(rng: Random) -> Tree:
    """Return a start: one to three servers, one to three groups of workers."""
    servers = [
        {"node": f"cp{n}", "row": rng.choice("ab"), "version": LINES[0], "managers": rng.choice([LINES[0], LINES[0], None]),
         "via": rng.choice(["beside", "beside", "balancer"])}
        for n in range(rng.choice([1, 2, 2, 2, 3]))
    ]  # fmt: skip
    workers = [
        {"id": f"w{n}", "count": rng.choice([1, 2, 2, 3] if n == 0 else [1, 1, 2]), "row": rng.choice("ab"),
         "taints": rng.choice(["", "", "gpu"]),
         "version": LINES[0], "down": n > 0 and rng.random() < 0.1}
        for n in range(rng.choice([1, 1, 1, 2]))
    ]  # fmt: skip
    return {
        "cluster": "cases", "servers": servers, "workers": workers, "steps": [],
        "pool": {"threshold": rng.choice([0.0, 0.0, 0.3, 0.6]) if len(servers) > 1 else 0.0},
        "needed": {"": rng.choice([0, 0, 1, 2])},
    }  # fmt: skip


def hops(tree: Tree, lines: tuple[str, ...], rng: Random) -> list[Tree]:
    """Return the steps of a way through the lines: servers, managers, and workers where skew or the end asks for it."""
    names = [one["node"] for one in tree["servers"]]
    managed = [one["node"] for one in tree["servers"] if one["managers"]]
    groups = {one["id"]: one["count"] for one in tree["workers"] if not one["down"]}
    every = {**dict.fromkeys(names, 1), **groups}
    made, at = [], lines[0]
    for number, way in enumerate(pairwise(lines)):
        made.append(step("download", every, way))
        made += [step("apiserver", {name: 1}, way) for name in names]
        made += [step("managers", {name: 1}, way) for name in managed]
        if groups and (number == len(lines) - 2 or number % 2):
            made.append(step("download", every, (at, way[1])))
            takes = dict(groups)
            if sum(takes.values()) > 1 and rng.random() < 0.5:
                first = next(iter(takes))
                made.append(step("workers", {first: 1}, (at, way[1])))
                takes[first] -= 1
                takes = {name: count for name, count in takes.items() if count}
            made.append(step("workers", takes, (at, way[1]), window=rng.choice([1, 2, 3]), per_row=rng.choice([None, 1, 2])))
            at = way[1]
    return made


def _drop(tree: Tree, rng: Random) -> None:
    tree["steps"].pop(rng.randrange(len(tree["steps"])))


def _swap(tree: Tree, rng: Random) -> None:
    one, two = rng.randrange(len(tree["steps"])), rng.randrange(len(tree["steps"]))
    tree["steps"][one], tree["steps"][two] = tree["steps"][two], tree["steps"][one]


def _uncheck(tree: Tree, rng: Random) -> None:
    lost = rng.choice(CHECKS)
    for one in tree["steps"]:
        one["pre"] = [check for check in one["pre"] if check != lost]


def _widen(tree: Tree, rng: Random) -> None:
    for one in tree["steps"]:
        one |= {"window": 3, "per_row": None}


def _no_undo(tree: Tree, rng: Random) -> None:
    rng.choice(tree["steps"])["undo"] = False


def _farther(tree: Tree, rng: Random) -> None:
    rng.choice(tree["steps"])["to"] = rng.choice(LINES)


def _bgp(tree: Tree, rng: Random) -> None:
    tree["bgp"] = rng.choice([1, 2])
    for one in tree["steps"]:
        one["bgp"] = one["kind"] == "workers"


def _needs(tree: Tree, rng: Random) -> None:
    tree["needed"] = {"": rng.choice([1, 2, 3]), "gpu": rng.choice([0, 1, 2])}


def _threshold(tree: Tree, rng: Random) -> None:
    tree["pool"] = {"threshold": rng.choice([0.4, 0.5, 0.6, 1.0])}


def _via(tree: Tree, rng: Random) -> None:
    for one in tree["servers"]:
        one["via"] = "balancer"


def _behind(tree: Tree, rng: Random) -> None:
    tree["workers"][-1] |= {"down": True}


def _count(tree: Tree, rng: Random) -> None:
    tree["apiserver_count"] = rng.choice([1, len(tree["servers"])])


def _intolerant(tree: Tree, rng: Random) -> None:
    tree["tolerant"] = False


def _proxy(tree: Tree, rng: Random) -> None:
    for one in tree["steps"]:
        if one["kind"] == "workers":
            one["proxy"] = rng.choice(LINES[:3])


def _installed(tree: Tree, rng: Random) -> None:
    rng.choice(tree["servers"] + tree["workers"])["installed"] = rng.choice(LINES[:2])


EDITS: tuple[Callable[[Tree, Random], None], ...] = (
    _drop, _swap, _uncheck, _widen, _no_undo, _farther, _bgp, _needs, _threshold, _via, _behind, _count, _intolerant, _proxy,
    _installed,
)  # fmt: skip


def small(seed: int) -> StackPlan:
    """Return the small stack plan of a seed: a part of a good one, mostly with up to three edits."""
    rng = Random(seed)  # noqa: S311 - cases, not secrets
    tree = fleet(rng)
    lines = LINES[: rng.choice([2, 2, 2, 3])]
    tree["steps"] = hops(tree, lines, rng)
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        if tree["steps"]:
            rng.choice(EDITS)(tree, rng)
    for number, one in enumerate(tree["steps"]):
        tree["steps"][number] = {**one, "id": f"s{number}-{one['kind']}"}
    return StackPlan.model_validate(tree)
