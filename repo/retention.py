"""Which indices may go: counted by generation, because one index may be named by several.

A client that read a Release shortly before the next one went live still asks for what it names. So an index may go only when
no Release that is live, or was live within the retention, names it. Counting by file name loses, after generations A, B, A, C,
the index of A that the last Release but one still names.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from kubedeb.aptrepo import parse_release, verified
from kubedeb.errors import ExitCode, KubedebError
from repo.indices import GENERATION_FIELD, index_objects
from repo.live import Live, generation_name
from repo.models import Suite
from repo.place import Repository


@dataclass(frozen=True)
class Generation:
    """A generation that was live: when it was superseded (None: it is live), and the index objects that it names."""

    number: int
    superseded: int | None
    indices: frozenset[str]


def needed(generations: Iterable[Generation], now: float, retention: int) -> frozenset[str]:
    """Return the objects that a client may still ask for; `retention` is in seconds."""
    kept = (one for one in generations if one.superseded is None or one.superseded + retention > now)
    return frozenset(name for generation in kept for name in generation.indices)


def to_delete(present: Iterable[str], generations: Iterable[Generation], now: float, retention: int) -> list[str]:
    """Return those of the `present` index objects that no client can ask for any more, sorted."""
    return sorted(set(present) - needed(generations, now, retention))


def read_generations(repository: Repository, suite: str, live: Live) -> list[Generation]:
    """Return what a suite has served, oldest first, from the copies of its InRelease; one that is missing is passed over.

    A generation was superseded when the next one that is there was dated: dates are never earlier than the going live of
    the one before. Raises `KubedebError` when a copy is not signed by the repository's key.
    """
    store = repository.layout.store
    releases = []
    for number in range(1, live.generation):
        data = store.read(generation_name(suite, number))
        if data is not None:
            releases.append(parse_release(suite, verified(data, repository.layout.keyring, code=ExitCode.REPOSITORY)))
    releases.append(live.release)
    dates = [int(release.date.timestamp()) for release in releases]
    return [
        Generation(int(release.fields[GENERATION_FIELD]), superseded, frozenset(index_objects(suite, release.indices).values()))
        for release, superseded in zip(releases, [*dates[1:], None], strict=True)
    ]


def expire_indices(repository: Repository, suite: Suite, live: Live, *, dry_run: bool, now: float | None = None) -> list[str]:
    """Delete a suite's index objects that are past its retention, and return their names. The caller holds the lock."""
    store = repository.layout.store
    present = [name for name in store.names(f"dists/{suite.name}") if "/by-hash/" in name]
    moment = time.time() if now is None else now
    names = to_delete(present, read_generations(repository, suite.name, live), moment, suite.options.retention)
    if not dry_run:
        try:
            store.delete(names)
        except OSError as error:
            raise KubedebError("cannot delete old indices", details=str(error), code=ExitCode.REPOSITORY_STORAGE) from error
    return names
