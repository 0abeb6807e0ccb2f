"""The certificate file, read."""

from __future__ import annotations

from pathlib import Path

from kubedeb.errors import ExitCode
from upgrade_plans import jsonfile
from upgrade_plans.models.certificate import FORMAT, Certificate


def load(path: Path) -> Certificate:
    """Read a certificate. Raises `KubedebError` (PLAN)."""
    return jsonfile.load(path, Certificate, what="certificate", formats=(FORMAT,), code=ExitCode.PLAN)
