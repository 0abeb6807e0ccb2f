"""Waits, with an end, for what a test has begun."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(true: Callable[[], bool], seconds: float = 60, pause: float = 0.05) -> None:
    """Return when something has become true; fail when it has not within so many seconds."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, f"not within {seconds} s"
        time.sleep(pause)
