"""The transitions of docs/semantics.md, section 2. Each function yields the moves of its name that apply in a state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple, TypeVar

from oracle_words import (
    Case,
    begun,
    current_act,
    current_acts,
    finished,
    first_of_phase,
    from_and_to,
    idle,
    line,
    majority,
    members_in,
    normalised,
    progress_of,
    reachable,
    shown,
    undoable,
    up,
    ups,
)
from upgrade_plans.models.plan import Act, Check
from upgrade_plans.models.state import Direction, Fault, FaultKind, Progress, State

T = TypeVar("T")


class Kind(StrEnum):
    """The transitions by the names that the page gives them."""

    ISSUE = "E-issue"
    READ_BACK = "E-read-back"
    REISSUE = "E-reissue"
    ADVANCE = "E-advance"
    TURN_BACK = "B"
    LAND = "W-land"
    START = "W-start"
    FAIL = "W-fail"
    ELECT = "W-elect"
    RISE = "W-rise"
    FAULT = "F"
    REPAIR = "H"
    RESUME = "Z"


class Move(NamedTuple):
    """A transition to `after`; `starts` are the members whose daemon it starts, each with the state it is started in."""

    kind: Kind
    member: int | None
    after: State
    starts: tuple[tuple[State, int], ...] = ()


def moves(case: Case, state: State) -> Iterator[Move]:
    """Yield every transition that applies in a state, the leader normalised."""
    for transition in TRANSITIONS:
        for move in transition(case, state):
            after = normalised(case, move.after)
            yield move if after is move.after else move._replace(after=after)


def put(values: tuple[T, ...], index: int, value: T) -> tuple[T, ...]:
    """Return the tuple with one value replaced."""
    return (*values[:index], value, *values[index + 1 :])


def with_progress(case: Case, state: State, member: int, progress: Progress) -> State:
    """Return the state with the current act's progress on one member changed."""
    return state._replace(acts=put(state.acts, case.nodes[state.step].index(member), progress))


def with_running(state: State, member: int, version: str | None) -> State:
    """Return the state in which the member runs that version."""
    return state._replace(running=put(state.running, member, version))


# The guard.


class Asked(StrEnum):
    """What a check is asked for."""

    FIRST = "the issue of a step's first act"
    LATER = "the issue of an act after the first"
    REISSUE = "a reissue"


def holds(case: Case, state: State, check: Check, asked: Asked) -> bool:
    """Whether a check holds for the current step."""
    back = state.direction is Direction.BACK
    nodes = case.nodes[state.step]
    before, after = from_and_to(case, state)
    match check:
        case Check.MEMBERS_HEALTHY:
            spared = nodes if asked is Asked.REISSUE or back else ()
            return state.leader is not None and all(up(case, state, one) for one in range(case.size) if one not in spared)
        case Check.CLUSTER_VERSION:
            if back:
                return state.cluster == line(after)
            return state.cluster == line(before) or (asked is not Asked.FIRST and state.cluster == line(after))
        case Check.CACHED:
            return all({before, after} <= state.cached[member] for member in nodes)
        case Check.BACKUP_PROVEN:
            return state.cluster in state.proven or (asked is not Asked.FIRST and line(before) in state.proven)
        case Check.CAUGHT_UP | Check.NO_ALARM:
            return True


def guard(case: Case, state: State, asked: Asked) -> bool:
    """Whether every check before an act of the current step holds."""
    step = case.steps[state.step]
    if state.direction is Direction.BACK:
        assert step.undo is not None
        return all(holds(case, state, check, asked) for check in step.undo.pre)
    return all(holds(case, state, check, asked) for check in step.pre)


def afterwards(case: Case, state: State) -> bool:
    """Whether what must hold for the current step to count as done does."""
    if state.direction is Direction.BACK:
        return guard(case, state, Asked.REISSUE)
    return all(holds(case, state, check, Asked.FIRST) for check in case.steps[state.step].post)


# E, the executor, and B.


def executor_can_act(case: Case, state: State) -> bool:
    """Whether there is an executor that has something to do."""
    dead = state.fault is not None and state.fault.kind is FaultKind.EXECUTOR
    return not dead and not finished(case, state)


