"""Runs of `script/demo`, as tests ask for them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from kubedeb.errors import ExitCode
from kubedeb.process import run

TOP = Path(__file__).parents[2]
COLD_SECONDS, WARM_SECONDS = 600, 180


@dataclass(frozen=True)
class Ran:
    """A run that succeeded: its folder, what it printed, seconds of wall time, its report.json."""

    folder: Path
    output: str
    seconds: float
    report: dict[str, object]


def demo(folder: Path, **environment: str) -> Ran:
    """Run the demo in `folder`."""
    began = time.monotonic()
    result = run(
        [TOP / "script/demo"], code=ExitCode.BUG, env={"KUBEDEB_DEMO": str(folder), **environment}, timeout=COLD_SECONDS
    )
    return Ran(folder, result.text, time.monotonic() - began, json.loads((folder / "report.json").read_text()))
