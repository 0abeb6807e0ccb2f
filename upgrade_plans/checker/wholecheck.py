"""The check of a whole stack's certificate: its sequence state by state anew, and each statement held to what is found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

from kubedeb.knowledge import Confidence, Knowledge
from upgrade_plans.canonical import digest
from upgrade_plans.checker.differences import brief
from upgrade_plans.checker.wholehops import hops, walked
from upgrade_plans.checker.wholeinvariants import Broken, Invariants
from upgrade_plans.checker.wholemoves import Moves
from upgrade_plans.checker.wholestate import FORWARD, Past, State
from upgrade_plans.checker.wholestatics import PLAN, statics_broken
from upgrade_plans.checker.wholeworld import replay
from upgrade_plans.models.certificate import WholeCertificate
from upgrade_plans.models.upgrade import Upgrade
from upgrade_plans.models.upgradekinds import StepKind as Kind

MODEL, COUNTED, HOP = "stack-sequence/1", "stack-rolling/1", "etcd-rolling/1"
AGAIN = (MODEL, HOP)
"""The models in which everything is derived again."""
MOST = 2_000_000
"""The most states that are visited."""


def check_whole(certificate: WholeCertificate, plan: Upgrade, knowledge: Knowledge) -> tuple[str, ...]:
    """Return what a certificate states of a whole stack's plan and is not so; nothing means that it holds.

    The sequence and each hop of etcd are derived again from the plan and the rows. Of the segment of counted units it is
    checked that it is there and that the verdict is its too; what it states of its own model is not derived again.
    """
    wrong = [*_inputs(certificate, plan, knowledge), *_verdict(certificate)]
    if wrong:
        return tuple(wrong)
    found = find(plan, knowledge)
    wrong = [*_differences(certificate, found)]
    if found["states"] is not None:
        wrong += _segments(certificate, plan)
    # The hops take the longest: not where something is not so already.
    if found["states"] is not None and not wrong:
        wrong += _hops(certificate, plan, knowledge)
    return tuple(wrong)


def _inputs(certificate: WholeCertificate, plan: Upgrade, knowledge: Knowledge) -> Iterator[str]:
    if certificate.model != MODEL:
        yield f"it is of the model {certificate.model!r}; this checker knows {MODEL} for such a plan"
    stated = certificate.sha256
    for what, theirs, ours in (
        ("plan", stated.plan, digest(plan)), ("knowledge", stated.knowledge, knowledge.digest),
        ("start", stated.facts or plan.inputs.facts, plan.inputs.facts),
    ):  # fmt: skip
        if theirs != ours:
            yield f"it is of another {what}: sha256 {theirs}, not {ours}"
    if (certificate.cluster, certificate.target) != (plan.cluster, plan.target):
        yield "it names another cluster or target than the plan"
    if certificate.states is not None and certificate.evidence is None:
        yield "it carries no evidence: no digests of the states"
    inferred = [rule for rule in certificate.rules
                if rule in knowledge.by_id and knowledge.by_id[rule].confidence is Confidence.INFERRED]  # fmt: skip
    if sorted(certificate.inferred_rules) != sorted(inferred):
        yield f"inferred_rules: it states {brief(certificate.inferred_rules)}, and of its rules {brief(inferred)} are"


def _verdict(certificate: WholeCertificate) -> Iterator[str]:
    """Hold the verdict to the certificate's own violations and segments."""
    segments = all(segment.proven for segment in certificate.segments)
    if certificate.proven != (not certificate.violations) or (certificate.proven and not segments):
        yield f"proven: it states {brief(certificate.proven)}, and its violations and segments say otherwise"


def _segments(certificate: WholeCertificate, plan: Upgrade) -> list[str]:
    """Hold the segments to those that the plan has: its counted units, and each hop of several members."""
    counted = any(step.kind in (Kind.APISERVER, Kind.MANAGERS, Kind.WORKERS) for step in plan.steps)
    wanted = [(COUNTED, "")] * counted + [(HOP, step.id) for step in hops(plan)]
    stated = [(one.model, one.about.split(",")[0] if one.model == HOP else "") for one in certificate.segments]
    return [] if stated == wanted else [f"segments: it states {brief(stated)}, and the plan has {brief(wanted)}"]


