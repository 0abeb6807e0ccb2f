"""How long a whole stack's plan takes, for every command that says it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from upgrade_plans.models.upgrade import Upgrade
    from upgrade_plans.planner.estimate import Estimate

journal_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--journal", "runs", metavar="DIR", type=click.Path(path_type=Path),
    help="Runs to learn times from, instead of those in STATE/runs.",
)  # fmt: skip


def estimated(plan: Upgrade, runs: Path | None) -> Estimate:
    """Return the times of a plan, drawn many times; what runs under `runs` (STATE/runs) showed of etcd's steps counts."""
    from kubedeb.config import path_setting
    from upgrade_plans.executor.learning import observed
    from upgrade_plans.planner.calendar import calendar
    from upgrade_plans.planner.durations import whole_with_learned
    from upgrade_plans.planner.estimate import estimate

    known = observed(runs if runs is not None else path_setting("state") / "runs")
    steps, used = whole_with_learned(plan.steps, known)
    return replace(estimate(steps, calendar=calendar(plan)), learned=used)
