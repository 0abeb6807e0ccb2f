"""What follows when a generation is live: the names for old clients, the clients' files, the records. It can be repeated."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from kubedeb.aptrepo import Digest
from kubedeb.files import sha256_bytes
from repo import clientfiles
from repo.indices import by_hash, index_objects
from repo.keys import Signed
from repo.keyset import keyring, read_keys
from repo.live import Live, generation_name
from repo.models import Action, Suite
from repo.page import page_name, put_page
from repo.place import Repository
from repo.signing import sign
from repo.snapshots import near

if TYPE_CHECKING:
    from repo.transaction import Transaction


def record(transaction: Transaction, suite: str, live: Live) -> None:
    """Keep a copy of a generation's InRelease."""
    store, name = transaction.repository.layout.store, generation_name(suite, live.generation)
    if store.local is not None or store.size(name) is None:
        store.create({name: live.inrelease})


def settle(
    transaction: Transaction, suite: Suite, live: Live, signed: Signed | None = None, data: Mapping[str, bytes] | None = None
) -> None:
    """Complete a generation that is live; writes only what is not as it should be.

    `data` are the indices' bytes where they are at hand. For clients that know InRelease and by-hash none of it matters; it
    is for old ones, people and the next publish. The catalog is told last: what it calls settled is.
    """
    repository, catalog = transaction.repository, transaction.catalog
    store = repository.layout.store
    record(transaction, suite.name, live)
    text = live.release.text.encode()
    # Release.gpg goes before Release: where Release is right, both are.
    if store.read(f"dists/{suite.name}/Release") != text or store.size(f"dists/{suite.name}/Release.gpg") is None:
        signed = signed or sign(repository, live.release.text, time.time())
        store.put(f"dists/{suite.name}/Release.gpg", signed.detached, mtime=live.date)
        store.put(f"dists/{suite.name}/Release", text, mtime=live.date)
    for path in index_objects(suite.name, live.release.indices):
        _plain_name(repository, suite, path, live.release.indices[path], live.date, (data or {}).get(path))
    done = catalog.settled(suite.name) == live.generation and not catalog.draft(suite.name)
    if done and _client_files_stand(repository) and not _lacks_page(repository, suite):
        return
    finished = fulfilled(transaction, suite.name, live)
    names = {*catalog.published_names(), *finished.values()}
    for name, content in client_files(repository, names).items():
        store.put(name, content)
    if suite.options.page:
        put_page(repository, suite.name, live, transaction.load)
    catalog.published(suite.name, live.generation, [chunk.sha256 for chunk in live.snapshot.chunks], finished)


def fulfilled(transaction: Transaction, suite: str, live: Live) -> dict[str, str]:
    """Return the changes of a suite's draft that the live generation has carried out: sha256 and name."""
    catalog = transaction.catalog
    coming = {package.sha256: package for package in catalog.changes(suite)[1]}
    leaving = {change.member.key: change.member for change in catalog.draft(suite, Action.REMOVE)}
    names = {package.name for package in coming.values()} | {member.name for member in leaving.values()}
    arrived: dict[str, str] = {}
    for row in near(live.snapshot, transaction.load, names):
        leaving.pop(row.key, None)
        if coming.get(row.sha256) == row:
            arrived[row.sha256] = row.name
    return arrived | {member.sha256: member.name for member in leaving.values()}


def _plain_name(repository: Repository, suite: Suite, path: str, digest: Digest, date: int, data: bytes | None) -> None:
    store = repository.layout.store
    plain = f"dists/{suite.name}/{path}"
    if store.size(plain) == digest.size:
        # What lies far away is believed by its size: reading it would cost as much as sending it.
        if data is None and store.local is None:
            return
        if sha256_bytes(store.read(plain) or b"") == digest.sha256:
            return
    data = data if data is not None else store.read(f"dists/{suite.name}/{by_hash(path, digest)}")
    if data is not None:
        store.put(plain, data, mtime=date)


def _lacks_page(repository: Repository, suite: Suite) -> bool:
    return suite.options.page and repository.layout.store.size(page_name(suite.name)) is None


def _client_files_stand(repository: Repository) -> bool:
    """Say whether the client files are right as far as no package decides them: an `init` may have brought another URL."""
    store = repository.layout.store
    pinned = f"{repository.identity.file_name}.pref"
    wanted = client_files(repository, ())
    return store.size(pinned) is not None and all(store.read(name) == wanted[name] for name in wanted.keys() - {pinned})


def client_files(repository: Repository, names: Iterable[str]) -> dict[str, bytes]:
    """Return what clients need beside the suites: keyring, `.sources` and preferences, by file name."""
    identity = repository.identity
    return {
        clientfiles.keyring_name(identity): keyring(repository.layout, read_keys(repository).for_clients),
        f"{identity.file_name}.sources": clientfiles.sources_text(identity).encode(),
        f"{identity.file_name}.pref": clientfiles.preferences_text(identity, names).encode(),
    }
