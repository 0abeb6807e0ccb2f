"""The mixes of versions that a stack can pass through, as small numbers, and the rules that each breaks, as bits.

A rule judges two versions at a time, or one (blocked versions). So what a mix breaks is what its pairs break, together, and
each pair of groups in two versions is judged once. A mix while a group moves has the pairs of the mix before, those of the mix
after, and the group's old version beside its new one; nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import combinations

from kubedeb.knowledge import RuleKind
from kubedeb.knowledge.schema import Rule
from kubedeb.versions import Version
from upgrade_plans.planner.legality import Judge, forbids, mix_of
from upgrade_plans.planner.stack import BY_NAME, Map, Move, Stack, Wish

State = tuple[int, ...]
"""By group, in the order of `Mixes.names`, the place of its version on its ladder."""
Moved = tuple[int, int, State]
"""A group's place, the place on its ladder that it moves to, and the state after it."""


class Mixes:
    """All mixes between a start and a target. A group's ladder: the versions that it can come to, the start's first."""

    def __init__(self, start: Stack, wish: Wish, judge: Judge) -> None:
        self.map = Map(start, wish, judge.knowledge)
        self.judge = judge
        self.names = tuple(name for name, _ in start.versions)
        self.ladders: list[list[Version]] = []
        self.ahead: list[list[list[int]]] = []
        """By group and place on its ladder, the places that it may move to next."""
        for name, version in start.versions:
            self._build(name, version)
        self.start: State = (0,) * len(self.names)
        self.goal: State = tuple(self._goal(place, name) for place, name in enumerate(self.names))
        self._alone = [[self._judged({name: version}) for version in ladder] for name, ladder in self._each()]
        self.pairs = list(self._judged_pairs())
        """Two groups that rules are about together, and what each two of their versions break."""
        self._moving: dict[tuple[int, int, int], int] = {}
        self._rests: dict[State, int] = {}

    def _each(self) -> Iterator[tuple[str, list[Version]]]:
        return zip(self.names, self.ladders, strict=True)

    def _build(self, name: str, version: Version) -> None:
        ladder, ahead = [version], list[list[int]]()
        while len(ahead) < len(ladder):
            following = [move.new for move in self.map.moves(Stack(((name, ladder[len(ahead)]),)))]
            ladder += [new for new in following if new not in ladder]
            ahead.append([ladder.index(new) for new in following])
        self.ladders.append(ladder)
        self.ahead.append(ahead)

    def _goal(self, place: int, name: str) -> int:
        """Return the target's place on a ladder; -1 where the ladder does not lead there."""
        target = self.map.target[name]
        return self.ladders[place].index(target) if target in self.ladders[place] else -1

    # Rules as bits.

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {rule.id: number for number, rule in enumerate(self.judge.knowledge.rules)}

    @cached_property
    def forbidding(self) -> int:
        """Return the bits of the rules that forbid; the others cost risk."""
        return self.bits(rule for rule in self.judge.knowledge.rules if forbids(rule))

    def bits(self, rules: Iterable[Rule]) -> int:
        """Return rules as bits."""
        found = 0
        for rule in rules:
            found |= 1 << self._numbers[rule.id]
        return found

    @cached_property
    def blocking(self) -> int:
        """Return the bits of the rules that forbid one version alone."""
        return self.bits(rule for rule in self.judge.knowledge.rules if rule.kind is RuleKind.BLOCKED and forbids(rule))

    def alone(self, place: int, step: int) -> int:
        """Return what a group's version breaks by itself."""
        return self._alone[place][step]

    def rules(self, bits: int) -> tuple[Rule, ...]:
        """Return the rules of some bits, in the order of the rows."""
        return tuple(rule for number, rule in enumerate(self.judge.knowledge.rules) if bits >> number & 1)

    def _judged(self, versions: dict[str, Version], move: Move | None = None) -> int:
        return self.bits(self.judge.broken(mix_of(Stack.of(versions), move)))

    def _judged_pairs(self) -> Iterator[tuple[int, int, list[list[int]]]]:
        """Yield two groups that a rule is about together, and what each pair of their versions breaks."""
        for (one, name), (two, other) in combinations(enumerate(self.names), 2):
            if self.judge.related(BY_NAME[name].components, BY_NAME[other].components):
                yield one, two, [[self._judged({name: version, other: beside}) for beside in self.ladders[two]]
                                 for version in self.ladders[one]]  # fmt: skip

    # Mixes.

    def at_rest(self, state: State) -> int:
        """Return what a mix breaks while nothing moves."""
        found = self._rests.get(state)
        if found is None:
            found = 0
            for place, step in enumerate(state):
                found |= self._alone[place][step]
            for one, two, table in self.pairs:
                found |= table[state[one]][state[two]]
            self._rests[state] = found
        return found

    def broken(self, state: State, place: int, after: State) -> int:
        """Return what is broken while a group moves or after it; one that moves at once has no mixed state."""
        name = self.names[place]
        if BY_NAME[name].at_once:
            return self.at_rest(after)
        key = place, state[place], after[place]
        if key not in self._moving:
            old, new = (self.ladders[place][step] for step in key[1:])
            self._moving[key] = self._judged({name: new}, Move(name, old, new))
        return self.at_rest(state) | self.at_rest(after) | self._moving[key]

    def moves(self, state: State) -> Iterator[Moved]:
        """Yield every move that a group may make next, whatever the other groups say."""
        for place, step in enumerate(state):
            if step != self.goal[place]:
                for following in self.ahead[place][step]:
                    yield place, following, self.moved(state, place, following)

    @staticmethod
    def moved(state: State, place: int, step: int) -> State:
        """Return the state after a group has moved to a place on its ladder."""
        return (*state[:place], step, *state[place + 1 :])
