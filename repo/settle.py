"""What follows when a generation is live: the names for old clients, the clients' files, the records. It can be repeated."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from repo import clientfiles
from repo.indices import index_objects, make_indices
from repo.keyset import keyring, read_keys
from repo.live import Live, generation_name, seal
from repo.models import Action, Suite
from repo.place import Repository
from repo.snapshots import named, near
from repo.store import digest_of

if TYPE_CHECKING:
    from repo.catalog import Catalog
    from repo.keys import Signed
    from repo.transaction import Transaction


def record(transaction: Transaction, suite: str, live: Live) -> None:
    """Keep a copy of a generation's InRelease."""
    store, name = transaction.repository.layout.store, generation_name(suite, live.generation)
    if store.local is not None or store.size(name) is None:
        store.create({name: live.inrelease})


def settle(transaction: Transaction, suite: Suite, live: Live, signed: Signed | None = None, *, drafted: bool = False) -> None:
    """Complete a generation that is live; writes only what is not as it should be.

    `drafted`: it was made here, from all of the suite's draft, which need not be compared with it.

    For clients that know InRelease and by-hash none of it matters; it is for old ones, people and the next publish. The
    catalog is told last: what it calls settled is.
    """
    repository, catalog = transaction.repository, transaction.catalog
    store = repository.layout.store
    record(transaction, suite.name, live)
    text = live.release.text.encode()
    # Release.gpg goes before Release: where Release is right, both are.
    if store.read(f"dists/{suite.name}/Release") != text or store.size(f"dists/{suite.name}/Release.gpg") is None:
        both = signed or _sign(repository, live.release.text)
        names = f"dists/{suite.name}/Release.gpg", f"dists/{suite.name}/Release"
        store.put_all(dict(zip(names, (both.detached, text), strict=True)), mtime=live.date)
    _plain_names(transaction, suite, live)
    settled, served = catalog.settled(suite.name), {*transaction.lives, suite.name}
    done = settled == live.generation and not catalog.draft(suite.name)
    if not done or not _client_files_stand(repository, served) or _lacks_page(repository, suite):
        finished = _whole_draft(catalog, suite.name) if drafted else fulfilled(transaction, suite.name, live)
        # Where all was right before this generation, only a new name changes the clients' files.
        followed = signed is not None and settled == live.generation - 1 > 0 and _client_files_stand(repository, served)
        if not followed or not all(map(catalog.has_published, finished.values())):
            store.put_all(client_files(repository, {*catalog.published_names(), *finished.values()}, served))
        if suite.options.page:
            from repo.page import put_page

            put_page(repository, suite.name, live, transaction.load)
        catalog.published(suite.name, live.generation, [chunk.sha256 for chunk in live.snapshot.chunks], finished)
    catalog.trust(suite.name, seal(repository.layout, live.inrelease))


def _sign(repository: Repository, text: str) -> Signed:
    from repo.signing import sign

    return sign(repository, text, time.time())


def _whole_draft(catalog: Catalog, suite: str) -> dict[str, str]:
    return {change.member.sha256: change.member.name for change in catalog.draft(suite)}


def fulfilled(transaction: Transaction, suite: str, live: Live) -> dict[str, str]:
    """Return the changes of a suite's draft that the live generation has carried out: sha256 and name."""
    catalog, snapshot, load = transaction.catalog, live.snapshot, transaction.load
    # Chunk by chunk: a first import may have drafted a hundred thousand.
    arrived: dict[str, str] = {}
    for _, coming in groupby(catalog.coming(suite), key=lambda row: snapshot.position(row.name)):
        rows = list(coming)
        there = set(near(snapshot, load, [rows[0].name]))
        arrived |= {row.sha256: row.name for row in rows if row in there}
    for change in catalog.draft(suite, Action.REMOVE):
        member = change.member
        if all(row.key != member.key for row in named(snapshot, load, member.name)):
            arrived[member.sha256] = member.name
    return arrived


def _plain_names(transaction: Transaction, suite: Suite, live: Live) -> None:
    """Let every index have its plain name: the same file as the one under its digest.

    A client that asks by date must be told of every change, also of one back to an older file: all get the generation's date.
    One that somebody has changed since, as its own time tells, is read; a damaged one is made anew.
    """
    store, local = transaction.repository.layout.store, transaction.repository.layout.store.local
    objects = index_objects(suite.name, live.release.indices)
    # Suites with the same index share the file, and the latest of their dates.
    latest = max(live.date, *(one.date for one in transaction.lives.values()))
    touched = {
        path for path, name in objects.items()
        if local is not None and not _untouched(local / name, live.release.indices[path].size, latest)
    }  # fmt: skip
    if any(digest_of(store, objects[path]) != live.release.indices[path] for path in touched):
        from repo.contents import lister
        from repo.pieces import open_pieces

        with open_pieces(transaction.repository.layout.pieces) as pieces:
            made = make_indices(live.snapshot, suite, transaction.load, pieces, lister(store, pieces))
        store.create({objects[path]: made.data[path] for path in objects if made.listed == live.release.indices})
    for path, name in objects.items():
        store.same(f"dists/{suite.name}/{path}", name, mtime=live.date)


def _untouched(path: Path, size: int, latest: int) -> bool:
    """Return whether a file has the right size, and no other time than a generation gives: a whole second, no later.

    The last half alone would miss what was written in the second of the publish itself, whose date may lie ahead of the clock.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return found.st_size == size and found.st_mtime_ns % 1_000_000_000 == 0 and found.st_mtime <= latest


def _lacks_page(repository: Repository, suite: Suite) -> bool:
    if not suite.options.page:
        return False
    from repo.page import page_name

    return repository.layout.store.size(page_name(suite.name)) is None


def _client_files_stand(repository: Repository, served: Collection[str]) -> bool:
    """Say whether the client files are right as far as no package decides them: an `init` may have brought another URL."""
    store = repository.layout.store
    pinned = f"{repository.identity.file_name}.pref"
    wanted = client_files(repository, (), served)
    return store.size(pinned) is not None and all(store.read(name) == wanted[name] for name in wanted.keys() - {pinned})


def client_files(repository: Repository, names: Iterable[str], served: Collection[str]) -> dict[str, bytes]:
    """Return what clients need beside the suites: keyring, `.sources` and preferences, by file name.

    `served` are the suites that are published: apt-get update fails on one that is not. Without any there is no `.sources`.
    """
    identity = repository.identity.only(served)
    files = {
        clientfiles.keyring_name(identity): keyring(repository.layout, read_keys(repository).for_clients),
        f"{identity.file_name}.pref": clientfiles.preferences_text(identity, names).encode(),
    }
    if identity.listed:
        files[f"{identity.file_name}.sources"] = clientfiles.sources_text(identity, *identity.listed).encode()
    return files
