"""The order in which a stack's parts move: the cheapest legal way through all mixes of versions, or what forbids every way.

A* over the mixes of a `Stack`. A move is legal when neither the mix while it is made nor the one after it breaks a rule that
forbids. Costs are compared in this order: drains of each worker, risk (broken rules that warn, once for each mix that breaks
them), moves, minor versions that workers lag behind, and last the order of `GROUPS`, so that the same question has the same
answer. Nodes do not count here: what is searched is a cluster's versions, be it of ten nodes or of a hundred thousand.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from kubedeb.knowledge import Knowledge
from kubedeb.knowledge.schema import Rule
from upgrade_plans.planner.ahead import Ahead
from upgrade_plans.planner.legality import Judge
from upgrade_plans.planner.mixes import Mixes, State
from upgrade_plans.planner.stack import BY_NAME, GROUPS, Move, Stack, Wish

Cost = tuple[int, int, int, int, int, tuple[int, ...]]
Way = tuple[tuple[int, int], ...]
"""Moves in order: a group's place among those of the stack, and the place on its ladder that it moves to."""
NoReturn = Callable[[Move], bool]
"""Says of a move whether it blocks the way back."""
FREEZE = "freeze "
ORDER = {group.name: number for number, group in enumerate(GROUPS)}


@dataclass(frozen=True)
class Stage:
    """A move, the stack after it, the rules that warn about its mixes, and why it is there: (number of a later stage, rule)."""

    move: Move
    after: Stack
    warnings: tuple[Rule, ...]
    needed_by: tuple[tuple[int, Rule], ...] = ()


@dataclass(frozen=True)
class Climb:
    """A way: its stages in order, how often each worker is drained, and its risk."""

    start: Stack
    stages: tuple[Stage, ...]
    drains: int
    risk: int


@dataclass(frozen=True)
class NoWay:
    """No way: rules and freezes that forbid it together, none of which can be left out of that; or what no hops lead to.

    Other rules may forbid it too: what stands here is enough.
    """

    rules: tuple[Rule, ...] = ()
    freezes: tuple[str, ...] = ()
    no_hops: tuple[str, ...] = ()


def climb(start: Stack, wish: Wish, knowledge: Knowledge, no_return: NoReturn | None = None) -> Climb | NoWay:
    """Find the cheapest way from a start to a target, or why there is none. Both name the same groups; nothing goes down.

    With `no_return` the moves of which it is true come as late as they can at the same drains and the same risk.
    """
    judge = Judge(knowledge)
    mixes = Mixes(start, wish, judge)
    lines, target = mixes.map.lines, mixes.map.target
    if no_hops := tuple(name for name, _ in start.versions if lines[name][-1] != target[name].line):
        return NoWay(no_hops=no_hops)
    search = Search(mixes, no_return=no_return)
    found = Search(mixes, looks_ahead=True, no_return=no_return).best() or search.best()
    if found is None:
        return _forbidden(start, wish, judge, search)
    cost, way = found
    return Climb(start, tuple(_stages(start, way, mixes)), cost[0], cost[1])


