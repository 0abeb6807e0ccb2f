"""Node sets as people write them, `etcd[1-3],mon1`: expanded by ClusterShell, without the groups of the machine."""

from __future__ import annotations

import re
from math import prod

from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException

MOST = 5000
"""Names in one node set; the largest cluster that Kubernetes is tested with has that many nodes."""
BRACKETS = re.compile(r"\[([^\]]*)\]")
BETWEEN = re.compile(r"[,!&^\s](?![^\[]*\])")
"""What joins the terms of a node set, outside brackets."""
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
    try:
        names = tuple(str(name) for name in NodeSet(text, resolver=RESOLVER_NOGROUP))
    except NodeSetException as error:
        raise ValueError(f"not a node set: {error}") from error
    if not names:
        raise ValueError("an empty node set")
    return names


def _size(text: str) -> int:
    """Return how many names ClusterShell would go through at most; more than `MOST` for numbers that are too long."""
    if any(len(digits) > 9 for part in BRACKETS.findall(text) for digits in re.findall(r"\d+", part)):
        return MOST + 1
    terms = (BRACKETS.findall(term) for term in BETWEEN.split(text))
    return sum(prod(max(1, sum(map(_width, part.split(",")))) for part in inside) for inside in terms)


def _width(term: str) -> int:
    match = NUMBERS.fullmatch(term.strip())
    if match is None or match[2] is None:
        return 1
    return max(1, int(match[2]) - int(match[1]) + 1)
