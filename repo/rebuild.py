"""`kubedeb repo fsck --rebuild-catalog`: the catalog anew, from the published tree alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from repo.catalog import open_catalog
from repo.live import chunk_loader
from repo.place import Repository, writing
from repo.recall import read_lives, recall


def rebuild_catalog(repository: Repository, say: Callable[[str], None]) -> int:
    """Make the catalog anew from what is published; drafts are lost. Returns how many packages it knows.

    The old file is kept as `catalog.sqlite.before`.
    """
    layout = repository.layout
    with writing(layout):
        lives = read_lives(repository)
        for end in ("-wal", "-shm"):
            Path(f"{layout.catalog}{end}").unlink(missing_ok=True)
        if layout.catalog.exists():
            layout.catalog.replace(f"{layout.catalog}.before")
        say("reading every generation")
        with open_catalog(layout.catalog) as catalog:
            recall(repository, catalog, lives, chunk_loader(repository))
            return sum(1 for _ in catalog.every())
