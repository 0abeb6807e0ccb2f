"""How long each kind of step takes before a journal of earlier runs knows better.

Measured with etcd 3.3.25, 3.4.23 and 3.5.16 in containers on two cores under 400 writes a second: restart to healthy
0.3-0.5 s per member; the cluster version follows within the monitor's tick of about 4 s. The p95 leaves room for slow
disks and for elections.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

from upgrade_plans.models.plan import DAY, Duration, Step, StepKind

MEGABYTE = 1_000_000
SPARE = 2
"""How many times the 95th percentiles' sum a backup may be old: a slow run passes, one that was left lying does not."""
SHORTEST = 600

PRIORS = {
    StepKind.DOWNLOAD: Duration(p50=5, p95=60),
    StepKind.BACKUP: Duration(p50=2, p95=15),
    StepKind.DRILL: Duration(p50=10, p95=60),
    StepKind.MOVE_LEADER: Duration(p50=1, p95=5),
    StepKind.CHANGE: Duration(p50=6, p95=40),
    StepKind.AWAIT_VERSION: Duration(p50=5, p95=20),
}


def prior(kind: StepKind, db_size: int) -> Duration:
    """Return the prior for a step; backups and drills grow with the database (`db_size`, bytes): 50 and 5 MB/s."""
    base = PRIORS[kind]
    rate = {StepKind.BACKUP: 50, StepKind.DRILL: 5}.get(kind)
    more = db_size / MEGABYTE / rate if rate else 0
    return Duration(p50=round(base.p50 + more, 1), p95=round(base.p95 + 3 * more, 1))


def backup_age(since: Iterable[Step]) -> int:
    """Return how old a backup may be, in seconds, after the steps `since` it (itself included); whole minutes."""
    expected = SPARE * sum(step.duration.p95 for step in since)
    return min(DAY, max(SHORTEST, ceil(expected / 60) * 60))
