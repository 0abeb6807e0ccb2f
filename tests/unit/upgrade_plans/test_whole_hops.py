"""Hops of etcd that are judged once where they are alike: a hop that differs in what is judged has a verdict of its own."""

from __future__ import annotations

from itertools import pairwise

import byhand
from kubedeb.knowledge import load
from upgrade_plans.models.upgrade import Step, Upgrade
from upgrade_plans.models.upgradekinds import StepKind
from upgrade_plans.prover.wholesegments import Reductions, Segment, segments

MISSION = next(case["plan"] for case in byhand.cases() if case["name"] == "the mission by hand is proven")
HOP = next(step for step in MISSION.steps if step.kind is StepKind.ETCD_HOP)
MEMBERS = ("e1", "e2")


def hop(number: int, old: str, new: str) -> Step:
    """Return a hop of both members that can be taken back."""
    assert HOP.undo is not None
    changed = {"id": f"hop-{number}", "from_": old, "to": new, "takes": dict.fromkeys(MEMBERS, 1), "blocks": (),
               "max_backup_age": None, "undo": HOP.undo.model_copy(update={"to": old})}  # fmt: skip
    return HOP.model_copy(update=changed)


def plan_of(*versions: str, running: str | None = None) -> Upgrade:
    """Return a plan that takes two members from version to version; `running`: what the first runs beside what is installed."""
    hosts = []
    for host in MISSION.hosts:
        if host.node in MEMBERS:
            told = {"running": running if running and host.node == MEMBERS[0] else versions[0], "installed": versions[0]}
            daemon = host.daemons["etcd"].model_copy(update=told)
            hosts.append(host.model_copy(update={"daemons": {"etcd": daemon}}))
    steps = tuple(hop(number, *pair) for number, pair in enumerate(pairwise(versions)))
    phase = MISSION.phases[0].model_copy(update={"steps": steps})
    return MISSION.model_copy(update={"hosts": tuple(hosts), "phases": (phase,)})


def told(found: tuple[Segment, ...]) -> list[tuple[str, int | None, list[str]]]:
    """Return what is found of each hop, whether it was looked at or is alike one that was."""
    return [(one.about.split(", ")[0], one.states, [f"{it.invariant} {it.clause}" for it in one.violations]) for one in found]


def judged(plan: Upgrade, *, hops: bool = True) -> tuple[Segment, ...]:
    return segments(plan, load(), Reductions(hops=hops))


def test_hops_that_are_alike_are_judged_once() -> None:
    found = judged(plan_of("2.3.8", "3.0.17", "3.1.12", "3.1.20", "3.1.21"))
    assert [one.about for one in found] == ["hop-0", "hop-1, alike hop-0", "hop-2", "hop-3, alike hop-2"]


def test_no_hop_has_the_verdict_of_one_that_differs() -> None:
    """A member that runs another version than the installed one, the same version again, a line skipped, and back down."""
    plan = plan_of("3.0.16", "3.0.17", "3.0.18", "3.0.18", "3.2.32", "3.0.17", running="3.0.1")
    apart = told(judged(plan, hops=False))
    assert told(judged(plan)) == apart
    assert len({(states, *broken) for _, states, broken in apart}) == len(apart)
