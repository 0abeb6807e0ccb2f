"""A counter-example, gone through transition by transition: where it leads (docs/semantics.md, 12)."""

from __future__ import annotations

from collections.abc import Iterable

from upgrade_plans.checker.wholemoves import Moves
from upgrade_plans.checker.wholestate import BACK, ENDED, FORWARD, IN_HAND, PENDING, State
from upgrade_plans.models.certificate import Transition


def gone_through(story: Iterable[Transition], moves: Moves) -> State | None:
    """Return the state that a story leads to from the start; None where one of its transitions is none."""
    state = moves.start()
    for told in story:
        ways = {_told(moves, state, after): after for after in moves.after(state)}
        after = ways.get((told.step, told.what, told.part, told.planned))
        if after is None:
            return None
        state = after
    return state


def _told(moves: Moves, state: State, after: State) -> tuple[str, str, str, bool]:
    """Return a transition as a story tells it: the step, what happens, to which part, and whether as planned."""
    what, part = _happens(moves, state, after)
    return moves.step_of(state) or "", what, part, state.way == FORWARD and what != "turn"


def _happens(moves: Moves, state: State, after: State) -> tuple[str, str]:
    if after.way != state.way:
        return ("ended" if after.way == ENDED else "turn"), ""
    if after.step != state.step:
        return "advance", ""
    place = next(number for number, stage in enumerate(after.stages) if stage != state.stages[number])
    if state.stages[place] == IN_HAND:
        return "end", moves.part(state.step, place)
    # What is one act is taken in hand by no one, but on the way back it begins like anything else.
    acts = after.stages[place] != IN_HAND and state.way != BACK and state.stages[place] == PENDING
    return ("act" if acts else "begin"), moves.part(state.step, place)
