"""Runs of `script/demo`, as tests ask for them."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

from kubedeb.errors import ExitCode
from kubedeb.process import run

TOP = Path(__file__).parents[2]
COLD_SECONDS, WARM_SECONDS = 600, 180
MEMBER = re.compile(r"^(etcd[123]) +(3\.\d+\.\d+) +3\.5\.16 +\d+\.\d s$", re.M)


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


def check(ran: Ran) -> None:
    """Hold a run to what the demo promises: every member upgraded, no acknowledged write lost, no long gap."""
    # Debian's oldest suite may leave the mirror: then the demo says so and starts at 3.4.
    oldest = "3.4.23" if "not_run" in ran.report else "3.3.25"
    assert MEMBER.findall(ran.output) == [(node, oldest) for node in ("etcd1", "etcd2", "etcd3")]
    assert re.search(r"^lost: 0 ", ran.output, re.M)
    load = ran.report["load"]
    assert isinstance(load, dict)
    assert set(load["lost"].values()) == {0}
    assert len(load["lost"]) == 3
    assert load["rate"] >= 50
    assert load["longest_gap"] <= 5
    assert load["acknowledged"] == len((ran.folder / "acknowledged.log").read_text().splitlines())
