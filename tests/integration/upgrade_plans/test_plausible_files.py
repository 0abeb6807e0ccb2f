"""Facts and plans with values exchanged for others of their kind: planned and proven, or refused; never a bug.

What reads these files takes most of them, so what is tried is what comes after reading. A plan that is made is proven: where
the prover refuses, the planner should have said why there is none.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import testseed
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from plausible import plausible

CLUSTER = Path(__file__).parents[2] / "cases/clusters/staging.yaml"
FACTS = CLUSTER.with_suffix(".facts.json")
MISSION = ("kubernetes=1.10.13", "etcd=3.1.12", "storage=etcd3", "calico=3.1.7", "helm=2.9.1")
TO = [word for one in MISSION for word in ("--to", one)]


def make(facts: Path, plan: Path) -> int:
    return run(["plan", "make", str(CLUSTER), "--facts", str(facts), *TO, "-o", str(plan), "--no-alternatives"])


def planned(folder: Path, number: int, seed: str) -> Counter[int]:
    """Plan from so many facts; return the exit codes. What is planned is proven."""
    codes: Counter[int] = Counter()
    facts, plan = folder / "facts.json", folder / "plan.json"
    for index, tree in enumerate(plausible(json.loads(FACTS.read_text()), number, seed)):
        facts.write_text(json.dumps(tree))
        code = make(facts, plan)
        assert code in (ExitCode.DONE, ExitCode.FACTS, ExitCode.NO_PLAN), f"{code}: seed {seed}, number {index}"
        codes[code] += 1
        if code == ExitCode.DONE:
            assert run(["prove", str(plan), "--facts", str(facts)]) == ExitCode.DONE, f"seed {seed}, number {index}"
    return codes


def test_facts_of_the_day_are_planned_and_proven_or_refused(tmp_path: Path) -> None:
    planned(tmp_path, 4, f"facts {testseed.seed()}")


@pytest.mark.long
def test_a_thousand_facts_are_planned_and_proven_or_refused(tmp_path: Path) -> None:
    codes = planned(tmp_path, 1_000, "facts")
    print(f"exit codes: {dict(codes)}")  # noqa: T201
    assert min(codes[code] for code in (ExitCode.DONE, ExitCode.FACTS, ExitCode.NO_PLAN)) > 50


def words(plan: dict[str, Any], number: int) -> list[str]:
    """Return what is asked of a plan file besides its proof, something else each time."""
    looks = [["show", "other.json"], ["report", "other.json", "-o", "report.html"], ["diff", "plan.json", "other.json"]]
    if steps := [str(step["id"]) for phase in plan["phases"] for step in phase["steps"]]:
        step = steps[number * 7 % len(steps)]
        looks += [["explain", "other.json", step], ["show", "other.json", "--rollback-from", step]]
    return ["plan", *looks[number % len(looks)]]


def judged(number: int, seed: str) -> Counter[int]:
    """Prove so many plans, and look at each; return the exit codes of the proofs."""
    codes: Counter[int] = Counter()
    for index, tree in enumerate(plausible(json.loads(Path("plan.json").read_text()), number, seed)):
        Path("other.json").write_text(json.dumps(tree))
        code = run(["prove", "other.json"])
        assert code in (ExitCode.DONE, ExitCode.PLAN, ExitCode.REFUSED), f"{code}: seed {seed}, number {index}"
        codes[code] += 1
        if code != ExitCode.PLAN:
            asked = words(tree, index)
            found = run(asked)
            assert found in (ExitCode.DONE, ExitCode.PLAN, ExitCode.NO_PLAN), f"{asked}: {found}: seed {seed}, number {index}"
    return codes


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert make(FACTS, Path("plan.json")) == ExitCode.DONE


@pytest.mark.usefixtures("here")
def test_plans_of_the_day_are_proven_or_refused() -> None:
    judged(2, f"plans {testseed.seed()}")


@pytest.mark.long
@pytest.mark.usefixtures("here")
def test_a_thousand_plans_are_proven_or_refused() -> None:
    codes = judged(1_000, "plans")
    print(f"exit codes: {dict(codes)}")  # noqa: T201
    assert min(codes[code] for code in (ExitCode.DONE, ExitCode.PLAN, ExitCode.REFUSED)) > 50
