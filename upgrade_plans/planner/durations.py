"""How long each kind of step takes: a table of priors (`durations.yaml`), and what the journals of earlier runs add to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import ceil
from pathlib import Path

from kubedeb.errors import ExitCode
from kubedeb.yamlfile import StrictModel, load_model
from upgrade_plans.models import upgrade, upgradekinds
from upgrade_plans.models.plan import DAY, Duration, Step, StepKind

MEGABYTE = 1_000_000
SPARE = 2
"""How many times the 95th percentiles' sum a backup may be old: a slow run passes, one that was left lying does not."""
SHORTEST = 600
TRUST = 5
"""As many observations as weigh as much as the prior."""
OF_WHOLE: Mapping[upgradekinds.StepKind, StepKind] = {
    upgradekinds.StepKind.DOWNLOAD: StepKind.DOWNLOAD, upgradekinds.StepKind.BACKUP: StepKind.BACKUP,
    upgradekinds.StepKind.DRILL: StepKind.DRILL, upgradekinds.StepKind.MOVE_LEADER: StepKind.MOVE_LEADER,
    upgradekinds.StepKind.ETCD_HOP: StepKind.CHANGE, upgradekinds.StepKind.AWAIT_VERSION: StepKind.AWAIT_VERSION,
}  # fmt: skip
"""Which steps of a whole stack's plan do to etcd what a step of a plan for etcd alone does."""


class Prior(StrictModel):
    """A kind of step: its median and 95th percentile, what a megabyte of the database adds, in seconds, and who says so."""

    kind: StepKind
    p50: float
    p95: float
    per_megabyte: float = 0.0
    source: str


class Table(StrictModel):
    """The table of priors."""

    durations: tuple[Prior, ...]


@cache
def priors() -> Mapping[StepKind, Prior]:
    """Return the priors by kind; every kind has one."""
    table = load_model(Path(__file__).parent / "durations.yaml", Table, code=ExitCode.KNOWLEDGE)
    return {row.kind: row for row in table.durations}


def prior(kind: StepKind, db_size: int) -> Duration:
    """Return the prior for a step; backups and drills grow with the database (`db_size`, bytes)."""
    base = priors()[kind]
    more = db_size / MEGABYTE * base.per_megabyte
    return Duration(p50=round(base.p50 + more, 1), p95=round(base.p95 + 3 * more, 1))


def learned(duration: Duration, observed: Sequence[float]) -> Duration:
    """Return a duration after so many observations (seconds): they weigh by their number, the prior as `TRUST`."""
    if not observed:
        return duration
    ordered = sorted(observed)
    weight = len(ordered) / (len(ordered) + TRUST)
    middle, high = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]
    p50 = weight * middle + (1 - weight) * duration.p50
    return Duration(p50=round(p50, 1), p95=round(max(p50, weight * high + (1 - weight) * duration.p95), 1))


def with_learned(steps: Iterable[Step], observed: Mapping[StepKind, Sequence[float]]) -> tuple[Step, ...]:
    """Return the steps with durations that take in what earlier runs showed of their kind (seconds)."""
    return tuple(step.model_copy(update={"duration": learned(step.duration, observed.get(step.kind, ()))}) for step in steps)


def whole_with_learned(
    steps: Iterable[upgrade.Step], observed: Mapping[StepKind, Sequence[float]]
) -> tuple[tuple[upgrade.Step, ...], int]:
    """Return a whole stack's steps with what runs of etcd's plans showed (seconds), and how many observations came to count.

    A hop is as many changes as it takes members. A backup of more than the v3 store, and its drill, no run has shown.
    """
    made, used, snapshot = [], set[StepKind](), False
    for step in steps:
        if step.backup is not None:
            snapshot = not step.backup.cold and step.backup.stores == (upgradekinds.Store.V3,)
        kind = OF_WHOLE.get(step.kind)
        others = kind is StepKind.DOWNLOAD and step.component != "etcd"
        known = observed.get(kind, ()) if kind is not None and not others else ()
        if kind is None or not known or (kind in (StepKind.BACKUP, StepKind.DRILL) and not snapshot):
            made.append(step)
            continue
        used.add(kind)
        times = sum(step.takes.values()) if kind is StepKind.CHANGE else 1
        one = learned(Duration(p50=step.duration.p50 / times, p95=step.duration.p95 / times), known)
        made.append(step.model_copy(update={"duration": Duration(p50=one.p50 * times, p95=one.p95 * times)}))
    return tuple(made), sum(len(observed[kind]) for kind in used)


def backup_age(since: Iterable[Step]) -> int:
    """Return how old a backup may be, in seconds, after the steps `since` it (itself included); whole minutes."""
    expected = SPARE * sum(step.duration.p95 for step in since)
    return min(DAY, max(SHORTEST, ceil(expected / 60) * 60))
