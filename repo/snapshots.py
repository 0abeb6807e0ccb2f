"""Snapshots in chunks: what is in a suite, cut by package name, so that a change costs one chunk and not the whole.

A snapshot's object is a short list of chunks; a chunk's object holds packages with their stanzas, so that indices and the
catalog can be made again from the store alone. Where a chunk begins depends on package names alone: equal sets of packages
have equal chunks and equal ids, however they came about. Pure: chunks are read through a `Load`.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import cached_property
from hashlib import sha256
from itertools import groupby
from json.encoder import encode_basestring_ascii as quoted
from typing import NamedTuple

from kubedeb.files import sha256_bytes
from kubedeb.records import frozen
from repo.models import Key, Member, Package

# Of so many names one begins a chunk: some 40 KB of text, compressed in some 15 ms.
NAMES = 64
FORMAT = 2

Rows = tuple[Package, ...]
Load = Callable[[str], Rows]


class ChunkRef(NamedTuple):
    """A chunk as a snapshot names it: its first package's name, the sha256 of its text, how many packages it has."""

    first: str
    sha256: str
    count: int  # type: ignore[assignment]  # of a tuple it would be a method


@frozen
class Snapshot:
    """An immutable set of packages; its id is the sha256 of its own text, which is an object in the store."""

    chunks: tuple[ChunkRef, ...] = ()

    def text(self) -> str:
        """Return the object's text: JSON, one chunk a line."""
        rows = ",\n".join([f"[{quoted(first)}, {quoted(digest)}, {count}]" for first, digest, count in self.chunks])
        return f'{{"format": {FORMAT}, "chunks": [\n{rows}\n]}}\n'

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Return the snapshot written as `text`: the inverse of `text()`. Raises `ValueError` when it is none."""
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(f"not a snapshot of format {FORMAT}")
        try:
            return cls(tuple(ChunkRef(str(first), str(digest), int(count)) for first, digest, count in document["chunks"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a snapshot: {error!r}") from error

    @cached_property
    def id(self) -> str:
        """Return the sha256 of the text, in hex."""
        return sha256_bytes(self.text().encode())

    @property
    def count(self) -> int:
        """Return how many packages it has."""
        return sum(chunk.count for chunk in self.chunks)

    def position(self, name: str) -> int:
        """Return the number of the chunk that packages of this name are in, or would be."""
        return max(0, bisect_right(self._firsts, name) - 1)

    @cached_property
    def _firsts(self) -> list[str]:
        return [chunk.first for chunk in self.chunks]


@frozen
class Applied:
    """What a change makes of a snapshot: the next one, its chunks that are new, and which packages come and go.

    `drafted`: the change is all of a suite's draft.
    """

    snapshot: Snapshot
    new: Mapping[str, Rows]
    added: tuple[Member, ...]
    removed: tuple[Member, ...]
    drafted: bool = False


def begins_chunk(name: str) -> bool:
    """Return whether a package of this name begins a chunk."""
    return int.from_bytes(sha256(name.encode("utf-8", "surrogatepass")).digest()[:4]) % NAMES == 0


def rows_text(rows: Iterable[Package]) -> bytes:
    """Return a chunk's text: JSON, one package a line."""
    # As json.dumps writes a list, in a third of its time.
    lines = ",\n".join(
        [f"[{quoted(name)}, {quoted(version)}, {quoted(architecture)}, {quoted(digest)}, {size}, {quoted(stanza)}]"
         for name, version, architecture, digest, size, stanza in rows]
    )  # fmt: skip
    return f"[\n{lines}\n]\n".encode()


def parse_rows(data: bytes) -> Rows:
    """Return the packages of a chunk: the inverse of `rows_text`. Raises `ValueError` when it is none."""
    try:
        return tuple(Package(*row) for row in json.loads(data))
    except TypeError as error:
        raise ValueError(f"not a chunk: {error}") from error


def cut(rows: Iterable[Package]) -> Iterator[Rows]:
    """Yield sorted packages in chunks."""
    chunk: list[Package] = []
    for name, group in groupby(rows, key=lambda row: row.name):
        if chunk and begins_chunk(name):
            yield tuple(chunk)
            chunk = []
        chunk.extend(group)
    if chunk:
        yield tuple(chunk)


