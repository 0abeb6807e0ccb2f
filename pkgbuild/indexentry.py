"""A package as a signed index lists it: what locks are made of. Apart from `apt`, so that reading a lock loads no apt."""

from __future__ import annotations

from kubedeb.records import ordered


@ordered
class IndexEntry:
    """A package as the signed index lists it."""

    name: str
    version: str
    architecture: str
    sha256: str
