"""What lies before a mix at least, drains and risk: what every two groups cost as if the others were not there.

Nearly every rule judges two groups. However the others move meanwhile, these two come from where they are to their goals, and
each of their own moves breaks at least what it breaks between them. So the cheapest way of the two alone, which obeys the rules
between them only, never costs more than the real way does. Drains: of a group's, the most that any group beside it asks for.
Risk: added up over all, each rule counted with the first two groups that it is about. Both are bounds that A* may use, and no
move lowers them by more than it costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, reduce
from itertools import chain
from operator import or_

from upgrade_plans.planner.mixes import Mixes, State
from upgrade_plans.planner.stack import BY_NAME

Table = list[list[int]]
ENDLESS = 1_000_000
"""Stands for what has no legal way before it: more than any way costs."""


class Ahead:
    """The bounds for all states of some mixes; `forbidding` are the bits of the rules that stop a move, `warning` cost risk."""

    def __init__(self, mixes: Mixes, forbidding: int, warning: int) -> None:
        self._risks: list[tuple[int, int, Table]] = []
        self._drains: dict[int, list[tuple[int, int, Table]]] = {}
        left = warning
        for one, two, broken in mixes.pairs:
            pair = _Pair(mixes, one, two, broken, forbidding)
            if mine := left & reduce(or_, chain.from_iterable(broken)):
                left &= ~mine
                self._risks.append((one, two, pair.cheapest(mine, (0, 0))))
            for place, weights in ((one, (1, 0)), (two, (0, 1))):
                if BY_NAME[mixes.names[place]].drains:
                    self._drains.setdefault(place, []).append((one, two, pair.cheapest(0, weights)))

    def risk(self, state: State) -> int:
        """Return how much risk is before a state at least."""
        return sum([table[state[one]][state[two]] for one, two, table in self._risks])

    def drains(self, state: State) -> int:
        """Return how often nodes are drained after a state at least."""
        return sum([max([table[state[one]][state[two]] for one, two, table in some]) for some in self._drains.values()])


class _Pair:
    """Two groups and what each two of their versions break; nothing else is there."""

    def __init__(self, mixes: Mixes, one: int, two: int, broken: Table, forbidding: int) -> None:
        self.mixes, self.places, self.broken, self.forbidding = mixes, (one, two), broken, forbidding
        self.at_once = [BY_NAME[mixes.names[place]].at_once for place in self.places]

    def cheapest(self, counted: int, weights: tuple[int, int]) -> Table:
        """Return, by the places on both ladders, what the cheapest way of both to their goals costs.

        A move costs the rules of `counted` that it breaks, and the weight of the group that moves.
        """

        @cache
        def rest(here: int, there: int) -> int:
            if here == self.mixes.goal[self.places[0]] and there == self.mixes.goal[self.places[1]]:
                return 0
            ways = [(now & counted).bit_count() + weights[mover] + rest(*after)
                    for mover, after, now in self._moves(here, there) if not now & self.forbidding]  # fmt: skip
            return min(ways, default=ENDLESS)

        ladders = [range(len(self.mixes.ladders[place])) for place in self.places]
        return [[rest(here, there) for there in ladders[1]] for here in ladders[0]]

    def _moves(self, here: int, there: int) -> Iterator[tuple[int, tuple[int, int], int]]:
        """Yield which of the two moves, where both are then, and what is broken meanwhile and afterwards."""
        for mover, (place, step) in enumerate(zip(self.places, (here, there), strict=True)):
            for new in self.mixes.ahead[place][step] if step != self.mixes.goal[place] else ():
                after = (new, there) if mover == 0 else (here, new)
                broken = self.broken[after[0]][after[1]]
                yield mover, after, broken if self.at_once[mover] else broken | self.broken[here][there]