def _hops(certificate: WholeCertificate, plan: Upgrade, knowledge: Knowledge) -> list[str]:
    """Hold what is stated of each hop, by its states and its verdict, to what is found in it."""
    stated = [one for one in certificate.segments if one.model == HOP]
    found = [(step, walked(plan, step, knowledge)) for step in hops(plan)]
    return [
        f"the hop {step.id}: it states {brief((one.states, one.proven))}, and {brief(walk)} is found: states, proven"
        for one, (step, walk) in zip(stated, found, strict=True) if (one.states, one.proven) != walk
    ]  # fmt: skip


def _differences(certificate: WholeCertificate, found: dict[str, Any]) -> Iterator[str]:
    mine = [item for item in certificate.violations if item.model == MODEL]
    stated = {
        "violations": sorted({(item.invariant, item.clause) for item in mine}),
        "states": certificate.states,
        "levels": certificate.levels,
        "exposures": sorted((item.step, item.fault, item.states) for item in certificate.exposures if item.model == MODEL),
        "warnings": sorted(item.rule for item in certificate.warnings),
        "places": certificate.evidence.places if certificate.evidence is not None else {},
    }
    for name, value in found.items():
        if stated[name] != value:
            yield f"{name}: it states {brief(stated[name])}, and {brief(value)} is found"


# The states.


def find(plan: Upgrade, knowledge: Knowledge) -> dict[str, Any]:
    """Return what a certificate of the plan states of its sequence; `states` is None where none is looked at."""
    broken = statics_broken(plan)
    replayed = replay(plan, knowledge) if PLAN not in broken else None
    if replayed is not None and not replayed.sound:
        broken.add(PLAN)
    if broken or replayed is None:
        return {"violations": sorted(broken), "states": None}
    moves, invariants = Moves(replayed), Invariants(replayed, knowledge)
    numbers, before = _walk(moves)
    levels: Counter[str] = Counter()
    violated: set[Broken] = set()
    for state in numbers:
        here, over = moves.here(state), moves.over(state)
        violated.update(invariants.broken(state, here, over=over))
        levels["R" if over or (not here.begun and here.around.rests) else "N"] += 1
    violated |= _dead(moves, numbers, before)
    return {
        "violations": sorted(violated),
        "states": len(numbers),
        "levels": dict(levels),
        "exposures": sorted((*key, count) for key, count in invariants.exposed.items()),
        "warnings": sorted(invariants.warned),
        "places": _places(numbers),
    }


def _walk(moves: Moves) -> tuple[dict[State, int], list[list[int]]]:
    """Return every state with its number, and for each number those of the states that lead to it."""
    first = moves.start()
    numbers, order, before = {first: 0}, [first], [list[int]()]
    for number, state in enumerate(order):
        for after in moves.after(state):
            if after not in numbers:
                numbers[after] = len(order)
                order.append(after)
                before.append([])
            before[numbers[after]].append(number)
        if len(order) > MOST:
            break
    return numbers, before


def _dead(moves: Moves, numbers: dict[State, int], before: list[list[int]]) -> set[Broken]:
    """Return which theorems about what can be reached do not hold: from everywhere an end, from the start the plan's."""
    ends = [number for state, number in numbers.items() if moves.over(state)]
    goals = [number for state, number in numbers.items() if moves.over(state) and state.way == FORWARD]
    stuck = {("no-dead-end", "stuck")} if len(_leading(ends, before)) < len(numbers) else set()
    return stuck | ({("reaches-end", "endless")} if 0 not in _leading(goals, before) else set())


def _leading(goals: list[int], before: list[list[int]]) -> set[int]:
    """Return what leads to any of the goals."""
    found, waiting = set(goals), list(goals)
    while waiting:
        new = set(before[waiting.pop()]) - found
        found |= new
        waiting += new
    return found


# The evidence, docs/model.md, 17.


def _places(states: Iterable[State]) -> dict[str, tuple[int, str]]:
    texts: dict[str, list[str]] = {}
    for state in states:
        text = json.dumps([list(state.stages), *_listed(state.past)], separators=(",", ":"))
        texts.setdefault(f"{state.way} {state.step}", []).append(text)
    return {place: (len(one), sha256("\n".join(sorted(one)).encode()).hexdigest()) for place, one in texts.items()}


def _listed(past: Past) -> list[object]:
    """Return what is remembered, in order: sets as sorted lists of texts, what watches as name, place and number."""
    listed: list[object] = [sorted(map(str, value)) if isinstance(value, frozenset) else value for value in past]
    listed[Past._fields.index("since")] = sorted([name, where, count] for (name, where), count in past.since)
    return listed
