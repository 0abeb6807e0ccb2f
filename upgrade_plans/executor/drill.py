"""Two stores compared key by key, both read in key order, neither held in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import islice

from upgrade_plans.adapters.protocols import Entry

SHOWN = 10


@dataclass(frozen=True)
class Comparison:
    """How many keys the live store has, and the first differences, each a line for people."""

    keys: int
    differences: tuple[str, ...]


def compare(live: Iterable[Entry], restored: Iterable[Entry]) -> Comparison:
    """Compare two stores: key, value, create and mod revision, version and lease. At most `SHOWN` differences are named."""
    counted = _Counted(live)
    differences = tuple(islice(_differences(iter(counted), iter(restored)), SHOWN))
    return Comparison(counted.count, differences)


class _Counted:
    """Counts what passes through."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = entries
        self.count = 0

    def __iter__(self) -> Iterator[Entry]:
        for item in self._entries:
            self.count += 1
            yield item


def _differences(live: Iterator[Entry], restored: Iterator[Entry]) -> Iterator[str]:
    one, two = next(live, None), next(restored, None)
    while one is not None or two is not None:
        if two is None or (one is not None and one.key < two.key):
            yield f"{_said(one)} is in the live store and not in the backup"
            one = next(live, None)
        elif one is None or two.key < one.key:
            yield f"{_said(two)} is in the backup and not in the live store"
            two = next(restored, None)
        else:
            if one != two:
                names = ", ".join(field.name for field in fields(Entry) if getattr(one, field.name) != getattr(two, field.name))
                yield f"{_said(one)} differs in {names}"
            one, two = next(live, None), next(restored, None)


def _said(entry: Entry | None) -> str:
    return repr(entry.key.decode(errors="backslashreplace")) if entry else "nothing"
