"""The plan file, read and written; its JSON schema is `docs/plan.schema.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode
from upgrade_plans import jsonfile
from upgrade_plans.models.plan import FORMAT, Plan


def load(path: Path) -> Plan:
    """Read a plan file. Raises `KubedebError` (PLAN)."""
    return jsonfile.load(path, Plan, what="plan", format_number=FORMAT, code=ExitCode.PLAN)


def save(path: Path, plan: Plan) -> None:
    """Write a plan file."""
    jsonfile.save(path, plan, what="plan", code=ExitCode.PLAN)


def schema() -> dict[str, Any]:
    """Return the JSON schema of a plan file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kubedeb plan",
        **Plan.model_json_schema(by_alias=True),
    }
