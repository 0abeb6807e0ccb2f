"""What the journals of earlier runs say about how long steps take."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from kubedeb.errors import KubedebError
from upgrade_plans.executor import runs
from upgrade_plans.executor.journal import Taken
from upgrade_plans.models.plan import ACTS, StepKind
from upgrade_plans.models.state import Direction, Progress

Observed = dict[StepKind, list[float]]


def observed(folder: Path) -> Observed:
    """Return the seconds that each step of every run under `folder` took, by kind; a run that cannot be read is passed over.

    Steps that a killed executor left in the middle of are not counted: what passed until the next one came says nothing.
    """
    found: Observed = {}
    for run in runs.every(folder) if folder.is_dir() else ():
        try:
            for kind, seconds in _of(run):
                found.setdefault(kind, []).append(seconds)
        except KubedebError:
            continue
    return found


def _of(run: runs.RunFolder) -> list[tuple[StepKind, float]]:
    steps = run.plan().steps
    with closing(run.journal()) as journal:
        acts = [taken for taken in journal.acts() if taken.direction is Direction.FORWARD]
        breaks = [event["at"] for event in journal.events() if event["what"] == "take-over"]
    times = []
    for number, step in enumerate(steps):
        here = [taken for taken in acts if taken.step == number]
        seconds = _seconds(here, len(step.nodes) * len(ACTS[step.kind]), breaks)
        if seconds is not None:
            times.append((step.kind, seconds))
    return times


def _seconds(acts: list[Taken], expected: int, breaks: list[float]) -> float | None:
    """Return how long a step's acts took, from the first issue to the last end; None where that is not known."""
    spans = [(taken.issued, taken.ended) for taken in acts if taken.state is Progress.DONE and taken.issued and taken.ended]
    if not spans or len(acts) < expected:
        return None
    begin, end = min(issued for issued, _ in spans), max(ended for _, ended in spans)
    return None if any(begin < at < end for at in breaks) else end - begin
