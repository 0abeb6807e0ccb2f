"""Snapshots with a name: which list of packages, who wanted it kept, when and why. Each is an object that is made once.

`named/NAME.json` is what says that a snapshot must stay; `gc` and every publisher read it from the store.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import canonical_json
from kubedeb.records import frozen
from repo.place import Repository
from repo.store import Raced, Store

FOLDER = "named"
# The folder below dists/ in which named snapshots are served.
PREFIX = "snapshots/"


@frozen
class Named:
    """A named snapshot: its id, the suite and generation that it was taken of, and when (seconds since the epoch)."""

    name: str
    snapshot: str
    suite: str
    generation: int
    packages: int
    made: int
    who: str
    reason: str = ""


def object_name(name: str) -> str:
    """Return where a named snapshot lies in the store."""
    return f"{FOLDER}/{name}.json"


def parse_named(text: str) -> Named:
    """Return what an object says. Raises `ValueError` when it is none."""
    try:
        return Named(**json.loads(text))
    except TypeError as error:
        raise ValueError(f"not a named snapshot: {error}") from error


def read_named(store: Store, name: str) -> Named | None:
    """Return one named snapshot, None when there is none. Raises `KubedebError` (REPOSITORY) when it is damaged."""
    data = store.read(object_name(name))
    try:
        return None if data is None else parse_named(data.decode())
    except ValueError as error:
        raise KubedebError(
            f"the named snapshot {name} is damaged", details=f"{object_name(name)}: {error}",
            hint="Restore the file from a backup of the published tree.", code=ExitCode.REPOSITORY,
        ) from error  # fmt: skip


def every_named(repository: Repository) -> list[Named]:
    """Return all named snapshots, the oldest first. Raises `KubedebError` (REPOSITORY) when one is damaged."""
    store = repository.layout.store
    names = [name.removeprefix(f"{FOLDER}/").removesuffix(".json") for name in store.names(FOLDER)]
    found = [named for name in names if (named := read_named(store, name)) is not None]
    return sorted(found, key=lambda named: (named.made, named.name))


def kept(repository: Repository) -> dict[str, str]:
    """Return the ids of the snapshots that must stay, by name. Raises `KubedebError` (REPOSITORY) when one is damaged."""
    return {named.name: named.snapshot for named in every_named(repository)}


def keep(store: Store, named: Named) -> Named:
    """Create the object, and return what is there then: the same snapshot under this name may have been kept before.

    Only for who holds the repository's lock. Raises `KubedebError` (REPOSITORY) when the name is taken by another snapshot.
    """
    there = read_named(store, named.name)
    if there is None:
        try:
            store.swap(object_name(named.name), canonical_json(asdict(named)).encode(), None, mtime=named.made)
        except Raced:
            there = read_named(store, named.name)
    if there is not None and there.snapshot != named.snapshot:
        raise KubedebError(
            f"there is another snapshot called {named.name}",
            details=f"it is {there.snapshot}, kept by {there.who}; this would be {named.snapshot}",
            hint="A name is given once: take another.", code=ExitCode.REPOSITORY,
        )  # fmt: skip
    return there or named