class Search:
    """A search that obeys the rules whose bits are in `enforced`, and notes which of them stopped it (`stopped`).

    One that looks ahead goes to the same way past fewer mixes, and meets fewer of the rules that would stop others.
    """

    def __init__(
        self, mixes: Mixes, enforced: int = -1, *, looks_ahead: bool = False, no_return: NoReturn | None = None
    ) -> None:
        self.mixes = mixes
        self.enforced = enforced
        self.stopped = 0
        # A rule that the start breaks already stops no repair.
        self.forbidding = mixes.forbidding & enforced & ~mixes.at_rest(mixes.start)
        names = mixes.names
        self.ahead = Ahead(mixes, self.forbidding, ~mixes.forbidding) if looks_ahead else None
        self.drains = [BY_NAME[name].drains for name in names]
        self.order = [ORDER[name] for name in names]
        self.apiservers = names.index("apiservers") if "apiservers" in names else None
        self.first = self._blocked_first()
        self.passed = [self._passed(place, no_return) for place in range(len(names))]
        """By group and place on its ladder how many points of no return lie behind it."""
        self.rest = [[self._rest(place, step) for step in range(len(mixes.ladders[place]))] for place in range(len(names))]

    def _blocked_first(self) -> dict[int, int]:
        """Return the groups that stand on a blocked version and move, each with the bits of what blocks it."""
        mixes = self.mixes
        blocking = mixes.blocking & self.enforced
        return {place: bits for place, goal in enumerate(mixes.goal) if goal and (bits := mixes.alone(place, 0) & blocking)}

    def _waits(self, state: State, place: int) -> bool:
        """Say whether another group must leave a blocked version before this one moves."""
        still = [first for first in self.first if state[first] == 0]
        if not still or place in still:
            return False
        for first in still:
            self.stopped |= self.first[first]
        return True

    def _rest(self, place: int, step: int) -> tuple[int, int]:
        """Return what is left of a group's way at least, (drains, moves): one drain until it is there, a move for each line."""
        name, version = self.mixes.names[place], self.mixes.ladders[place][step]
        if step == self.mixes.goal[place]:
            return 0, 0
        group = BY_NAME[name]
        ahead = sum(line > version.line for line in self.mixes.map.lines[name]) if group.stepwise else 1
        return int(group.drains), max(1, ahead)

    def _passed(self, place: int, no_return: NoReturn | None) -> list[int]:
        name, ladder = self.mixes.names[place], self.mixes.ladders[place]
        if no_return is None:
            return [0] * len(ladder)
        return [0, *accumulate(no_return(Move(name, old, new)) for old, new in pairwise(ladder))]

    def _behind(self, state: State) -> int:
        """Return how many points of no return lie behind a state."""
        return sum([self.passed[place][step] for place, step in enumerate(state)])

    def _legal(self, broken: int) -> bool:
        if stopping := broken & self.forbidding:
            self.stopped |= stopping & -stopping
        return not stopping

    def _step(self, cost: Cost, state: State, place: int, after: State, broken: int) -> Cost:
        """Return the cost after one more move from a state."""
        drains, risk, exposure, moves, lag, order = cost
        behind = 0
        if self.drains[place] and self.apiservers is not None:
            ladders = self.mixes.ladders
            behind = ladders[self.apiservers][after[self.apiservers]].minor - ladders[place][after[place]].minor
        risk += (broken & ~self.mixes.forbidding).bit_count()
        exposure += self._behind(state)
        return drains + self.drains[place], risk, exposure, moves + 1, lag + behind, (*order, self.order[place])

    def _least(self, cost: Cost, state: State) -> Cost:
        """Return what a way costs at least that has cost so much up to a state."""
        rest = [self.rest[place][step] for place, step in enumerate(state)]
        drains, moves = sum(one for one, _ in rest), sum(one for _, one in rest)
        exposure, risk = cost[2] + moves * self._behind(state), cost[1]
        if self.ahead is not None:
            drains = max(drains, self.ahead.drains(state))
            risk += self.ahead.risk(state)
        return cost[0] + drains, risk, exposure, cost[3] + moves, cost[4], cost[5]

    def best(self) -> tuple[Cost, Way] | None:
        """Return the cheapest way, None when there is none."""
        mixes, zero = self.mixes, (0, 0, 0, 0, 0, ())
        queue: list[tuple[Cost, int, Cost, State, Way]] = [(zero, 0, zero, mixes.start, ())]
        done: set[State] = set()
        pushed = 0
        while queue:
            _, _, cost, state, way = heapq.heappop(queue)
            if state == mixes.goal:
                return cost, way
            if state in done:
                continue
            done.add(state)
            for place, step, after in mixes.moves(state):
                if after in done or self._waits(state, place):
                    continue
                broken = mixes.broken(state, place, after)
                if self._legal(broken):
                    pushed += 1
                    reached = self._step(cost, state, place, after, broken)
                    heapq.heappush(queue, (self._least(reached, after), pushed, reached, after, (*way, (place, step))))
        return None


def _stages(start: Stack, way: Way, mixes: Mixes) -> Iterator[Stage]:
    """Yield a way as stages."""
    state, stack = mixes.start, start
    for number, (place, step) in enumerate(way):
        after = mixes.moved(state, place, step)
        move = Move(mixes.names[place], mixes.ladders[place][state[place]], mixes.ladders[place][step])
        stack = stack.with_(move.group, move.new)
        warnings = mixes.rules(mixes.broken(state, place, after) & ~mixes.forbidding)
        yield Stage(move, stack, warnings, tuple(_needed(number, way, mixes)))
        state = after


def _needed(number: int, way: Way, mixes: Mixes) -> Iterator[tuple[int, Rule]]:
    """Yield which later stages could not be made, or only with more warnings, if one were left out, and by which rule."""
    real = left_out = mixes.start
    known = mixes.at_rest(mixes.start)
    for later, (place, step) in enumerate(way):
        passed = mixes.moved(real, place, step)
        warned = mixes.broken(real, place, passed)
        real = passed
        if later == number or (place == way[number][0] and later > number):
            continue
        after = mixes.moved(left_out, place, step)
        broken = mixes.broken(left_out, place, after)
        left_out = after
        if later > number:
            fresh = broken & ~warned & ~known
            known |= fresh
            yield from ((later, rule) for rule in mixes.rules(fresh))


def _forbidden(start: Stack, wish: Wish, judge: Judge, stuck: Search) -> NoWay:
    """Drop from all that stood in the way one after the other, as long as there is no way without it."""
    thawed = Mixes(start, Wish(wish.target, frozenset(), wish.via, wish.rest), judge)
    stopped = stuck.stopped
    # Where one rule gives way others can be met behind it.
    while True:
        behind = Search(thawed, ~stopped)
        if behind.best() is not None or not behind.stopped:
            break
        stopped |= behind.stopped
    rules = {rule.id: rule for rule in thawed.rules(stopped)}
    kept = [*sorted(rules), *(FREEZE + name for name in sorted(wish.frozen))]
    for item in list(kept):
        rest = [other for other in kept if other != item]
        frozen = frozenset(other.removeprefix(FREEZE) for other in rest if other.startswith(FREEZE))
        mixes = Mixes(start, Wish(wish.target, frozen, wish.via, wish.rest), judge)
        if Search(mixes, mixes.bits(rules[other] for other in rest if other in rules)).best() is None:
            kept = rest
    return NoWay(
        tuple(rules[item] for item in kept if item in rules),
        tuple(item.removeprefix(FREEZE) for item in kept if item.startswith(FREEZE)),
    )
