"""Tests that do not fit into CI's minutes take turns by the day's seed: who is left out today; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

TURNS = 3
"""How many days the tests marked `turn` without a group need until each has had its own."""


@dataclass(frozen=True)
class Turn:
    """A test that takes turns: its group, "" for none; `member`: whose tests have their day together, "" for it by itself.

    On the day of one that is `alone`, the others of its area stay out.
    """

    group: str = ""
    member: str = ""
    area: str = ""
    alone: bool = False


def left_out(turns: Sequence[Turn], seed: int) -> set[int]:
    """Return the places that are not run: of a named group all but one member, of those without two in three.

    The days of those that are alone do not count for the others of their area, so that these have their turns on the rest.
    """
    groups: defaultdict[str, defaultdict[Hashable, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, turn in enumerate(turns):
        groups[turn.group][turn.member or place].append(place)
    taken = {turn.area: turn.group for turn in turns if turn.alone}
    out: set[int] = set()
    for group, members in groups.items():
        for number, places in enumerate(members.values()):
            for place in places:
                alone = taken.get(turns[place].area, group)
                day = seed if alone == group else seed // len(groups[alone])
                if (number + day) % (len(members) if group else TURNS):
                    out.add(place)
    today = {turn.area for place, turn in enumerate(turns) if turn.alone and place not in out}
    return out | {place for place, turn in enumerate(turns) if turn.area in today and not turn.alone}
