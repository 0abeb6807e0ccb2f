"""The report of a whole stack's plan as one HTML file that loads nothing."""

from __future__ import annotations

from pathlib import Path

import jinja2

from upgrade_plans.reportrows import Report
from upgrade_plans.upgradetext import long, patch, times

TEMPLATE = "report.html.j2"


def page(report: Report) -> str:
    """Return the page. What the plan says is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(long=long, patch=lambda change: "\n".join(patch(change)), times=times)
    return environment.get_template(TEMPLATE).render(report=report, plan=report.plan)
