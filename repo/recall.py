"""What the repository has ever published, read back from the store when the catalog was lost: it is a cache, no witness."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from repo.catalog import Catalog
from repo.indices import SNAPSHOT_FIELD
from repo.live import Live, generation_name, read_live, read_snapshot
from repo.place import Repository
from repo.snapshots import Load

SNAPSHOT = re.compile(rf"^{SNAPSHOT_FIELD}: ([0-9a-f]{{64}})$", re.MULTILINE)


def read_lives(repository: Repository) -> dict[str, Live]:
    """Return what every published suite serves, by suite. Raises `KubedebError` (REPOSITORY) when one is damaged."""
    found = ((suite.name, read_live(repository, suite.name)) for suite in repository.identity.suites)
    return {name: live for name, live in found if live is not None}


def recall(repository: Repository, catalog: Catalog, lives: Mapping[str, Live], load: Load) -> None:
    """Let the catalog learn what is published now and, when it knows nothing at all, all that ever was.

    Only chunks that it has not met are read. Those of the past that somebody tidied away hinder nobody.
    """
    empty = catalog.knows_nothing()
    catalog.learn((chunk.sha256 for live in lives.values() if not live.known for chunk in live.snapshot.chunks), load)
    if empty and lives:
        catalog.learn(_history(repository, lives), load, lenient=True)


def _history(repository: Repository, lives: Mapping[str, Live]) -> Iterator[str]:
    """Yield the chunks of every generation. Their signatures are not asked again: a snapshot is what its own name says."""
    store = repository.layout.store
    for suite, live in lives.items():
        records = (store.read(generation_name(suite, number)) for number in range(1, live.generation))
        named = (SNAPSHOT.search(record.decode(errors="replace")) for record in records if record is not None)
        for identity in dict.fromkeys(match[1] for match in named if match is not None):
            try:
                snapshot = read_snapshot(store, identity)
            except ValueError:
                continue
            yield from (chunk.sha256 for chunk in snapshot.chunks)
