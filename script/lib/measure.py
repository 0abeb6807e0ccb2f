"""How benchmarks measure: medians of wall time after one run that is not counted, and what a figure is."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RUNS = 7
KUBEDEB = Path(sys.executable).parent / "kubedeb"
Figure = dict[str, Any]


def median(action: Callable[[], object], runs: int = RUNS) -> float:
    """Return the median wall time of `action` in seconds, after one run that is not counted."""
    action()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def figure(what: str, ours: float, goal: float, peer: float | None = None) -> Figure:
    """Return a figure in the unit that `what` ends in; it holds when ours is at most the goal."""
    ratio = round(ours / peer, 3) if peer else None
    return {"what": what, "ours": round(ours, 4), "peer": peer, "ratio": ratio, "goal": goal, "holds": ours <= goal}
