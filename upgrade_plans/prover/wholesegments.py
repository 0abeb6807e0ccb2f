"""The segments of a whole stack's plan that move counted units or members, each judged in its own model, the rest at rest.

`docs/semantics.md`, 16: API servers, managers and workers in `stack-rolling/1` (one segment, the order of the plan), each hop
of etcd in `etcd-rolling/1`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from kubedeb.knowledge import Knowledge
from kubedeb.versions import Version
from upgrade_plans.models import plan as rolling
from upgrade_plans.models import stackplan as counted
from upgrade_plans.models.surroundings import ManagersReach
from upgrade_plans.models.upgrade import Step, Upgrade, Workers
from upgrade_plans.models.upgradekinds import StepKind as Kind
from upgrade_plans.prover.prove import ALL as EVERY
from upgrade_plans.prover.prove import prove
from upgrade_plans.prover.stackprove import prove_stack
from upgrade_plans.prover.symmetry import Reductions as MemberReductions
from upgrade_plans.prover.verdict import Violation

MOVED = {Kind.APISERVER: counted.StackKind.APISERVER, Kind.MANAGERS: counted.StackKind.MANAGERS,
         Kind.WORKERS: counted.StackKind.WORKERS}  # fmt: skip
STAND_IN = "0" * 64
ELSEWHERE = ("packages", "snapshot", "plan", "blocked")
"""Of a hop: judged in the sequence, of the whole plan."""


@dataclass(frozen=True)
class Reductions:
    """Which reductions are used; none changes a verdict (docs/semantics.md, 6 and 16)."""

    groups: bool = True
    """Groups of workers that differ in nothing that the counted model looks at are one class."""
    hops: bool = True
    """Hops of etcd that differ in their versions' names only are judged once."""
    members: MemberReductions = EVERY
    """Those of a hop's own model."""


ALL = Reductions()


@dataclass(frozen=True)
class Segment:
    """A segment's verdict: its model, what it is about, states (None: bounded, not counted), exposures and violations.

    Of a hop of etcd no exposures are kept: those of its members are counted in the sequence.
    """

    model: str
    about: str
    states: int | None
    exposures: tuple[tuple[str, str, int], ...]
    violations: tuple[Violation, ...]
    findings: tuple[str, ...] = ()


def segments(plan: Upgrade, knowledge: Knowledge, reductions: Reductions = ALL) -> tuple[Segment, ...]:
    """Judge every segment of a plan that passed the static checks of its sequence."""
    return (*_counted(plan, knowledge, reductions), *_hops(plan, knowledge, reductions))


# Counted units.


def _counted(plan: Upgrade, knowledge: Knowledge, reductions: Reductions) -> Iterator[Segment]:
    steps = [step for step in plan.steps if step.kind in MOVED]
    if not steps:
        return
    workers = [(group.id, group.count, found) for group in plan.workers if (found := _alike(group)) is not None]
    first: dict[tuple[object, ...], str] = {}
    classes = {name: first.setdefault(found if reductions.groups else (name,), name) for name, _, found in workers}
    verdict = prove_stack(_stack(plan, steps, classes), knowledge)
    # What is wrong before any step is met in the first of the downloads, which this segment only adds.
    own = {step.id for step in steps} | {None}
    wrong = tuple(one if one.step in own else replace(one, step=steps[0].id) for one in verdict.violations)
    yield Segment("stack-rolling/1", "API servers, managers and workers", verdict.states, verdict.exposures, wrong,
                  verdict.findings)  # fmt: skip


def _alike(group: Workers) -> tuple[object, ...] | None:
    """Return all that the counted model looks at in a group, None for one without kubelets.

    Its rack, hardware and architecture, and which nodes it is made of, are not in it.
    """
    kubelet, proxy = group.daemons.get("kubelet"), group.daemons.get("kube-proxy")
    if kubelet is None:
        return None
    return group.row or group.id, group.taints, group.down, _version(kubelet), kubelet.installed, _version(proxy)


