"""Work through a graph side by side: what is ready is started, what stands on a failure is not, everything else goes on."""

from __future__ import annotations

import graphlib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


class Steps(Protocol[T]):
    """What is done at each place of the graph; `T` says what became of it."""

    def start(self, place: int) -> Future[Any] | T:
        """Begin a place whose needs are all met: its outcome if that is known at once, else a future."""

    def finished(self, place: int, future: Future[Any]) -> T:
        """Return the outcome of a place whose future is done."""

    def blocked(self, place: int, by: list[int]) -> T:
        """Return the outcome of a place that is not begun, because those of `by` failed."""

    def failed(self, outcome: T) -> bool:
        """Say whether an outcome keeps others from being begun."""


def waits(needs: Mapping[int, Collection[int]], after: Mapping[int, int]) -> dict[int, set[int]]:
    """Return the places that each place waits for: its needs, and the one that it comes after."""
    return {place: {*of, *([after[place]] if place in after else [])} for place, of in needs.items()}


def work_through(
    needs: Mapping[int, Collection[int]], steps: Steps[T], outcomes: dict[int, T], after: Mapping[int, int] | None = None
) -> None:
    """Begin every place of the graph as soon as what it needs is done, and note the outcomes by place.

    `after`: places that only wait for another one to be over, whatever became of it. Places that are ready are begun in order
    of their number. What `steps` raises ends the work.
    """
    from concurrent.futures import FIRST_COMPLETED, Future, wait  # a run that finds nothing to do waits for none

    sorter = graphlib.TopologicalSorter(waits(needs, after or {}))
    sorter.prepare()
    running: dict[Future[Any], int] = {}
    while sorter.is_active():
        for place in sorted(sorter.get_ready()):
            by = [other for other in needs[place] if steps.failed(outcomes[other])]
            begun = steps.blocked(place, by) if by else steps.start(place)
            if isinstance(begun, Future):
                running[begun] = place
            else:
                outcomes[place] = begun
                sorter.done(place)
        if running:
            # Each build has a time limit of its own; the short wait is for the keyboard.
            done, _ = wait(running, timeout=1, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=running.__getitem__):
                place = running.pop(future)
                outcomes[place] = steps.finished(place, future)
                sorter.done(place)
