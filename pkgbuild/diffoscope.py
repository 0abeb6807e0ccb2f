"""diffoscope: what differs between two packages, as far as this machine has the program."""

from __future__ import annotations

from pathlib import Path

from kubedeb.errors import ExitCode
from kubedeb.process import ProcessError, run

LINES = 30
NOT_INSTALLED = "diffoscope is not installed: with it (apt-get install diffoscope-minimal) this shows what differs."
SECONDS = 900


def summary(before: Path, after: Path, report: Path) -> str:
    """Return the beginning of diffoscope's report on two files, which it writes to `report` whole; else why there is none."""
    command: list[str | Path] = ["diffoscope", "--no-progress", "--text", report, before, after]
    try:
        run(command, code=ExitCode.NOT_REPRODUCED, ok=(0, 1), timeout=SECONDS)
    except ProcessError as error:
        return NOT_INSTALLED if error.result.status == -1 and not error.result.stderr else f"{error.brief}\n{error.details}"
    lines = report.read_text(errors="replace").splitlines() if report.exists() else []
    return "\n".join([*lines[:LINES], f"The whole report: {report}"])
