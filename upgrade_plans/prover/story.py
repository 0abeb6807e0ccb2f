"""A counter-example, told: what happened one after the other, and what ran where."""

from __future__ import annotations

from itertools import pairwise

from upgrade_plans.models.plan import Act, StepKind
from upgrade_plans.models.state import Direction, FaultKind
from upgrade_plans.prover.explore import At, Explored
from upgrade_plans.prover.machine import NOT_RUNNING, Label, Machine, Packed
from upgrade_plans.prover.symmetry import Symmetry
from upgrade_plans.prover.verdict import Moment, Story, Violation

EFFECT = {
    Act.DOWNLOAD: "the packages are in its cache",
    Act.SAVE: "a snapshot is saved",
    Act.COMPARE: "the snapshot is restored and found equal",
    Act.TRANSFER: "it leads",
    Act.INSTALL: "etcd {to} is installed",
    Act.RESTART: "its daemon stops",
    Act.OBSERVE: "it reports the new cluster version",
}
FAULTS = {
    FaultKind.PROCESS: "{where}: its daemon dies",
    FaultKind.NODE: "{where}: the node goes down",
    FaultKind.ROW: "row {where} goes down",
    FaultKind.LINK: "{where}: its link goes down",
    FaultKind.EXECUTOR: "the executor dies",
}
REPAIRS = {
    FaultKind.PROCESS: "{where}: its daemon is started again",
    FaultKind.NODE: "{where}: the node comes back and starts what is installed",
    FaultKind.ROW: "row {where} comes back, its members start what is installed",
    FaultKind.LINK: "{where}: its link comes back",
}
UNPLANNED = {"fault", "repair", "resume", "fail", "back", "reissue"}


def tell(machine: Machine, found: Explored, symmetry: Symmetry, violation: Violation, at: At) -> Story:
    """Return a shortest way from an initial state to `violation`, which was met `at`."""
    index, number = at
    states = _way(machine, found, symmetry, index)
    moments = []
    for before, after in pairwise(states):
        label = next(label for label, target, _ in machine.successors(before) if target == after)
        moments.append(_moment(machine, label, before, after))
    if number is not None:
        label, after, _ = machine.successors(states[-1])[number]
        moments.append(_moment(machine, label, states[-1], after))
    leader = machine.program.members[states[0][4]]
    return Story(_where(machine, states[0]), leader, tuple(moments), violation)


def _way(machine: Machine, found: Explored, symmetry: Symmetry, index: int) -> list[Packed]:
    """Return the states from an initial one to that of an index: of those that each on the way stands for, one that fits."""
    states = [found.states[index]]
    while (index := found.parents[index]) >= 0:
        parent, after = found.states[index], states[-1]
        images = symmetry.images(parent, parent[7])
        states.append(next(one for one in images if any(target == after for _, target, _ in machine.successors(one))))
    return states[::-1]


def _moment(machine: Machine, label: Label, before: Packed, after: Packed) -> Moment:
    program = machine.program
    line = program.lines[after[3]]
    step = program.places[before[7]].step
    name = program.steps[step].id if step < len(program.steps) else ""
    return Moment(
        what=_say(machine, label, before), where=_where(machine, after), cluster_version=f"{line[0]}.{line[1]}", step=name,
        planned=label[0] not in UNPLANNED,
        ends_step=label[0] == "advance" and program.places[before[7]].last,
    )  # fmt: skip


def _where(machine: Machine, state: Packed) -> dict[str, str]:
    """Return what runs on each member, and what is installed where that differs."""
    program = machine.program
    told = {}
    for node, disk, live in zip(program.members, state[0], state[1], strict=True):
        runs = "down" if live == NOT_RUNNING else str(program.versions[live])
        told[node] = runs if live == disk else f"{runs} ({program.versions[disk]} installed)"
    return told


def _say(machine: Machine, label: Label, state: Packed) -> str:
    """Return a transition as a sentence."""
    what, number = label
    program = machine.program
    place = program.places[state[7]]
    if what in ("issue", "advance", "back"):
        return _say_executor(machine, what, state)
    if what == "rise":
        line = program.lines[number]
        return f"the members settle on the cluster version {line[0]}.{line[1]}"
    if what == "resume":
        return "the executor is started again and reads the world"
    if what in ("fault", "repair"):
        fault = program.faults[number]
        words = FAULTS if what == "fault" else REPAIRS
        return words[fault.kind].format(where=fault.where) if fault.kind else ""
    node = program.members[number]
    if what == "land" and place.kind is not None:
        return f"{node}: {EFFECT[place.kind].format(to=program.versions[place.to])}"
    return (
        f"{node}: "
        + {
            "start": f"its daemon starts, etcd {program.versions[state[0][number]]}",
            "fail": "the act comes to nothing" + (", its daemon stays down" if state[1][number] == NOT_RUNNING else ""),
            "elect": "it is elected leader",
            "read-back": "the executor reads back that it is done",
            "reissue": "the executor finds it undone and does it again",
        }[what]
    )


def _say_executor(machine: Machine, what: str, state: Packed) -> str:
    program = machine.program
    place = program.places[state[7]]
    step = program.steps[place.step]
    if what == "back":
        return "the executor turns back"
    nodes = ", ".join(step.nodes)
    undoing = "to undo it, " if place.direction is Direction.BACK else ""
    if what == "advance":
        ends = " and the step ends" if place.last else ""
        return f"step {step.id}: {undoing}{place.kind} is done on {nodes}{ends}"
    target = f" {program.versions[place.to]}" if step.kind is StepKind.CHANGE else ""
    return f"step {step.id}: {undoing}{place.kind}{target} begins on {nodes}"
