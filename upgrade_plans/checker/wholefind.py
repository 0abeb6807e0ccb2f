"""The sequence of a whole stack's plan, state by state: all that a certificate states of it (docs/semantics.md, 11 to 17)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from kubedeb.knowledge import Knowledge
from upgrade_plans.checker.wholebehind import BEHIND
from upgrade_plans.checker.wholeinvariants import Broken, Invariants
from upgrade_plans.checker.wholemoves import Moves
from upgrade_plans.checker.wholestate import FORWARD, Past, State
from upgrade_plans.checker.wholestatics import PLAN, statics_broken
from upgrade_plans.checker.wholeworld import Replay, replay
from upgrade_plans.models.upgrade import Upgrade

MOST = 2_000_000
"""The most states that are visited."""
STUCK, ENDLESS = ("no-dead-end", "stuck"), ("reaches-end", "endless")


@dataclass
class Sequence:
    """What is found of a sequence; `states` is None where none is looked at, and nothing but `violated` is there then.

    `at`: the violated clauses with the steps that they are violated in. `behind`: the rows that a violated clause may rest on.
    """

    violated: set[Broken]
    states: int | None = None
    levels: dict[str, int] = field(default_factory=dict)
    exposures: list[tuple[str, str, int]] = field(default_factory=list)
    warned: set[tuple[str, str]] = field(default_factory=set)
    rules: list[str] = field(default_factory=list)
    places: dict[str, tuple[int, str]] = field(default_factory=dict)
    at: set[tuple[str, str, str | None]] = field(default_factory=set)
    behind: dict[Broken, set[str]] = field(default_factory=dict)
    stuck: set[State] = field(default_factory=set)
    moves: Moves | None = None
    invariants: Invariants | None = None

    def broken(self, state: State) -> set[Broken]:
        """Return what one state violates, theorems about what can be reached from it included."""
        if self.moves is None or self.invariants is None:
            return set()
        found = set(self.invariants.broken(state, self.moves.here(state), over=self.moves.over(state)))
        found |= {STUCK} if state in self.stuck else set()
        return found | ({ENDLESS} if ENDLESS in self.violated and state == self.moves.start() else set())


def find(plan: Upgrade, knowledge: Knowledge) -> Sequence:
    """Visit every state of a plan's sequence."""
    broken = statics_broken(plan)
    replayed = replay(plan, knowledge) if PLAN not in broken else None
    if replayed is not None and not replayed.sound:
        broken.add(PLAN)
    if broken or replayed is None:
        return Sequence(broken)
    return _explored(replayed, knowledge)


def _explored(plan: Replay, knowledge: Knowledge) -> Sequence:
    moves, invariants = Moves(plan), Invariants(plan, knowledge)
    numbers, before = _walk(moves)
    levels: Counter[str] = Counter()
    at: set[tuple[str, str, str | None]] = set()
    for state in numbers:
        here, over = moves.here(state), moves.over(state)
        step = here.step.id if here.step is not None else None
        at.update((*clause, step) for clause in invariants.broken(state, here, over=over))
        levels["R" if over or (not here.begun and here.around.rests) else "N"] += 1
    stuck, endless = _dead(moves, numbers, before)
    at |= {(*STUCK, moves.step_of(state)) for state in stuck}
    at |= {(*ENDLESS, moves.step_of(moves.start()))} if endless else set()
    violated = {(invariant, clause) for invariant, clause, _ in at}
    behind = {clause: invariants.ruled.get(clause, {BEHIND[clause]} if clause in BEHIND else set()) for clause in violated}
    rules = invariants.rows.asked | _hops(plan, knowledge) | set[str]().union(*behind.values())
    return Sequence(
        violated, len(numbers), dict(levels), sorted((*key, count) for key, count in invariants.exposed.items()),
        set(invariants.warned), sorted(rules), _places(numbers), at, behind, stuck, moves, invariants,
    )  # fmt: skip


def _walk(moves: Moves) -> tuple[dict[State, int], list[list[int]]]:
    """Return every state with its number, and for each number those of the states that lead to it."""
    first = moves.start()
    numbers, order, before = {first: 0}, [first], [list[int]()]
    for number, state in enumerate(order):
        for after in moves.after(state):
            if after not in numbers:
                numbers[after] = len(order)
                order.append(after)
                before.append([])
            before[numbers[after]].append(number)
        if len(order) > MOST:
            break
    return numbers, before


def _dead(moves: Moves, numbers: dict[State, int], before: list[list[int]]) -> tuple[set[State], bool]:
    """Return the states from which no end can be reached, and whether the plan's own cannot be from the start."""
    ends = [number for state, number in numbers.items() if moves.over(state)]
    goals = [number for state, number in numbers.items() if moves.over(state) and state.way == FORWARD]
    reach = _leading(ends, before)
    return {state for state, number in numbers.items() if number not in reach}, 0 not in _leading(goals, before)


def _leading(goals: list[int], before: list[list[int]]) -> set[int]:
    """Return what leads to any of the goals."""
    found, waiting = set(goals), list(goals)
    while waiting:
        new = set(before[waiting.pop()]) - found
        found |= new
        waiting += new
    return found


def _hops(plan: Replay, knowledge: Knowledge) -> set[str]:
    """Return the rows of the hops of etcd that the plan makes."""
    lines = {unit.runs.line for world in plan.worlds for (name, _), unit in world.hosts.items()
             if name == "etcd" and unit.runs is not None}  # fmt: skip
    hops = [knowledge.hop("etcd", line) for line in lines]
    return {rule.id for rule in hops if rule is not None and rule.to.line in lines}


# The evidence, docs/semantics.md, 17.


def _places(states: Iterable[State]) -> dict[str, tuple[int, str]]:
    texts: dict[str, list[str]] = {}
    for state in states:
        text = json.dumps([list(state.stages), *_listed(state.past)], separators=(",", ":"))
        texts.setdefault(f"{state.way} {state.step}", []).append(text)
    return {place: (len(one), sha256("\n".join(sorted(one)).encode()).hexdigest()) for place, one in texts.items()}


def _listed(past: Past) -> list[object]:
    """Return what is remembered, in order: sets as sorted lists of texts, what watches as name, place and number."""
    listed: list[object] = [sorted(map(str, value)) if isinstance(value, frozenset) else value for value in past]
    listed[Past._fields.index("since")] = sorted([name, where, count] for (name, where), count in past.since)
    return listed
