"""Prover and brute-force oracle of whole plans on small plans and their mutants: the same verdict, the same places reached."""

from __future__ import annotations

import random

import pytest

import byhand
import testseed
import wholeagreement
from kubedeb import knowledge
from upgrade_plans import upgradefile
from upgrade_plans.models.upgrade import Upgrade
from upgrade_plans.prover.wholeprove import prove_sequence
from wholeoracle import Oracle

KNOWN = knowledge.load()
Steps = list[dict[str, str]]


def mutant(steps: Steps, rng: random.Random) -> Steps:
    """Return steps of which one is dropped, swapped with the next, or moved."""
    found = [dict(step) for step in steps]
    at = rng.choice([number for number, step in enumerate(found) if "kind" in step])
    match rng.choice(["drop", "swap", "move"]):
        case "drop":
            del found[at]
        case "swap" if at + 1 < len(found) and "kind" in found[at + 1]:
            found[at], found[at + 1] = found[at + 1], found[at]
        case _:
            found.insert(rng.randint(1, len(found) - 1), found.pop(at))
    return found


def agree(plan: Upgrade) -> bool | None:
    """Hold the prover's verdict to the oracle's; return it, None for a plan that cannot be one."""
    verdict = prove_sequence(plan, KNOWN)
    if verdict.states is None:
        return None
    oracle = Oracle(plan)
    oracle.explore()
    ours = sorted({one.invariant for one in verdict.violations})
    assert bool(ours) == bool(oracle.broken), (ours, sorted(oracle.broken), [step.id for step in plan.steps])
    assert verdict.reached == len(oracle.places)
    return verdict.proven


@pytest.mark.parametrize("name", ["servers", "move"])
def test_a_good_plan_is_one_for_both(name: str) -> None:
    short = byhand.plans()[name]
    assert agree(byhand.write_out(short, byhand.parsed(short["steps"])))


def test_they_agree_where_they_once_did_not() -> None:
    saved = sorted(wholeagreement.SAVED.glob("*.json"))
    assert len(saved) >= 2
    for path in saved:
        outcome = wholeagreement.compare(path.stem, upgradefile.load(path))
        assert not outcome.difference, f"{path}: {outcome.difference}"


def agree_on(name: str, count: int, first: int) -> list[bool | None]:
    short = byhand.plans()[name]
    steps = byhand.parsed(short["steps"])
    mutants = (mutant(steps, random.Random(f"{name} {seed}")) for seed in range(first, first + count))  # noqa: S311
    return [agree(byhand.write_out(short, one)) for one in mutants]


@pytest.mark.parametrize(("name", "count"), [("servers", 8), ("move", 2)])
def test_mutants_of_the_day_are_judged_alike(name: str, count: int) -> None:
    agree_on(name, count, testseed.seed() * 1000)


@pytest.mark.long
@pytest.mark.parametrize(("name", "count"), [("servers", 400), ("move", 120)])
def test_many_mutants_are_judged_alike(name: str, count: int) -> None:
    verdicts = agree_on(name, count, 0)
    assert verdicts.count(False) > count // 4, "too few that are refused"
    assert verdicts.count(True) > count // 20, "too few that are proven"