def _stack(plan: Upgrade, steps: list[Step], classes: Mapping[str, str]) -> counted.StackPlan:
    """Return the part of a plan that moves API servers, managers and workers; everything else stands still in it.

    `classes` maps each group of workers to the one that stands for all that are alike.
    """
    via = counted.Via.BESIDE if plan.managers_reach is ManagersReach.LOOPBACK else counted.Via.BALANCER
    servers = tuple(
        counted.Server(node=host.node, row=host.row or host.node, version=one.running or one.installed or "0.0.0",
                       installed=one.installed, managers=_version(host.daemons.get("kube-controller-manager")), via=via)
        for host in plan.hosts if (one := host.daemons.get("kube-apiserver")) is not None
    )  # fmt: skip
    counts = Counter[str]()
    for group in plan.workers:
        counts[classes.get(group.id, "")] += group.count
    workers = tuple(
        counted.Workers(id=group.id, count=counts[group.id], row=group.row, taints=group.taints, down=group.down,
                        version=_version(kubelet) or "0.0.0", installed=kubelet.installed,
                        proxy=_version(group.daemons.get("kube-proxy")))
        for group in plan.workers if classes.get(group.id) == group.id and (kubelet := group.daemons["kubelet"])
    )  # fmt: skip
    moved = [(step, _taken(step, classes)) for step in steps]
    return counted.StackPlan(
        cluster=plan.cluster, servers=servers, workers=workers,
        pool=counted.Pool(threshold=plan.balancer.threshold if plan.balancer else 0.0), needed=plan.needed,
        bgp=plan.bgp_per_row,
        steps=(*(_download(step, takes) for step, takes in moved), *(_counted_step(step, takes) for step, takes in moved)),
    )  # fmt: skip


def _taken(step: Step, classes: Mapping[str, str]) -> dict[str, int]:
    """Return what a step takes of each class."""
    takes: dict[str, int] = {}
    for name, count in step.takes.items():
        one = classes.get(name, name)
        takes[one] = takes.get(one, 0) + count
    return takes


def _download(step: Step, takes: dict[str, int]) -> counted.StackStep:
    """Return a download for a step: whether the plan has one is judged in its sequence."""
    return counted.StackStep.model_validate(
        {"id": f"download-{step.id}", "kind": "download", "takes": takes, "from": step.from_, "to": step.to}
    )


def _version(daemon: object) -> str | None:
    running, installed = getattr(daemon, "running", None), getattr(daemon, "installed", None)
    return running or installed


def _counted_step(step: Step, takes: dict[str, int]) -> counted.StackStep:
    known = {check.value for check in counted.StackCheck}
    return counted.StackStep.model_validate(
        {"id": step.id, "kind": MOVED[step.kind], "takes": takes, "from": step.from_, "to": step.to,
         "window": step.window, "per_row": step.per_row, "bgp": step.bgp,
         "pre": [check.value for check in step.pre if check.value in known], "undo": step.undo is not None}
    )  # fmt: skip


# Members of etcd.


def _hops(plan: Upgrade, knowledge: Knowledge, reductions: Reductions) -> Iterator[Segment]:
    known: dict[object, Segment] = {}
    there = {host.node: text for host in plan.hosts if (text := _version(host.daemons.get("etcd"))) is not None}
    for step in plan.steps:
        if step.kind is not Kind.ETCD_HOP or step.from_ is None or step.to is None:
            continue
        members = dict(there)
        there |= dict.fromkeys(step.takes, step.to)
        if len(step.takes) < 2:
            continue
        alike = _shape(step, members, knowledge) if reductions.hops else step.id
        if alike not in known:
            verdict = prove(_hop(plan, step, members), None, knowledge, reductions.members)
            wrong = tuple(replace(one, step=step.id) for one in verdict.violations if one.invariant not in ELSEWHERE)
            known[alike] = Segment("etcd-rolling/1", step.id, verdict.states, (), wrong)
        first = known[alike]
        wrong = tuple(replace(one, step=step.id) for one in first.violations)
        about = f"{step.id}, alike {first.about}"
        yield first if first.about == step.id else replace(first, about=about, violations=wrong)


