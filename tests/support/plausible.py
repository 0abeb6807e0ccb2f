"""Trees that are valid but for chance: values exchanged for others of their kind, so that what reads them takes most."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any

VERSIONS = ("1.6.13", "1.7.16", "1.8.15", "1.9.11", "1.10.13", "1.13.0", "2.2.1", "2.3.8", "3.0.17", "3.1.12", "3.5.1", "0.0.0")
NUMBERS = (0, 1, 2, -1, 99, 1 << 40)
TEXTS = ("", "x", "etcd2", "etcd3", "0", "true", "http://x:1", "9.9.9", "2018-07-02", "[1-", "w[1-3]", "50%", "-1", "é")
VERSION = re.compile(r"v?\d+\.\d+\.\d+\S*")


def plausible(tree: Any, number: int, seed: str) -> Iterator[Any]:
    """Yield `number` copies of a tree in which one to four values are exchanged, left out, doubled, or taken from elsewhere."""
    for index in range(number):
        chance = Random(f"{seed} {index}")  # noqa: S311 - tests, not secrets
        copy = deepcopy(tree)
        for _ in range(chance.randint(1, 4)):
            here, key = chance.choice(list(_places(copy)))
            _exchange(here, key, copy, chance)
        yield copy


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _exchange(here: Any, key: Any, whole: Any, chance: Random) -> None:
    kind = chance.randrange(10)
    if kind == 0:
        del here[key]
    elif kind == 1 and isinstance(here, list):
        here.insert(key, deepcopy(here[key]))
    elif kind == 2:
        here[key] = deepcopy(_alike(here[key], whole, chance))
    else:
        here[key] = _another(here[key], chance)


def _another(value: Any, chance: Random) -> Any:
    """Return a value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return chance.choice((*NUMBERS, value + 1, value * 10))
    if isinstance(value, str):
        return chance.choice(VERSIONS) if VERSION.fullmatch(value) and chance.random() < 0.8 else chance.choice(TEXTS)
    if isinstance(value, list):
        return chance.choice(([], value[1:], value[::-1]))
    return {} if isinstance(value, dict) else chance.choice((None, *TEXTS))


def _alike(value: Any, whole: Any, chance: Random) -> Any:
    """Return another value of the tree of the same kind."""
    return chance.choice([other for here, key in _places(whole) if type(other := here[key]) is type(value)])
