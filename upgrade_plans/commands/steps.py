"""A step by the name that somebody typed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from kubedeb.errors import ExitCode, KubedebError

Step = TypeVar("Step")
SHOWN = 20
"""So many steps are listed where none is like the name."""


def find_step(steps: Mapping[str, Step], name: str) -> Step:
    """Return the step of that name. Raises `KubedebError` (USAGE), with the nearest name."""
    if name not in steps:
        near = difflib.get_close_matches(name, steps, n=1)
        listed = ", ".join([*steps][:SHOWN]) + (f" and {len(steps) - SHOWN} more" if len(steps) > SHOWN else "")
        advice = f"did you mean {near[0]!r}?" if near else f"its steps: {listed or 'none'}"
        raise KubedebError(f"the plan has no step {name!r}", details=advice, code=ExitCode.USAGE)
    return steps[name]
