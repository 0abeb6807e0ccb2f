"""The states that were visited, place by place, as digests: for a checker that finds them again (docs/semantics.md, 5)."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from upgrade_plans.models.state import FaultKind
from upgrade_plans.prover.explore import Explored
from upgrade_plans.prover.program import Program
from upgrade_plans.prover.symmetry import Reductions


def evidence(program: Program, found: Explored, reductions: Reductions) -> dict[str, Any]:
    """Return for each place how many states were visited and the sha256 of their sorted texts, and the reductions used."""
    faults = [_fault(program, number) for number in range(len(program.faults))]
    texts: dict[int, list[str]] = {}
    for installed, running, cached, cluster, leader, saved, proven, at, acts, fault in found.states:
        parts = [installed, running, cached, cluster, leader, saved, proven, acts, *faults[fault]]
        texts.setdefault(at, []).append(json.dumps(parts, separators=(",", ":")))
    places = {
        f"{place.direction} {place.step} {place.act}": [
            len(texts[number]), sha256("\n".join(sorted(texts[number])).encode()).hexdigest()
        ]
        for number, place in enumerate(program.places) if number in texts
    }  # fmt: skip
    return {"reductions": asdict(reductions), "places": places}


def _fault(program: Program, number: int) -> tuple[str, int]:
    """Return a fault's class and the member's, or the row's, number; -1 where it hits neither."""
    fault = program.faults[number]
    if fault.kind is None or fault.kind is FaultKind.EXECUTOR:
        return fault.kind or "", -1
    if fault.kind is FaultKind.ROW:
        return fault.kind, [name for name, _ in program.rows].index(fault.where)
    return fault.kind, program.members.index(fault.where)
