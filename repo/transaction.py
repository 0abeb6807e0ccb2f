"""One writer's view of a repository: the lock, the catalog, what every suite serves, and how long each part took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from repo.catalog import Catalog, open_catalog
from repo.keyset import read_keys, write_keyrings
from repo.live import Live, chunk_loader
from repo.place import Repository, writing
from repo.recall import read_lives, recall
from repo.snapshots import Load, Snapshot
from repo.store import Wait

if TYPE_CHECKING:
    from repo.fence import Entered

Say = Callable[[str], None]


def quiet(text: str) -> None:
    """Tell nobody."""


@dataclass
class Stopwatch:
    """Seconds by what they were spent on."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to `name`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - began, 4)


@dataclass
class Transaction:
    """What a writer holds while nobody else writes here. `lives` is what the store said when it was last asked.

    `planned` is what suites will serve that are staged and go live together with others; `stored` the packages (sha256) of
    which the bytes were put into the store, or found there whole, just now.
    """

    repository: Repository
    catalog: Catalog
    load: Load
    say: Say
    watch: Stopwatch = field(default_factory=Stopwatch)
    lives: dict[str, Live] = field(default_factory=dict)
    planned: dict[str, Snapshot] = field(default_factory=dict)
    entered: Entered | None = None
    stored: set[str] = field(default_factory=set)
    unsynced: list[Wait] = field(default_factory=list)

    def durable(self) -> None:
        """Wait until all packages that were stored are durable: nobody may be told of them before."""
        while self.unsynced:
            self.unsynced.pop()()

    def rely(self) -> None:
        """Keep gc away from what lies in an object store until all is done; a folder has one writer anyway."""
        if self.repository.layout.store.local is None:
            from repo.fence import enter, refuse_late

            if self.entered is None:
                self.entered = enter(self.repository.layout)
            refuse_late(self.entered)

    def leave(self) -> None:
        """Let gc run again."""
        if self.entered is not None:
            from repo.fence import leave

            leave(self.repository.layout.store, self.entered)

    def read(self) -> None:
        """Ask the store what every suite serves, and let the catalog learn what it does not know."""
        with self.watch.lap("read"):
            self.lives = read_lives(self.repository)
            recall(self.repository, self.catalog, self.lives, self.load)


@contextmanager
def transaction(repository: Repository, say: Say) -> Iterator[Transaction]:
    """Be the only writer of this machine, and complete what a killed one left half live.

    Raises `KubedebError` as `writing`, `open_catalog`, `read_live` and `resume` do.
    """
    with writing(repository.layout), open_catalog(repository.layout.catalog) as catalog, catalog.together():
        opened = Transaction(repository, catalog, chunk_loader(repository), say)
        write_keyrings(repository.layout, read_keys(repository))
        opened.read()
        try:
            if repository.layout.journal.exists():
                from repo.journal import resume

                resume(opened)
            yield opened
        finally:
            opened.durable()
            opened.leave()
