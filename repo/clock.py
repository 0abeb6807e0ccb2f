"""When a generation is dated: apt ignores, without a word, a Release that is not newer than the one it has."""

from __future__ import annotations

import math

from kubedeb.records import frozen

# apt takes a Release dated at most 10 s in the future (Acquire::Max-FutureTime).
MAX_AHEAD = 5
MAX_WAIT = 60


class ClockError(ValueError):
    """The clock is further behind the last generation than one waits for."""


@frozen
class Dated:
    """A generation's date, in seconds since the epoch, and how many seconds to wait before it may go live."""

    date: int
    wait: float


def next_date(now: float, previous: int | None) -> Dated:
    """Return the date after `previous`: now, or one second later than the last; never more than 5 s ahead.

    Raises `ClockError` when that would mean to wait longer than a minute.
    """
    date = math.floor(now) if previous is None else max(math.floor(now), previous + 1)
    wait = max(0.0, date - MAX_AHEAD - now)
    if wait > MAX_WAIT:
        raise ClockError(f"the clock is {date - now:.0f} s behind the newest generation")
    return Dated(date, wait)
