"""The certificate file, read."""

from __future__ import annotations

from pathlib import Path

from kubedeb.errors import ExitCode
from upgrade_plans import jsonfile
from upgrade_plans.models.certificate import FORMAT, WHOLE_FORMAT, Certificate, Summary, WholeCertificate


def load(path: Path) -> Certificate:
    """Read a certificate. Raises `KubedebError` (PLAN)."""
    return jsonfile.load(path, Certificate, what="certificate", formats=(FORMAT,), code=ExitCode.PLAN)


def load_whole(path: Path) -> WholeCertificate:
    """Read the certificate of a whole stack's plan. Raises `KubedebError` (PLAN)."""
    return jsonfile.load(path, WholeCertificate, what="certificate", formats=(WHOLE_FORMAT,), code=ExitCode.PLAN)


def load_summary(path: Path) -> Summary:
    """Read what a certificate of either format states, without its evidence. Raises `KubedebError` (PLAN)."""
    return jsonfile.load(path, Summary, what="certificate", formats=(FORMAT, WHOLE_FORMAT), code=ExitCode.PLAN)
