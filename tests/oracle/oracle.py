"""The plainest reading of docs/semantics.md: visit every state, judge every state and every move. Slow, and meant to be.

It shares with the prover nothing but `upgrade_plans.models`, so that the two agree only where both read the page alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from oracle_invariants import DEAD_END, REACHES_END, Level, exposures, in_move, in_plan, in_state, level
from oracle_moves import Kind, moves
from oracle_words import Case, case_of, finished, line
from upgrade_plans.models.plan import Plan
from upgrade_plans.models.state import Direction, FaultKind, State

EXECUTOR = frozenset({Kind.ISSUE, Kind.READ_BACK, Kind.REISSUE, Kind.ADVANCE})
TURN = frozenset({Kind.TURN_BACK})
WORLD = frozenset({Kind.LAND, Kind.START, Kind.FAIL, Kind.ELECT, Kind.RISE})
RETURN = frozenset({Kind.RESUME})

Earlier = dict[State, list[tuple[Kind, State]]]
"""The transitions that lead to each state: their kind, and the state they come from."""


@dataclass(frozen=True)
class Judgement:
    """What the oracle finds of a plan.

    `states` is None when the static checks refuse the plan. `violated` are ids of invariants; `exposures` the number of
    states by (step id, fault class); `levels` the number of states by level; `witnesses` one state for each violated id.
    """

    states: int | None
    violated: frozenset[str]
    exposures: Counter[tuple[str, FaultKind]] = field(default_factory=Counter)
    levels: Counter[Level] = field(default_factory=Counter)
    witnesses: dict[str, State] = field(default_factory=dict)


def judge(plan: Plan) -> Judgement:
    """Judge a plan in the model: the static checks, then every reachable state and every move from it."""
    refused = frozenset(in_plan(plan))
    if refused:
        return Judgement(None, refused)
    case = case_of(plan)
    witnesses: dict[str, State] = {}
    earlier: Earlier = {}
    waiting = list(initial(case))
    reached = set(waiting)
    while waiting:
        state = waiting.pop()
        note(witnesses, in_state(case, state), state)
        for move in moves(case, state):
            note(witnesses, in_move(case, state, move), state)
            earlier.setdefault(move.after, []).append((move.kind, state))
            if move.after not in reached:
                reached.add(move.after)
                waiting.append(move.after)
    for state in dead_ends(case, reached, earlier):
        note(witnesses, [DEAD_END], state)
    for state in endless(case, reached, earlier):
        note(witnesses, [REACHES_END], state)
    listed: Counter[tuple[str, FaultKind]] = Counter()
    for state in reached:
        listed.update(exposures(case, state))
    levels = Counter(level(case, state) for state in reached)
    return Judgement(len(reached), frozenset(witnesses), listed, levels, witnesses)


def note(witnesses: dict[str, State], violated: Iterable[str], state: State) -> None:
    """Keep the first state for each violated id."""
    for one in violated:
        witnesses.setdefault(one, state)


def initial(case: Case) -> Iterator[State]:
    """Yield the states that the plan may start in: one for each member that may lead."""
    for leader in range(case.size):
        yield State(
            installed=tuple(member.installed for member in case.plan.members),
            running=tuple(member.running for member in case.plan.members),
            cached=(frozenset(),) * case.size,
            cluster=line(case.plan.cluster_version),
            leader=leader,
            saved=frozenset(),
            proven=frozenset(),
            direction=Direction.FORWARD,
            step=0,
            act=0,
            acts=(),
            fault=None,
        )


def dead_ends(case: Case, reached: set[State], earlier: Earlier) -> Iterator[State]:
    """Yield the states, without a fault but the executor's, from which no finished state can be reached."""
    ends = {state for state in reached if finished(case, state)}
    for state in reached - coming_to(ends, earlier, EXECUTOR | TURN | WORLD | RETURN):
        if state.fault is None or state.fault.kind is FaultKind.EXECUTOR:
            yield state


def endless(case: Case, reached: set[State], earlier: Earlier) -> Iterator[State]:
    """Yield the initial states from which the plan cannot be carried out."""
    ends = {state for state in reached if finished(case, state) and state.direction is Direction.FORWARD}
    yield from set(initial(case)) - coming_to(ends, earlier, EXECUTOR | WORLD)


def coming_to(ends: set[State], earlier: Earlier, kinds: frozenset[Kind]) -> set[State]:
    """Return the states from which one of the ends can be reached by transitions of these kinds alone."""
    found, waiting = set(ends), list(ends)
    while waiting:
        for kind, state in earlier.get(waiting.pop(), ()):
            if kind in kinds and state not in found:
                found.add(state)
                waiting.append(state)
    return found
