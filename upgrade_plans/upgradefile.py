"""The file of a whole stack's plan, read and written; its JSON schema is `docs/upgrade.schema.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from kubedeb.errors import ExitCode
from upgrade_plans import jsonfile
from upgrade_plans.models.plan import FORMAT as ETCD_ALONE
from upgrade_plans.models.plan import Plan
from upgrade_plans.models.upgrade import FORMAT, Upgrade


def load(path: Path) -> Upgrade:
    """Read the plan of a whole stack. Raises `KubedebError` (PLAN)."""
    return jsonfile.load(path, Upgrade, what="plan", formats=(FORMAT,), code=ExitCode.PLAN)


def save(path: Path, plan: Upgrade) -> None:
    """Write the plan of a whole stack."""
    jsonfile.save(path, plan, what="plan", code=ExitCode.PLAN)


def load_any(path: Path) -> Plan | Upgrade:
    """Read a plan of either format. Raises `KubedebError` (PLAN)."""
    read = jsonfile.load_one_of(path, {ETCD_ALONE: Plan, FORMAT: Upgrade}, what="plan", code=ExitCode.PLAN)
    return cast("Plan | Upgrade", read)


def is_whole(path: Path) -> bool:
    """Say whether a plan file is one of a whole stack, by its `format`; a file that cannot be read is not."""
    return jsonfile.format_of(path) == FORMAT


def schema() -> dict[str, Any]:
    """Return the JSON schema of such a plan file."""
    return jsonfile.schema(Upgrade, "plan of a whole stack")
