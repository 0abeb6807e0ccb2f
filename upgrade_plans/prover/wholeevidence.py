"""The states of a whole stack's plan that were visited, place by place, as digests (docs/model.md, 17)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256

from upgrade_plans.prover.wholestate import Memory, State

DIRECTIONS = ("forward", "back", "ended")


def evidence(states: Iterable[State]) -> dict[str, tuple[int, str]]:
    """Return for each place (`direction step`) how many states were visited and the sha256 of their sorted texts."""
    texts: dict[str, list[str]] = {}
    memories: dict[Memory, list[object]] = {}
    for state in states:
        if state.memory not in memories:
            memories[state.memory] = _remembered(state.memory)
        text = json.dumps([list(state.parts), *memories[state.memory]], separators=(",", ":"))
        texts.setdefault(f"{DIRECTIONS[state.direction]} {state.step}", []).append(text)
    return {place: (len(found), sha256("\n".join(sorted(found)).encode()).hexdigest()) for place, found in texts.items()}


def _remembered(memory: Memory) -> list[object]:
    cluster = None if memory.cluster is None else list(memory.cluster)
    newest = None if memory.newest is None else str(memory.newest)
    since = sorted([name, where, count] for (name, where), count in memory.since)
    return [
        cluster, sorted(map(str, memory.wrote)), newest, memory.left, sorted(memory.gone), memory.sentinel, memory.migrated,
        memory.compared, sorted(memory.saved), sorted(memory.proven), memory.cold, since, memory.beat, memory.floor,
    ]  # fmt: skip
