"""Which indices may go: counted by generation, because one index may be named by several.

A client that read a Release shortly before the next one went live still asks for what it names. So an index may go only when
no Release that is live, or was live within the retention, names it. Counting by file name loses, after generations A, B, A, C,
the index of A that the last Release but one still names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubedeb.errors import KubedebError
from kubedeb.records import frozen
from kubedeb.release import Release, parse_release
from kubedeb.stanza import control_text
from repo.indices import GENERATION_FIELD, SNAPSHOT_FIELD, index_objects
from repo.live import Live, generation_name
from repo.models import Suite
from repo.place import Repository


@frozen
class Generation:
    """A generation that was live: when it was superseded (None: it is live), the index objects that it names, its snapshot."""

    number: int
    superseded: int | None
    indices: frozenset[str]
    snapshot: str = ""


def needed(generations: Iterable[Generation], now: float, retention: int) -> frozenset[str]:
    """Return the objects that a client may still ask for; `retention` is in seconds."""
    kept = (one for one in generations if one.superseded is None or one.superseded + retention > now)
    return frozenset(name for generation in kept for name in generation.indices)


def to_delete(present: Iterable[str], generations: Iterable[Generation], now: float, retention: int) -> list[str]:
    """Return those of the `present` index objects that no client can ask for any more, sorted."""
    return sorted(set(present) - needed(generations, now, retention))


def kept(generations: Sequence[Generation], now: float, retention: int, last: int) -> list[Generation]:
    """Return the generations, given oldest first, whose packages must stay: the live one, recent ones, and the last ones."""
    newest = generations[max(0, len(generations) - max(1, last)) :]
    return [one for one in generations if one in newest or one.superseded is None or one.superseded + retention > now]


def read_generations(repository: Repository, suite: str, live: Live) -> list[Generation]:
    """Return what a suite has served, oldest first, from the copies of its InRelease; one that cannot be read is passed over.

    A generation was superseded when the next one that is there was dated: dates are never earlier than the going live of
    the one before. The copies' signatures are not asked: keys go in the end, and a copy only says what to keep.
    """
    store = repository.layout.store
    names = sorted(name for name in store.names(f"generations/{suite}") if name < generation_name(suite, live.generation))
    releases = [release for name in names if (release := _parsed(suite, store.read(name))) is not None]
    releases.append(live.release)
    dates = [int(release.date.timestamp()) for release in releases]
    return [
        Generation(
            int(release.fields[GENERATION_FIELD]), superseded,
            frozenset(index_objects(suite, release.indices).values()), release.fields[SNAPSHOT_FIELD],
        )
        for release, superseded in zip(releases, [*dates[1:], None], strict=True)
    ]  # fmt: skip


def _parsed(suite: str, data: bytes | None) -> Release | None:
    try:
        release = parse_release(suite, control_text(data or b""))
        return release if {GENERATION_FIELD, SNAPSHOT_FIELD} <= release.fields.keys() else None
    except (KubedebError, ValueError):
        return None


def old_indices(repository: Repository, suite: Suite, generations: Sequence[Generation], now: float) -> list[str]:
    """Return a suite's index objects that are past its retention."""
    present = [name for name in repository.layout.store.names(f"dists/{suite.name}") if "/by-hash/" in name]
    return to_delete(present, generations, now, suite.options.retention)
