"""Tests that do not fit into CI's minutes take turns by the day's seed: who is left out today; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

TURNS = 3
"""How many days the tests marked `turn` without a group need until each has had its own."""


def left_out(groups: Sequence[str], seed: int) -> set[int]:
    """Return the places that are not run: of a named group all but one, of those without (`""`) two in three.

    `groups` holds the group of each test that takes turns.
    """
    members: defaultdict[str, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        members[group].append(place)
    return {
        place for group, places in members.items() for number, place in enumerate(places)
        if (number + seed) % (len(places) if group else TURNS)
    }  # fmt: skip