def _shape(step: Step, members: Mapping[str, str], knowledge: Knowledge) -> tuple[object, ...]:
    """Return all that the verdict on a hop depends on: how its versions stand to each other, and on which each member is.

    A member on neither of the two, also one that it takes, is looked at as it is.
    """
    old, new = str(step.from_), str(step.to)
    stated = bool(step.blocks), step.max_backup_age is not None, step.undo is not None
    called = {old: "first", new: "last"}
    there = tuple((node, called.get(text, (text, old, new))) for node, text in members.items())
    return tuple(step.takes), step.pre, step.post, stated, _stand(Version.parse(old), Version.parse(new), knowledge), there


def _stand(old: Version, new: Version, knowledge: Knowledge) -> tuple[bool, ...]:
    """Return how two versions of etcd stand to each other: which is newer, and how far their lines are from each other."""
    pairs = (new.line, old.line), (old.line, new.line)
    beyond = (line > (knowledge.next_line("etcd", other) or other) for line, other in pairs)
    return old < new, old == new, old.line == new.line, *beyond


def _hop(plan: Upgrade, step: Step, members: dict[str, str]) -> rolling.Plan:
    """Return a hop as a plan of its own: packages and a proven backup, then member after member, the blocks at the last.

    `members`: what every member has before it, those that it does not take too. The order of those that it takes is one of
    all: they are alike but for their names, and whoever leads, the proof holds.
    """
    nodes = tuple(step.takes)
    old, new = str(step.from_), str(step.to)
    known = {check.value for check in rolling.Check}
    pre = [check.value for check in step.pre if check.value in known]
    # There a postcondition asks for the version that the step began with; the step below waits for the new one.
    post = [check.value for check in step.post if check.value in known and check.value != "cluster-version"]
    base: dict[str, object] = {"from": old, "to": new, "reason": step.reason}
    prepared = [
        {**base, "id": "download", "kind": "download", "nodes": nodes},
        {**base, "id": "backup", "kind": "backup", "nodes": nodes[:1]},
        {**base, "id": "drill", "kind": "drill", "nodes": nodes[:1]},
    ]
    moved = []
    for number, node in enumerate(nodes):
        last = number == len(nodes) - 1
        one = {**base, "id": f"{step.id}-{number}", "kind": "change", "nodes": [node], "pre": pre, "post": post}
        if last and step.blocks:
            one |= {"blocks": [{"state": block.state, "by": block.by, "loss": block.loss} for block in step.blocks],
                    "max_backup_age": step.max_backup_age, "pre": sorted({*pre, "backup-proven"})}  # fmt: skip
        elif step.undo is not None:
            one["undo"] = {"to": old, "pre": ["members-healthy"]}
        moved.append(one)
    after = {**members, **dict.fromkeys(nodes, new)}
    if min(map(Version.parse, after.values())).line >= Version.parse(new).line:
        moved.append({**base, "id": "await", "kind": "await-version", "nodes": nodes})
    line = min(map(Version.parse, members.values()))
    rows = {host.node: host.row or host.node for host in plan.hosts}
    return rolling.Plan.model_validate(
        {"cluster": plan.cluster, "cluster_id": plan.etcd_cluster_id or "etcd",
         "cluster_version": f"{line.major}.{line.minor}.0",
         "target": {"etcd": new}, "inputs": {"facts": "", "cluster_file": "", "knowledge": ""},
         "members": [{"node": node, "row": rows.get(node, node), "member_id": node, "running": text, "installed": text}
                     for node, text in members.items()],
         "releases": {version: {"packages": {"etcd-server": {"version": f"{version}-1", "sha256": STAND_IN}}}
                      for version in sorted({old, new, *members.values()})},
         "phases": [{"id": "ready", "title": "ready", "reason": step.reason, "steps": prepared},
                    {"id": "hop", "title": step.title, "reason": step.reason, "steps": moved}]}
    )  # fmt: skip