def issue(case: Case, state: State) -> Iterator[Move]:
    """E-issue."""
    if not executor_can_act(case, state) or not idle(state):
        return
    nodes = case.nodes[state.step]
    asked = Asked.FIRST if state.act == 0 else Asked.LATER
    if not guard(case, state, asked) or not all(reachable(case, state, member) for member in nodes):
        return
    if current_act(case, state) is Act.OBSERVE and not all(shown(case, state, member) for member in nodes):
        return
    acts = tuple(Progress.DONE if shown(case, state, member) else Progress.ISSUED for member in nodes)
    yield Move(Kind.ISSUE, None, state._replace(acts=acts))


def read_back(case: Case, state: State) -> Iterator[Move]:
    """E-read-back(i)."""
    if not executor_can_act(case, state):
        return
    for member in members_in(case, state, [Progress.UNKNOWN]):
        if shown(case, state, member) and reachable(case, state, member):
            yield Move(Kind.READ_BACK, member, with_progress(case, state, member, Progress.DONE))


def reissue(case: Case, state: State) -> Iterator[Move]:
    """E-reissue(i)."""
    if not executor_can_act(case, state):
        return
    for member in members_in(case, state, [Progress.UNKNOWN]):
        if not shown(case, state, member) and reachable(case, state, member) and guard(case, state, Asked.REISSUE):
            yield Move(Kind.REISSUE, member, with_progress(case, state, member, Progress.ISSUED))


def advance(case: Case, state: State) -> Iterator[Move]:
    """E-advance."""
    if not executor_can_act(case, state) or idle(state) or any(act is not Progress.DONE for act in state.acts):
        return
    if state.act + 1 < len(current_acts(case, state)):
        yield Move(Kind.ADVANCE, None, state._replace(act=state.act + 1, acts=()))
    elif afterwards(case, state):
        if state.direction is Direction.FORWARD:
            yield Move(Kind.ADVANCE, None, state._replace(step=state.step + 1, act=0, acts=()))
        else:
            lower = range(first_of_phase(case, state.step), state.step)
            yield Move(Kind.ADVANCE, None, back_to(case, state, undoable(case, lower)))


def back_to(case: Case, state: State, steps: list[int]) -> State:
    """Return the state in which the highest of the steps is to be undone, or, when there is none, all is."""
    if steps:
        return state._replace(direction=Direction.BACK, step=steps[-1], act=0, acts=())
    first = first_of_phase(case, state.step)
    return state._replace(direction=Direction.ROLLED_BACK, step=first, act=0, acts=())


def turn_back(case: Case, state: State) -> Iterator[Move]:
    """B."""
    if not executor_can_act(case, state) or state.direction is not Direction.FORWARD:
        return
    if any(act not in (Progress.UNKNOWN, Progress.DONE) for act in state.acts):
        return
    steps = begun(case, state)
    if not any(case.steps[number].blocks for number in steps):
        yield Move(Kind.TURN_BACK, None, back_to(case, state, undoable(case, steps)))


# W, the world.


def land(case: Case, state: State) -> Iterator[Move]:
    """W-land(i)."""
    for member in members_in(case, state, [Progress.ISSUED]):
        landed = effect(case, state, member)
        if landed is None:
            continue
        restart = current_act(case, state) is Act.RESTART
        yield Move(Kind.LAND, member, with_progress(case, landed, member, Progress.STOPPED if restart else Progress.UNKNOWN))


def effect(case: Case, state: State, member: int) -> State | None:
    """Return the world after the current act took effect on the member, None where it cannot land."""
    before, after = from_and_to(case, state)
    match current_act(case, state):
        case Act.DOWNLOAD:
            return state._replace(cached=put(state.cached, member, state.cached[member] | {before, after}))
        case Act.INSTALL:
            return state._replace(installed=put(state.installed, member, after))
        case Act.RESTART:
            return with_running(state, member, None)
        case Act.SAVE if state.running[member] is not None and state.leader is not None:
            return state._replace(saved=state.saved | {state.cluster})
        case Act.COMPARE if state.cluster in state.saved:
            return state._replace(proven=state.proven | {state.cluster})
        case Act.TRANSFER if up(case, state, member) and state.leader is not None:
            return state._replace(leader=member)
    return None


