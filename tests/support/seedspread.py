"""Comparisons of many seeds, spread over all cores; what differs is saved as a case."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar


class Outcome(Protocol):
    """What a comparison says: its name, how the two differ ("" if they do not), and the plan, as JSON, on which they do."""

    @property
    def name(self) -> str: ...
    @property
    def difference(self) -> str: ...
    @property
    def plan(self) -> str: ...


Found = TypeVar("Found", bound=Outcome)


def spread(work: Callable[[int], Found], seeds: Iterable[int], saved: Path | None) -> Iterator[Found]:
    """Yield the outcome for each seed, in order, from as many processes as there are cores; what differs goes into `saved`."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for outcome in pool.map(work, seeds, chunksize=8):
            if outcome.difference and saved is not None:
                saved.mkdir(exist_ok=True, parents=True)
                (saved / f"{outcome.name}.json").write_text(outcome.plan)
            yield outcome
