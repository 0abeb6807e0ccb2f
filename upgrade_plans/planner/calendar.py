"""When the steps of a plan may begin: the windows of the cluster file, as spans of a week (pure).

Nobody knows on which day a run begins; it is taken to begin as the first window of a week opens. Local times count as they are
written: one clock for all windows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from upgrade_plans.models.constraints import Day, Window
from upgrade_plans.models.upgrade import Step, Upgrade
from upgrade_plans.models.upgradekinds import StepKind

DAY, WEEK = 24 * 3600, 7 * 24 * 3600
DAYS = list(Day)


@dataclass(frozen=True)
class Calendar:
    """Spans of a week in seconds since its first one opens, in order; `waiting` are the steps that begin in one only."""

    spans: tuple[tuple[int, int], ...]
    waiting: frozenset[str]

    def begins(self, step: str, now: float) -> float:
        """Return when a step begins that everything is ready for, in seconds since the run began."""
        if step not in self.waiting:
            return now
        weeks, here = divmod(now, WEEK)
        place = bisect_right(self.spans, here, key=lambda span: span[0]) - 1
        if here < self.spans[place][1]:
            return now
        following = self.spans[place + 1][0] if place + 1 < len(self.spans) else WEEK
        return weeks * WEEK + following


def calendar(plan: Upgrade) -> Calendar | None:
    """Return when a plan's steps may begin; None: at any time."""
    spans = tuple(_spans(plan.windows))
    if not spans or spans == ((0, WEEK),):
        return None
    first = spans[0][0]
    return Calendar(tuple((begin - first, end - first) for begin, end in spans), frozenset(_waiting(plan.steps)))


def _spans(windows: Iterable[Window]) -> Iterator[tuple[int, int]]:
    """Yield when any window is open, from Monday 0:00; what touches is one."""
    opened = sorted((DAYS.index(day) * DAY + _seconds(one.start), DAYS.index(day) * DAY + _seconds(one.end))
                    for one in windows for day in one.days)  # fmt: skip
    begin, end = -1, -1
    for opens, closes in opened:
        if opens > end:
            if end > begin:
                yield begin, end
            begin = opens
        end = max(end, closes)
    if end > begin:
        yield begin, end


def _seconds(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 3600 + int(minutes) * 60


def _waiting(steps: Sequence[Step]) -> Iterator[str]:
    """Yield the steps that wait for a window: not the clock of a soak, nor what has begun and is better ended.

    That is a declared stop up to its end, a server up to its return to the pool, and what follows a backup that must be fresh.
    """
    places = {step.id: place for place, step in enumerate(steps)}
    fresh = {number for place, step in enumerate(steps) for block in step.blocks if block.backup in places
             for number in range(places[block.backup] + 1, place + 1)}  # fmt: skip
    until, out = "", set[str]()
    for place, step in enumerate(steps):
        if not (until or out or place in fresh or step.kind is StepKind.SOAK):
            yield step.id
        if step.outage is not None:
            until = step.outage.until
        elif step.id == until:
            until = ""
        if step.kind is StepKind.DEPOOL:
            out |= step.takes.keys()
        elif step.kind is StepKind.REPOOL:
            out -= step.takes.keys()


def ends(plan: Upgrade, *, slow: bool = False) -> tuple[float, ...]:
    """Return when each step ends, in seconds since the run began, if each takes its median time (`slow`: its p95)."""
    here, now, found = calendar(plan), 0.0, []
    for step in plan.steps:
        begins = here.begins(step.id, now) if here is not None else now
        now = begins + (step.duration.p95 if slow else step.duration.p50)
        found.append(now)
    return tuple(found)