def start(case: Case, state: State) -> Iterator[Move]:
    """W-start(i)."""
    for member in members_in(case, state, [Progress.STOPPED]):
        started = with_running(state, member, state.installed[member])
        after = with_progress(case, started, member, Progress.UNKNOWN)
        yield Move(Kind.START, member, after, ((state, member),))


def fail(case: Case, state: State) -> Iterator[Move]:
    """W-fail(i)."""
    for member in members_in(case, state, [Progress.ISSUED, Progress.STOPPED]):
        yield Move(Kind.FAIL, member, with_progress(case, state, member, Progress.UNKNOWN))


def elect(case: Case, state: State) -> Iterator[Move]:
    """W-elect(i)."""
    if state.leader is None and len(ups(case, state)) >= majority(case):
        for member in ups(case, state):
            yield Move(Kind.ELECT, member, state._replace(leader=member))


def rise(case: Case, state: State) -> Iterator[Move]:
    """W-rise."""
    if len(ups(case, state)) < case.size or state.leader is None:
        return
    lowest = min(line(version) for version in state.running if version is not None)
    if lowest > state.cluster:
        yield Move(Kind.RISE, None, state._replace(cluster=lowest))


# F, a fault, and H, its repair.


def fault(case: Case, state: State) -> Iterator[Move]:
    """F: PROCESS(i), NODE(i), ROW(r), LINK(i), EXECUTOR."""
    if state.fault is not None:
        return
    for member, described in enumerate(case.plan.members):
        if state.running[member] is not None:
            crashed = with_running(state, member, None)
            yield Move(Kind.FAULT, member, crashed._replace(fault=Fault(FaultKind.PROCESS, described.node)))
        lost = powered_off(case, state, (member,))
        yield Move(Kind.FAULT, member, lost._replace(fault=Fault(FaultKind.NODE, described.node)))
        yield Move(Kind.FAULT, member, state._replace(fault=Fault(FaultKind.LINK, described.node)))
    for row, members in case.rows.items():
        yield Move(Kind.FAULT, None, powered_off(case, state, members)._replace(fault=Fault(FaultKind.ROW, row)))
    yield Move(Kind.FAULT, None, state._replace(fault=Fault(FaultKind.EXECUTOR)))


def powered_off(case: Case, state: State, members: tuple[int, ...]) -> State:
    """Return the state in which the members' nodes lost power: nothing runs, and what was under way is unknown."""
    for member in members:
        state = with_running(state, member, None)
        if progress_of(case, state, member) in (Progress.ISSUED, Progress.STOPPED):
            state = with_progress(case, state, member, Progress.UNKNOWN)
    return state


def repair(case: Case, state: State) -> Iterator[Move]:
    """H, and Z where the fault is the executor's death."""
    if state.fault is None:
        return
    kind = Kind.RESUME if state.fault.kind is FaultKind.EXECUTOR else Kind.REPAIR
    repaired, starts = state, []
    for member in hit(case, state.fault):
        if repaired.running[member] is None:
            starts.append((repaired, member))
            repaired = with_running(repaired, member, repaired.installed[member])
    yield Move(kind, None, repaired._replace(fault=None), tuple(starts))


def hit(case: Case, fault: Fault) -> tuple[int, ...]:
    """Return the members whose daemon the repair of a fault starts."""
    if fault.kind in (FaultKind.PROCESS, FaultKind.NODE):
        return tuple(number for number, member in enumerate(case.plan.members) if member.node == fault.where)
    return case.rows[fault.where] if fault.kind is FaultKind.ROW else ()


TRANSITIONS: tuple[Callable[[Case, State], Iterator[Move]], ...] = (
    issue, read_back, reissue, advance, turn_back, land, start, fail, elect, rise, fault, repair,
)  # fmt: skip
