"""The words of docs/semantics.md, section 1: line, reachable, up, majority, idle, finished, shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from kubedeb.versions import Version
from upgrade_plans.models.plan import ACTS, Act, Plan, Step
from upgrade_plans.models.state import Direction, FaultKind, Line, Progress, State


@dataclass(frozen=True, eq=False)
class Case:
    """A plan with its members, steps and phases by number; `nodes` are each step's members, `phases` each step's phase."""

    plan: Plan
    size: int
    rows: dict[str, tuple[int, ...]]
    steps: tuple[Step, ...]
    nodes: tuple[tuple[int, ...], ...]
    phases: tuple[int, ...]


def case_of(plan: Plan) -> Case:
    """Number the members, steps and phases of a plan that passed the static checks."""
    numbers = {member.node: number for number, member in enumerate(plan.members)}
    rows: dict[str, tuple[int, ...]] = {}
    for number, member in enumerate(plan.members):
        rows[member.row] = (*rows.get(member.row, ()), number)
    nodes = tuple(tuple(numbers[node] for node in step.nodes) for step in plan.steps)
    phases = tuple(number for number, phase in enumerate(plan.phases) for _ in phase.steps)
    return Case(plan, len(plan.members), rows, plan.steps, nodes, phases)


@cache
def line(version: str) -> Line:
    """Return a version's minor line, (3, 4) for 3.4.23."""
    return Version.parse(version).line


def following(cluster: Line) -> Line:
    """Return the line that follows another: same major, next minor."""
    return cluster[0], cluster[1] + 1


def reachable(case: Case, state: State, member: int) -> bool:
    """Whether no NODE, LINK or ROW fault hits the member's node."""
    if state.fault is None:
        return True
    if state.fault.kind in (FaultKind.NODE, FaultKind.LINK):
        return state.fault.where != case.plan.members[member].node
    if state.fault.kind is FaultKind.ROW:
        return state.fault.where != case.plan.members[member].row
    return True


def up(case: Case, state: State, member: int) -> bool:
    """Whether the member runs and its peers can reach it."""
    return state.running[member] is not None and reachable(case, state, member)


def ups(case: Case, state: State) -> list[int]:
    """Return the members that are Up."""
    return [member for member in range(case.size) if up(case, state, member)]


def majority(case: Case) -> int:
    """Return how many members make a majority."""
    return case.size // 2 + 1


def normalised(case: Case, state: State) -> State:
    """Forget a leader that is not Up or has no majority."""
    if state.leader is None or (up(case, state, state.leader) and len(ups(case, state)) >= majority(case)):
        return state
    return state._replace(leader=None)


def idle(state: State) -> bool:
    """Whether no act is in flight."""
    return not state.acts


def finished(case: Case, state: State) -> bool:
    """Whether the program came to one of its two ends."""
    if state.direction is Direction.FORWARD:
        return state.step == len(case.steps)
    return state.direction is Direction.ROLLED_BACK


def current_acts(case: Case, state: State) -> tuple[Act, ...]:
    """Return the acts of the current step."""
    return ACTS[case.steps[state.step].kind]


def current_act(case: Case, state: State) -> Act:
    """Return the act that the program is at."""
    return current_acts(case, state)[state.act]


def from_and_to(case: Case, state: State) -> tuple[str, str]:
    """Return the current step's `from` and `to`, as its direction has it."""
    step = case.steps[state.step]
    if state.direction is Direction.BACK:
        assert step.undo is not None
        return step.to, step.undo.to
    return step.from_, step.to


def shown(case: Case, state: State, member: int) -> bool:
    """Whether the world has the current act's effect on the member."""
    before, after = from_and_to(case, state)
    match current_act(case, state):
        case Act.DOWNLOAD:
            return {before, after} <= state.cached[member]
        case Act.SAVE:
            return state.cluster in state.saved
        case Act.COMPARE:
            return state.cluster in state.proven
        case Act.TRANSFER:
            return state.leader == member
        case Act.INSTALL:
            return state.installed[member] == after
        case Act.RESTART:
            return state.installed[member] == state.running[member] == after and reachable(case, state, member)
        case Act.OBSERVE:
            return state.cluster >= line(after)


def progress_of(case: Case, state: State, member: int) -> Progress | None:
    """Return how far the current act is on the member; None where it is not in flight there."""
    if idle(state) or member not in case.nodes[state.step]:
        return None
    return state.acts[case.nodes[state.step].index(member)]


def members_in(case: Case, state: State, wanted: Iterable[Progress]) -> list[int]:
    """Return the members on which the current act has one of the wanted progresses."""
    wanted = tuple(wanted)
    return [member for member in range(case.size) if progress_of(case, state, member) in wanted]


def begun(case: Case, state: State) -> list[int]:
    """Return the begun steps of the current phase (of the last step's phase, when done), ascending."""
    if not case.steps:
        return []
    current = min(state.step, len(case.steps) - 1)
    earlier = [number for number in range(state.step) if case.phases[number] == case.phases[current]]
    if not finished(case, state) and (state.act > 0 or not idle(state)):
        earlier.append(state.step)
    return earlier


def undoable(case: Case, steps: Iterable[int]) -> list[int]:
    """Return those of the steps that have an undo."""
    return [number for number in steps if case.steps[number].undo is not None]


def first_of_phase(case: Case, step: int) -> int:
    """Return the first step of the phase that a step belongs to."""
    return case.phases.index(case.phases[step])
