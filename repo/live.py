"""What a suite serves now, read from the store alone: the signed InRelease says it, and the snapshot it names."""

from __future__ import annotations

import gzip
import zlib
from functools import lru_cache

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes
from kubedeb.records import frozen
from kubedeb.release import Release, parse_release
from kubedeb.stanza import control_text
from repo.catalog import trusted
from repo.indices import GENERATION_FIELD, SNAPSHOT_FIELD
from repo.place import Layout, Repository
from repo.snapshots import Load, Rows, Snapshot, parse_rows
from repo.store import Store

HINT = (
    "`kubedeb repo verify` lists all that is damaged. A good copy of every generation's InRelease is kept in\n"
    "public/generations/SUITE/; put the newest one back in its place."
)


@frozen
class Live:
    """A suite's live generation: its number, what it was signed as, the snapshot that it serves, and the store's tag of it.

    `known`: the catalog has met it, so that it knows its packages.
    """

    generation: int
    inrelease: bytes
    release: Release
    snapshot: Snapshot
    tag: str = ""
    known: bool = False

    @property
    def date(self) -> int:
        """Return the generation's date in seconds since the epoch."""
        return int(self.release.date.timestamp())


def snapshot_name(snapshot: str) -> str:
    """Return where a snapshot lies in the store."""
    return f"snapshots/{snapshot}.json"


def chunk_name(chunk: str) -> str:
    """Return where a chunk lies in the store; the digest is that of its unpacked text."""
    return f"snapshots/chunks/{chunk}.json.gz"


def generation_name(suite: str, generation: int) -> str:
    """Return where the InRelease of a generation is kept."""
    return f"generations/{suite}/{generation:06}.InRelease"


def was_published(store: Store, suite: str) -> bool:
    """Return whether a suite has ever been published."""
    return any(store.size(name) is not None for name in (f"dists/{suite}/InRelease", generation_name(suite, 1)))


def read_live(repository: Repository, suite: str) -> Live | None:
    """Return what `suite` serves, None before its first publish. Raises `KubedebError` (REPOSITORY) when it is damaged."""
    store = repository.layout.store
    found = store.tagged(f"dists/{suite}/InRelease")
    if found is None:
        if was_published(store, suite):
            # Taking this for a new suite would publish the draft alone, and drop every package.
            raise KubedebError(
                f"suite {suite} was published, but its InRelease is missing", hint=HINT, code=ExitCode.REPOSITORY
            )
        return None
    inrelease, tag = found
    known = seal(repository.layout, inrelease) in trusted(repository.layout.catalog)
    try:
        text = control_text(inrelease) if known else _verified(repository, inrelease)
        release = parse_release(suite, text)
        snapshot = read_snapshot(store, release.fields[SNAPSHOT_FIELD])
        return Live(int(release.fields[GENERATION_FIELD]), inrelease, release, snapshot, tag, known)
    except (ValueError, KeyError) as error:
        raise unreadable(f"what suite {suite} serves", error) from error


def _verified(repository: Repository, inrelease: bytes) -> str:
    from kubedeb.aptrepo import verified

    return verified(inrelease, repository.layout.keyring, code=ExitCode.REPOSITORY)


def seal(layout: Layout, inrelease: bytes) -> str:
    """Return a digest of an InRelease and of the keys that it was checked with: with other keys it is checked anew.

    The catalog that remembers it lies beside the secret key, not in the store.
    """
    return sha256_bytes(layout.keyring.read_bytes() + inrelease)


def unreadable(what: str, error: Exception) -> KubedebError:
    """Return the error for a part of the published truth that is missing or damaged."""
    return KubedebError(f"{what} cannot be read", details=str(error), hint=HINT, code=ExitCode.REPOSITORY)


def read_snapshot(store: Store, identity: str) -> Snapshot:
    """Return a snapshot. Raises `ValueError` when it is missing or damaged."""
    data = store.read(snapshot_name(identity))
    if data is None:
        raise ValueError(f"{snapshot_name(identity)} is missing")
    if sha256_bytes(data) != identity:
        raise ValueError(f"{snapshot_name(identity)} is damaged: its content is {sha256_bytes(data)}")
    return Snapshot.parse(data.decode())


def unpack_chunk(chunk: str, data: bytes | None) -> bytes:
    """Return a chunk's text from its object. Raises `ValueError` when it is missing or damaged."""
    if data is None:
        raise ValueError(f"{chunk_name(chunk)} is missing")
    try:
        text = gzip.decompress(data)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"{chunk_name(chunk)} is damaged: {error}") from error
    if sha256_bytes(text) != chunk:
        raise ValueError(f"{chunk_name(chunk)} is damaged: its content is {sha256_bytes(text)}")
    return text


def chunk_loader(repository: Repository) -> Load:
    """Return how to read a chunk from the store; it raises `KubedebError` (REPOSITORY) for one that is missing or damaged."""
    store = repository.layout.store

    @lru_cache(maxsize=64)
    def load(chunk: str) -> Rows:
        try:
            return parse_rows(unpack_chunk(chunk, store.read(chunk_name(chunk))))
        except ValueError as error:
            raise unreadable("a part of a snapshot", error) from error

    return load
