"""Bytes that were meant to be something and are not quite: seeded, so that a failing one can be made again."""

from __future__ import annotations

import random
from collections.abc import Iterator

NASTY = (
    b"\0",
    b"../",
    b"/",
    b"\xff\xfe",
    b"{{",
    b"%",
    b"'",
    b'"',
    b"\n",
    b"-1",
    b"99999999999999999999",
    b": ",
    b"- ",
    b"&a *a",
    b"{% %}",
)


def mutants(original: bytes, number: int, seed: int) -> Iterator[bytes]:
    """Yield `number` mutations of `original`: bytes flipped, cut, doubled, moved, and nasty ones put in; one to three each."""
    chance = random.Random(seed)  # noqa: S311 - tests, not secrets
    for _ in range(number):
        data = original
        for _ in range(chance.randint(1, 3)):
            data = _mutated(data, chance)
        yield data


def _mutated(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    to = min(len(data), at + chance.choice((1, 1, 4, 30, 200)))
    kind = chance.randrange(6)
    if kind == 0:
        return data[:at] + bytes(byte ^ (1 << chance.randrange(8)) for byte in data[at:to]) + data[to:]
    if kind == 1:
        return data[:at] + data[to:]
    if kind == 2:
        return data[:to] + data[at:to] + data[to:]
    if kind == 3:
        other = chance.randrange(len(data) + 1)
        return data[:other] + data[at:to] + data[other:]
    if kind == 4:
        return data[:at]
    return data[:at] + chance.choice(NASTY) + data[at:]
