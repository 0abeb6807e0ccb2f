"""The plan file, read and written; its JSON schema is `docs/plan.schema.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode
from upgrade_plans import jsonfile
from upgrade_plans.models.plan import FORMAT, Plan


def load(path: Path) -> Plan:
    """Read a plan file. Raises `KubedebError` (PLAN)."""
    return jsonfile.load(path, Plan, what="plan", formats=(FORMAT,), code=ExitCode.PLAN)


def save(path: Path, plan: Plan) -> None:
    """Write a plan file."""
    jsonfile.save(path, plan, what="plan", code=ExitCode.PLAN)


def schema() -> dict[str, Any]:
    """Return the JSON schema of a plan file."""
    return jsonfile.schema(Plan, "plan")