def snapshot_of(rows: Iterable[Package]) -> tuple[Snapshot, dict[str, Rows]]:
    """Return the snapshot of `rows`, whatever their order, and its chunks by sha256."""
    chunks = [(_ref(chunk), chunk) for chunk in cut(sorted(set(rows)))]
    return Snapshot(tuple(ref for ref, _ in chunks)), {ref.sha256: chunk for ref, chunk in chunks}


def _ref(rows: Rows) -> ChunkRef:
    return ChunkRef(rows[0].name, sha256_bytes(rows_text(rows)), len(rows))


def apply(base: Snapshot, load: Load, leaving: Set[Key], added: Iterable[Package]) -> Applied:
    """Return what becomes of `base` when all that `leaving` names leaves, with every content it has, and `added` comes.

    What comes with the bytes that are there already replaces its row: something may have come to lie beside it.
    Only the chunks that hold these names are read, and the one before where a chunk loses the name that began it.
    """
    coming: dict[int, list[Package]] = {}
    for row in added:
        coming.setdefault(base.position(row.name), []).append(row)
    touched = coming.keys() | {base.position(name) for name, _, _ in leaving}
    out: list[ChunkRef] = []
    new: dict[str, Rows] = {}
    pending: list[Package] = []
    came: list[Member] = []
    went: list[Member] = []

    def flush() -> None:
        for rows in cut(pending):
            ref = _ref(rows)
            new[ref.sha256] = rows
            out.append(ref)
        pending.clear()

    for number in range(max(1, len(base.chunks))):
        if number not in touched:
            flush()
            out += base.chunks[number : number + 1]
            continue
        before = load(base.chunks[number].sha256) if base.chunks else ()
        fresh = {row.member: row for row in coming.get(number, ())}
        stay = {row for row in before if row.key not in leaving and row.member not in fresh}
        after = sorted(stay | set(fresh.values()))
        came += sorted({row.member for row in after} - {row.member for row in before})
        went += sorted({row.member for row in before} - {row.member for row in after})
        if after and not pending and out and not begins_chunk(after[0].name):
            last = out.pop()
            pending += new[last.sha256] if last.sha256 in new else load(last.sha256)
        pending += after
    flush()
    known = {chunk.sha256 for chunk in base.chunks}
    kept = {chunk.sha256 for chunk in out} - known
    return Applied(
        Snapshot(tuple(out)), {digest: rows for digest, rows in new.items() if digest in kept}, tuple(came), tuple(went)
    )


def difference(old: Snapshot, new: Snapshot, load: Load) -> tuple[tuple[Member, ...], tuple[Member, ...]]:
    """Return the packages that `new` has more than `old`, and those that it has no longer; reads chunks that differ only."""
    before = {row.member for row in _only(old, new, load)}
    after = {row.member for row in _only(new, old, load)}
    return tuple(sorted(after - before)), tuple(sorted(before - after))


def _only(one: Snapshot, other: Snapshot, load: Load) -> Iterator[Package]:
    known = {chunk.sha256 for chunk in other.chunks}
    for chunk in one.chunks:
        if chunk.sha256 not in known:
            yield from load(chunk.sha256)


def rows_of(load: Load, snapshot: Snapshot) -> Iterator[Package]:
    """Yield all packages of a snapshot, by name, version and architecture."""
    for chunk in snapshot.chunks:
        yield from load(chunk.sha256)


def near(snapshot: Snapshot, load: Load, names: Iterable[str]) -> Iterator[Package]:
    """Yield the packages of the chunks that hold these names, each chunk once: those of the names, and their neighbours."""
    if snapshot.chunks:
        for number in sorted({snapshot.position(name) for name in names}):
            yield from load(snapshot.chunks[number].sha256)


def named(snapshot: Snapshot, load: Load, name: str) -> Rows:
    """Return the packages of one name."""
    return tuple(row for row in near(snapshot, load, [name]) if row.name == name)
