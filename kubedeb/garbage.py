"""Python's search for cycles of garbage, left out where hundreds of thousands of values are made and none is in a cycle."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_search_for_garbage() -> Iterator[None]:
    """Let Python look for no cycles meanwhile: what is made is in use, or freed by its count.

    To look through all that a planner or a prover of a large fleet holds, again and again, takes a quarter of its time.
    """
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()
