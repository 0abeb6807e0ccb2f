"""The way back as text for people, and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from upgrade_plans.models.upgrade import Upgrade
from upgrade_plans.render import NO_RETURN, spell
from upgrade_plans.rollback import Blocked, WayBack, lossy, points_of_no_return


def way_text(way: WayBack) -> Iterator[str]:
    """Yield a way back: what is undone in which order, what is lost, and what stands in the way."""
    if way.reachable:
        yield f"From the end of {way.step} back to before {way.to}: {_length(way)}"
    else:
        yield f"From the end of {way.step} there is {NO_RETURN} to before {way.to} by undoing:"
        yield from (f"  {line}" for one in way.blocked for line in _block(one))
        yield "Undoing leads back to before " + f"{way.reaches}: {_length(way)}" if way.reaches else "Nothing can be undone."
    for number, one in enumerate(way.undone, 1):
        yield f"  {number:3}. {one.step}: {one.how}" + (f" (asking {', '.join(one.asks)})" if one.asks else "")
        if one.loss:
            yield f"       LOST: {one.loss}"
    if way.reachable or way.reaches:
        yield f"lost on the way: {'; '.join(way.losses) or 'nothing'}"


def _length(way: WayBack) -> str:
    seconds = sum(one.seconds for one in way.undone)
    return f"{len(way.undone)} steps are undone, in about {spell(seconds)}"


def _block(one: Blocked) -> Iterator[str]:
    yield f"{one.step} puts the state before {one.state} out of reach: {one.by}"
    yield f"  lost beyond it: {one.loss}"
    yield f"  brings it back: the backup of {one.backup}, at that loss" if one.backup else "  brings it back: nothing"


def no_return_text(plan: Upgrade) -> Iterator[str]:
    """Yield the table of points of no return, and of undos that cost something."""
    found = list(points_of_no_return(plan))
    yield f"points of no return: {len(found) or 'none, every step can be undone'}"
    for one in found:
        yield from (f"  {line}" for line in _block(one))
    for step, loss in lossy(plan):
        yield f"  {step} can be undone, at a loss: {loss}"


def way_values(way: WayBack) -> dict[str, Any]:
    """Return a way back as JSON values."""
    return {**asdict(way), "reachable": way.reachable, "losses": list(way.losses)}
