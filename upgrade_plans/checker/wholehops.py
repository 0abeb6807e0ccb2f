"""Each hop of etcd in a whole stack's plan, walked in the model of part one (docs/semantics.md, 16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubedeb.knowledge import Knowledge
from kubedeb.versions import Version
from upgrade_plans.checker.case import case_of
from upgrade_plans.checker.check import Walk
from upgrade_plans.checker.invariants import plan_broken
from upgrade_plans.models import plan as rolling
from upgrade_plans.models.upgrade import Step, Upgrade
from upgrade_plans.models.upgradekinds import StepKind as Kind

IN_SEQUENCE = {"packages", "snapshot", "plan", "blocked"}
"""Judged in the sequence, of the whole plan."""
CHECKS = {check.value for check in rolling.Check}


def hops(plan: Upgrade) -> list[Step]:
    """Return the hops that take several members."""
    return [step for step in plan.steps if step.kind is Kind.ETCD_HOP and len(step.takes) > 1 and step.from_ and step.to]


@dataclass(frozen=True)
class Walked:
    """A hop: its step, how many states it has (None: none is looked at), and the invariants of part one that it violates."""

    step: str
    states: int | None
    violated: frozenset[str]


def walked(plan: Upgrade, step: Step, knowledge: Knowledge) -> Walked:
    """Walk a hop in the model of part one; what the sequence judges is left to it."""
    own = hop_plan(plan, step)
    broken = plan_broken(own)
    if broken:
        return Walked(step.id, None, frozenset(broken - IN_SEQUENCE))
    reductions = {"symmetry": True, "rows": True}
    found = Walk(case_of(own, knowledge, reductions)).found()
    return Walked(step.id, int(found["states"]), frozenset(found["violations"]) - IN_SEQUENCE)


def hop_plan(plan: Upgrade, hop: Step) -> rolling.Plan:
    """Return a hop as a plan of part one: packages and a proven backup, then each member with the hop's own checks."""
    nodes, old, new = list(hop.takes), str(hop.from_), str(hop.to)
    before = _before(plan, hop)
    lowest = min(Version.parse(text) for text in before.values()).line
    left = [text for node, text in before.items() if node not in nodes]
    base = {"from": old, "to": new, "reason": hop.reason}
    first: list[dict[str, Any]] = [
        {**base, "id": kind, "kind": kind, "nodes": nodes if kind == "download" else nodes[:1]}
        for kind in ("download", "backup", "drill")
    ]
    pre = [check.value for check in hop.pre if check.value in CHECKS]
    # In part one a postcondition asks for the cluster version that the step begins with; here it would ask for the new one.
    post = [check.value for check in hop.post if check.value in CHECKS - {"cluster-version"}]
    then: list[dict[str, Any]] = [
        {**base, "id": f"member-{node}", "kind": "change", "nodes": [node], "pre": pre, "post": post} for node in nodes
    ]
    for step in then:
        if hop.undo is not None:
            step["undo"] = {"to": old, "pre": ["members-healthy"]}
    if hop.blocks:
        then[-1].pop("undo", None)
        then[-1] |= {
            "blocks": [block.model_dump(include={"state", "by", "loss"}) for block in hop.blocks],
            "max_backup_age": hop.max_backup_age, "pre": [*pre, "backup-proven"],
        }  # fmt: skip
    # Of a hop that leaves members below nobody waits for the cluster version to rise.
    if all(Version.parse(text).line >= Version.parse(new).line for text in left):
        then.append({**base, "id": "await", "kind": "await-version", "nodes": nodes})
    rows = {host.node: host.row or host.node for host in plan.hosts}
    pin = {"version": "", "sha256": "0" * 64}
    phases = {"ready": first, "hop": then}
    return rolling.Plan.model_validate({
        "cluster": plan.cluster, "cluster_id": "etcd", "target": {"etcd": new},
        "cluster_version": "{}.{}.0".format(*lowest),
        "inputs": {"facts": "", "cluster_file": "", "knowledge": ""},
        "members": [{"node": node, "member_id": node, "row": rows.get(node, node), "running": text, "installed": text}
                    for node, text in before.items()],
        "releases": {text: {"packages": {"etcd-server": {**pin, "version": f"{text}-1"}}} for text in {old, new, *left}},
        "phases": [{"id": name, "title": name, "reason": hop.reason, "steps": steps} for name, steps in phases.items()],
    })  # fmt: skip


def _before(plan: Upgrade, hop: Step) -> dict[str, str]:
    """Return what each member runs when a hop begins."""
    found: dict[str, str] = {}
    for host in plan.hosts:
        daemon = host.daemons.get("etcd")
        if daemon is not None and (daemon.running or daemon.installed):
            found[host.node] = str(daemon.running or daemon.installed)
    for step in plan.steps:
        if step.id == hop.id:
            break
        if step.kind is Kind.ETCD_HOP and step.to is not None:
            found |= dict.fromkeys(step.takes, step.to)
    return found
