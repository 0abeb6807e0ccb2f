"""The states of a whole stack's plan that were visited, place by place, as digests (docs/semantics.md, 17)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from hashlib import sha256

from upgrade_plans.prover.wholestate import Memory, State

DIRECTIONS = ("forward", "back", "ended")


def evidence(states: Iterable[State]) -> dict[str, tuple[int, str]]:
    """Return for each place (`direction step`) how many states were visited and the sha256 of their sorted texts."""
    places: dict[str, list[State]] = {}
    for state in states:
        places.setdefault(f"{DIRECTIONS[state.direction]} {state.step}", []).append(state)
    text = cache(_text)  # many states remember the same, and what they remember may be long
    return {place: (len(found), _digest(found, text)) for place, found in places.items()}


def _digest(states: list[State], text: Callable[[Memory], bytes]) -> str:
    """Return the sha256 of the states' texts, sorted; none is put together, because no beginning is another's."""
    digest, between = sha256(), b""
    for begins, rest in sorted((f"[[{','.join(map(str, state.parts))}],".encode(), text(state.memory)) for state in states):
        digest.update(between + begins)
        digest.update(rest)
        between = b"\n"
    return digest.hexdigest()


def _text(memory: Memory) -> bytes:
    """Return the items of a state's text that are remembered, up to its end."""
    return json.dumps(_remembered(memory), separators=(",", ":"))[1:].encode()


def _remembered(memory: Memory) -> list[object]:
    cluster = None if memory.cluster is None else list(memory.cluster)
    newest = None if memory.newest is None else str(memory.newest)
    since = sorted([name, where, count] for (name, where), count in memory.since)
    return [
        cluster, sorted(map(str, memory.wrote)), newest, memory.left, sorted(memory.gone), memory.sentinel, memory.migrated,
        memory.compared, sorted(memory.saved), sorted(memory.proven), memory.cold, since, memory.beat, memory.floor,
    ]  # fmt: skip
