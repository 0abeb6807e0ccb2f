"""`script/bench`: medians of what has a goal, on this machine, beside a peer where there is one."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kubedeb.cli import guarded
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.process import run
from script.lib.measure import KUBEDEB, Figure, figure, median


def start() -> list[Figure]:
    """Measure how long the command takes to start."""
    version = median(lambda: run([KUBEDEB, "--version"], code=ExitCode.BUG))
    reference = median(lambda: run([KUBEDEB, "--help"], code=ExitCode.BUG))
    return [
        figure("kubedeb --version, s", version, 0.15),
        figure("kubedeb --help, s", reference, 0.15),
    ]


def prove() -> list[Figure]:
    """Measure the proof of plans for three members; the peer is the tests' oracle, which judges the same states plainly."""
    import book
    import oracle
    from kubedeb import knowledge
    from upgrade_plans import prover

    known = knowledge.load()
    figures = []
    for versions in (["3.3.25", "3.4.23"], ["3.3.25", "3.4.23", "3.5.16"]):
        plan = book.good(3, versions)
        states = prover.prove(plan, None, known).states
        ours = median(lambda plan=plan: prover.prove(plan, None, known), 3)  # type: ignore[misc]
        peer = median(lambda plan=plan: oracle.judge(plan), 1)  # type: ignore[misc]
        figures.append(figure(f"prove {' → '.join(versions)} on 3 members, {states:,} states, s", ours, 5, round(peer, 3)))
    return figures


def build(parts: Sequence[str] = ()) -> list[Figure]:
    """Measure building, or some parts of it."""
    from script.lib import bench_build

    return bench_build.build(parts)


def repo() -> list[Figure]:
    """Measure the repository beside aptly and reprepro."""
    from script.lib import bench_repo

    return bench_repo.repo()


def plan() -> list[Figure]:
    """Measure planning."""
    from script.lib import bench_plan

    return bench_plan.plan()


BENCHMARKS: dict[str, Callable[[], list[Figure]]] = {"start": start, "prove": prove, "plan": plan, "build": build, "repo": repo}


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ""
    )
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}


def main(names: Sequence[str]) -> int:
    """Run the named benchmarks, else all; of `build:PART` that part."""
    parts = [name.removeprefix("build:") for name in names if name.startswith("build:")]
    names = [*(name for name in names if not name.startswith("build:")), *(["build"] if parts else [])]
    if unknown := [name for name in names if name not in BENCHMARKS]:
        raise KubedebError(f"no benchmark {unknown[0]!r}", hint=f"There are: {', '.join(BENCHMARKS)}.", code=ExitCode.USAGE)
    before = machine()
    figures = [figure for name in names or BENCHMARKS for figure in (build(parts) if name == "build" else BENCHMARKS[name]())]
    print(json.dumps({"machine": before, "figures": figures}, indent=2, ensure_ascii=False))
    return 0 if all(figure["holds"] for figure in figures) else 1


if __name__ == "__main__":
    raise SystemExit(guarded(lambda: main(sys.argv[1:])))
