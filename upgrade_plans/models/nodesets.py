"""Node sets as people write them, `etcd[1-3],mon1`: expanded by ClusterShell, without the groups of the machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from math import prod
from typing import Annotated, Any

from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException
from pydantic import BeforeValidator

from upgrade_plans.models.words import NodeName

MOST = 200_000
"""Names in one node set: twice the largest fleet that is planned for, and read within a second."""
BRACKETS = re.compile(r"\[([^\]]*)\]")
TERM = re.compile(r"(?:[^,!&^\s\[\]]|\[[^\]]*\])+")
"""A term of a node set: what stands between its operators, outside brackets."""
FOLDED = re.compile(
    r"((?:[A-Za-z0-9][A-Za-z0-9._-]*)?[A-Za-z._-])"  # a digit before the bracket would be a number of its own
    r"\[([0-9]{1,9}(?:-[0-9]{1,9})?(?:,[0-9]{1,9}(?:-[0-9]{1,9})?)*)\]([A-Za-z._-]*)"
)
BEFORE = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*)?[A-Za-z._-]")
FIRST = re.compile(r"[0-9]{1,9}(?=[,-]|$)")
AFTER = re.compile(r"[A-Za-z._-]*")
"""What stands around the numbers of a folded term, and the first of them."""
NUMBER = re.compile(r"[0-9]+")
BEGINS = re.compile(r"[A-Za-z._-]+")
COUNTED = re.compile(r"([A-Za-z._-]+)(?:([0-9]{1,9})|\[([0-9]{1,9}(?:-[0-9]{1,9})?(?:,[0-9]{1,9}(?:-[0-9]{1,9})?)*)\])")
NUMBERS = re.compile(r"(\d{1,9})(?:-(\d{1,9})(?:/\d{1,9})?)?")


def expand(text: str) -> tuple[str, ...]:
    """Return the names of a node set in ClusterShell's order.

    Raises `ValueError`: no node set, one of groups (`*`, `@group`: what they hold depends on the machine), empty, or too
    large, which is told before anything is expanded.
    """
    if "@" in text or "*" in text:
        raise ValueError(f"{text!r} names a group, which differs from machine to machine; list the nodes, as in etcd[1-3]")
    if _size(text) > MOST:
        raise ValueError(f"{text[:60]!r} is too large: a node set holds at most {MOST} nodes")
    if (plain := _plain(text)) is not None:
        return plain
    try:
        names = tuple(map(str, NodeSet(text, resolver=RESOLVER_NOGROUP)))
    except NodeSetException as error:
        raise ValueError(f"not a node set: {error}") from error
    if not names:
        raise ValueError("an empty node set")
    return names


def _plain(text: str) -> tuple[str, ...] | None:
    """Return the names of one folded term (`w[001-040,050]`), which ClusterShell takes fifty times as long for; else None."""
    match = FOLDED.fullmatch(text)
    if match is None:
        return None
    before, inside, after = match.groups()
    pairs = [(low, high or low) for low, _, high in (part.partition("-") for part in inside.split(","))]
    widths = {len(number) for pair in pairs for number in pair}
    padded = any(len(number) > 1 and number[0] == "0" for pair in pairs for number in pair)
    bounds = [int(number) for pair in pairs for number in pair]
    gaps = all(high >= low for low, high in zip(bounds[::2], bounds[1::2], strict=True))
    if (
        not gaps
        or (padded and len(widths) > 1)
        or any(low <= high for low, high in zip(bounds[2::2], bounds[1::2], strict=False))
    ):
        return None
    named = f"{before}%0{widths.pop()}d{after}" if padded else f"{before}%d{after}"
    ranges = (range(low, high + 1) for low, high in zip(bounds[::2], bounds[1::2], strict=True))
    return tuple(map(named.__mod__, chain.from_iterable(ranges)))


def ends(term: str) -> tuple[str, ...]:
    """Return the first and the last name of one term without going through those between; no name where it is no plain one."""
    before, bracket, rest = term.partition("[")
    if not bracket:
        return (term,)
    inside, _, after = rest.partition("]")
    first, last = FIRST.match(inside), inside[max(inside.rfind(","), inside.rfind("-")) + 1 :]
    plain = first is not None and FIRST.fullmatch(last) and "/" not in inside
    if first is None or not plain or not BEFORE.fullmatch(before) or not AFTER.fullmatch(after):
        return ()
    return f"{before}{first[0]}{after}", f"{before}{last}{after}"


def edges(text: str) -> Iterator[str]:
    """Yield names of a folded node set, those with which a range begins or ends, as long as more are asked for."""
    for term in terms(text):
        before, bracket, rest = term.partition("[")
        inside, _, after = rest.partition("]")
        yield from (f"{before}{number[0]}{after}" for number in NUMBER.finditer(inside)) if bracket else (term,)


def terms(text: str) -> tuple[str, ...]:
    """Return the terms of a folded node set, each a name or a name with one bracket.

    A set of a hundred thousand nodes is one long bracket: it is not looked at name by name.
    """
    found: list[str] = []
    begin = 0
    while begin <= len(text):
        comma, bracket = text.find(",", begin), text.find("[", begin)
        if 0 <= bracket < comma:
            comma = text.find(",", text.find("]", bracket))
        end = comma if comma >= 0 else len(text)
        found.append(text[begin:end])
        begin = end + 1
    return tuple(found)


def spread(text: str) -> tuple[str, ...]:
    """Return the names of a folded node set, term by term. Raises `ValueError`, see `expand`."""
    return tuple(name for term in terms(text) for name in (expand(term) if "[" in term else (term,)))


def fold(names: Iterable[str]) -> str:
    """Return names, or node sets, as one node set (`etcd[1-3],mon1`), folded by their last number; undoes `expand`.

    ClusterShell would fold `r1-n1`, `r1-n2`, `r2-n1` and `r2-n2` by both numbers: `NodeSetText` has one bracket a name.
    """
    listed = tuple(names)
    if (plain := _folded(listed)) is not None:
        return plain
    nodes = NodeSet.fromlist(listed, resolver=RESOLVER_NOGROUP)
    nodes.fold_axis = (-1,)
    return str(nodes)


def _folded(texts: Sequence[str]) -> str | None:
    """Return names with one number at the end (w001, w[002-040]), of one width for each beginning, as a node set; else None.

    ClusterShell, which can do all others, takes fifty times as long.
    """
    if (alike := _numbers(texts)) is not None:
        return _bracket(texts[0][: -alike[0]], *alike)
    found: dict[str, tuple[int, set[int]]] = {}
    for text in texts:
        match = COUNTED.fullmatch(text)
        if match is None:
            return None
        before, alone, inside = match.groups()
        pairs = [(low, high or low) for low, _, high in (part.partition("-") for part in (inside or alone).split(","))]
        width, numbers = found.setdefault(before, (len(pairs[0][0]), set()))
        for low, high in pairs:
            if len(low) != width or len(high) != width or low > high:
                return None
            if int(high) - int(low) >= MOST:
                raise ValueError(f"{text[:60]!r} is too large: a node set holds at most {MOST} nodes")
            numbers.update(range(int(low), int(high) + 1))
    return ",".join(_bracket(before, width, sorted(numbers)) for before, (width, numbers) in sorted(found.items())) or None


def _numbers(names: Sequence[str]) -> tuple[int, list[int]] | None:
    """Return the width of the numbers of names that differ in nothing else, and the numbers, ascending; else None."""
    first = names[0] if names else ""
    before, size = first.rstrip("0123456789"), len(first)
    cut = len(before)
    alike = 0 < size - cut < 10 and BEGINS.fullmatch(before) and "".join(names).isascii()
    if not alike or set(map(len, names)) != {size} or {name[:cut] for name in names} != {before}:
        return None
    numbers = [name[cut:] for name in names]
    return (size - cut, sorted(set(map(int, numbers)))) if "".join(numbers).isdecimal() else None


def _bracket(before: str, width: int, numbers: Sequence[int]) -> str:
    """Return names that differ in a number as one term."""
    starts = [number for number, below in zip(numbers, [-2, *numbers], strict=False) if number != below + 1]
    stops = [number for number, above in zip(numbers, [*numbers[1:], -2], strict=True) if number + 1 != above]
    parts = [f"{low:0{width}}" if low == high else f"{low:0{width}}-{high:0{width}}"
             for low, high in zip(starts, stops, strict=True)]  # fmt: skip
    return f"{before}[{','.join(parts)}]" if len(numbers) > 1 else f"{before}{parts[0]}"


def _size(text: str) -> int:
    """Return how many names ClusterShell would go through at most; more than `MOST` for numbers that are too long."""
    if any(len(digits) > 9 for part in BRACKETS.findall(text) for digits in re.findall(r"\d+", part)):
        return MOST + 1
    terms = (BRACKETS.findall(term) for term in TERM.findall(text))
    return sum(prod(max(1, sum(map(_width, part.split(",")))) for part in inside) for inside in terms)


def _width(term: str) -> int:
    match = NUMBERS.fullmatch(term.strip())
    if match is None or match[2] is None:
        return 1
    return max(1, int(match[2]) - int(match[1]) + 1)


def _nodes(value: Any) -> Any:
    """Expand a ClusterShell node set (`etcd[1-3],mon1`), or a list of them; names in ClusterShell's order."""
    if isinstance(value, str):
        return expand(str(value))
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return tuple(name for text in value for name in expand(str(text)))
    return value


NodeNames = Annotated[tuple[NodeName, ...], BeforeValidator(_nodes)]
"""A node set as people write it, names in ClusterShell's order once read."""
