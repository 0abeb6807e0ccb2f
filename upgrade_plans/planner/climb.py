"""The order in which a stack's parts move: the cheapest legal way through all mixes of versions, or what forbids every way.

A* over `Stack`. A move is legal when neither the mix while it is made nor the one after it breaks a rule that forbids. Costs
are compared in this order: drains of each worker, risk (broken rules that warn, once for each mix that breaks them), moves,
minor versions that workers lag behind, and last the order of `GROUPS`, so that the same question has the same answer.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from kubedeb.knowledge import Knowledge
from kubedeb.knowledge.schema import Rule
from upgrade_plans.planner.legality import Judge, forbids, mix_of, unique
from upgrade_plans.planner.stack import BY_NAME, GROUPS, Map, Move, Stack, Wish

Cost = tuple[int, int, int, int, tuple[int, ...]]
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


def climb(start: Stack, wish: Wish, knowledge: Knowledge) -> Climb | NoWay:
    """Find the cheapest way from a start to a target, or why there is none. Both name the same groups; nothing goes down."""
    judge = Judge(knowledge)
    search = _Search(start, wish, judge)
    no_hops = tuple(name for name, _ in start.versions if search.map.lines[name][-1] != search.map.target[name].line)
    if no_hops:
        return NoWay(no_hops=no_hops)
    found = search.best()
    if found is None:
        return _forbidden(start, wish, judge, search.stopped)
    cost, moves = found
    stages, stack = [], start
    for move in moves:
        stack = stack.with_(move.group, move.new)
        stages.append(Stage(move, stack, tuple(rule for rule in search.broken(stack, move) if not forbids(rule))))
    return Climb(start, tuple(_explained(start, stages, search)), cost[0], cost[1])


class _Search:
    def __init__(self, start: Stack, wish: Wish, judge: Judge, enforced: frozenset[str] | None = None) -> None:
        self.start = start
        self.map = Map(start, wish, judge.knowledge)
        self.judge = judge
        self.enforced = enforced
        self.goals = dict(self.map.target.versions)
        self.stopped: dict[str, Rule] = {}
        self.rests: dict[Stack, tuple[Rule, ...]] = {}
        self.here = frozenset(rule.id for rule in self.judge.broken(mix_of(start)))

    def broken(self, after: Stack, move: Move) -> tuple[Rule, ...]:
        """Return what is broken while a move is made or after it."""
        return unique((*self.judge.broken(mix_of(after, move)), *self._at_rest(after)))

    def _at_rest(self, stack: Stack) -> tuple[Rule, ...]:
        if stack not in self.rests:
            self.rests[stack] = self.judge.broken(mix_of(stack))
        return self.rests[stack]

    def legal(self, broken: tuple[Rule, ...]) -> bool:
        """Say whether nothing that is broken forbids; a rule that the start breaks already stops no repair."""
        for rule in broken:
            if forbids(rule) and rule.id not in self.here and (self.enforced is None or rule.id in self.enforced):
                self.stopped[rule.id] = rule
                return False
        return True

    def step(self, cost: Cost, move: Move, after: Stack, broken: tuple[Rule, ...]) -> Cost:
        """Return the cost after one more move."""
        drains, risk, moves, lag, order = cost
        group = BY_NAME[move.group]
        behind = after["apiservers"].minor - move.new.minor if group.drains and "apiservers" in after else 0
        risk += sum(not forbids(rule) for rule in broken)
        return drains + group.drains, risk, moves + 1, lag + behind, (*order, ORDER[move.group])

    def bound(self, stack: Stack) -> tuple[int, int, int, int]:
        """Return what the rest costs at least: a drain of each group that is not there, a move for each line that it takes."""
        drains = moves = 0
        for name, version in stack.versions:
            if version != self.goals[name]:
                drains += BY_NAME[name].drains
                ahead = sum(line > version.line for line in self.map.lines[name]) if BY_NAME[name].stepwise else 1
                moves += max(1, ahead)
        return drains, 0, moves, 0

    def best(self) -> tuple[Cost, tuple[Move, ...]] | None:
        """Return the cheapest way, None when there is none."""
        zero: Cost = (0, 0, 0, 0, ())
        queue: list[tuple[Cost, int, Cost, Stack, tuple[Move, ...]]] = [(zero, 0, zero, self.start, ())]
        done: set[Stack] = set()
        pushed = 0
        while queue:
            _, _, cost, stack, way = heapq.heappop(queue)
            if stack == self.map.target:
                return cost, way
            if stack in done:
                continue
            done.add(stack)
            for move in self.map.moves(stack):
                after = stack.with_(move.group, move.new)
                if after in done or not self.legal(self._at_rest(after)):
                    continue
                broken = self.broken(after, move)
                if not self.legal(broken):
                    continue
                pushed += 1
                reached = self.step(cost, move, after, broken)
                rest = self.bound(after)
                least: Cost = (reached[0] + rest[0], reached[1], reached[2] + rest[2], reached[3], reached[4])
                heapq.heappush(queue, (least, pushed, reached, after, (*way, move)))
        return None


def _explained(start: Stack, stages: list[Stage], search: _Search) -> Iterator[Stage]:
    """Say of each stage which later ones could not be made, or only with more warnings, if it were left out."""
    for number, stage in enumerate(stages):
        stack = start
        needed: list[tuple[int, Rule]] = []
        for later, other in enumerate(stages):
            if later == number or (other.move.group == stage.move.group and later > number):
                continue
            stack = stack.with_(other.move.group, other.move.new)
            if later > number:
                known = {rule.id for rule in other.warnings} | {rule.id for _, rule in needed}
                needed += [(later, rule) for rule in search.broken(stack, other.move) if rule.id not in known | search.here]
        yield Stage(stage.move, stage.after, stage.warnings, tuple(needed))


def _forbidden(start: Stack, wish: Wish, judge: Judge, stopped: dict[str, Rule]) -> NoWay:
    """Drop from all that stood in the way one after the other, as long as there is no way without it."""
    rules, every = dict(stopped), frozenset(rule.id for rule in judge.knowledge.rules)
    # Where one rule gives way others can be met behind it.
    while True:
        behind = _Search(start, Wish(wish.target, frozenset(), wish.via, wish.rest), judge, every - set(rules))
        if behind.best() is not None or not behind.stopped:
            break
        rules |= behind.stopped
    kept = [*sorted(rules), *(FREEZE + name for name in sorted(wish.frozen))]
    for item in list(kept):
        rest = [other for other in kept if other != item]
        frozen = frozenset(other.removeprefix(FREEZE) for other in rest if other.startswith(FREEZE))
        attempt = _Search(start, Wish(wish.target, frozen, wish.via, wish.rest), judge, frozenset(rest))
        if attempt.best() is None:
            kept = rest
    return NoWay(
        tuple(rules[item] for item in kept if item in rules),
        tuple(item.removeprefix(FREEZE) for item in kept if item.startswith(FREEZE)),
    )
