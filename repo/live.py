"""What a suite serves now, read from the store alone: the signed InRelease says it, and the snapshot it names."""

from __future__ import annotations

from dataclasses import dataclass

from kubedeb.aptrepo import Release, parse_release, verified
from kubedeb.errors import ExitCode, KubedebError
from repo.indices import GENERATION_FIELD, SNAPSHOT_FIELD
from repo.models import Snapshot
from repo.place import Repository
from repo.store import Store

HINT = (
    "`kubedeb repo verify` lists all that is damaged. A good copy of every generation's InRelease is kept in\n"
    "public/generations/SUITE/; put the newest one back in its place."
)


@dataclass(frozen=True)
class Live:
    """A suite's live generation: its number, what it was signed as, and the snapshot that it serves."""

    generation: int
    inrelease: bytes
    release: Release
    snapshot: Snapshot

    @property
    def date(self) -> int:
        """Return the generation's date in seconds since the epoch."""
        return int(self.release.date.timestamp())


def snapshot_name(snapshot: str) -> str:
    """Return where a snapshot lies in the store."""
    return f"snapshots/{snapshot}.json"


def generation_name(suite: str, generation: int) -> str:
    """Return where the InRelease of a generation is kept."""
    return f"generations/{suite}/{generation:06}.InRelease"


def was_published(store: Store, suite: str) -> bool:
    """Return whether a suite has ever been published."""
    return any(store.size(name) is not None for name in (f"dists/{suite}/InRelease", generation_name(suite, 1)))


def read_live(repository: Repository, suite: str) -> Live | None:
    """Return what `suite` serves, None before its first publish. Raises `KubedebError` (REPOSITORY) when it is damaged."""
    store = repository.layout.store
    inrelease = store.read(f"dists/{suite}/InRelease")
    if inrelease is None:
        if was_published(store, suite):
            # Taking this for a new suite would publish the draft alone, and drop every package.
            raise KubedebError(
                f"suite {suite} was published, but its InRelease is missing", hint=HINT, code=ExitCode.REPOSITORY
            )
        return None
    text = verified(inrelease, repository.layout.keyring, code=ExitCode.REPOSITORY)
    try:
        release = parse_release(suite, text)
        snapshot = read_snapshot(store, release.fields[SNAPSHOT_FIELD])
        return Live(int(release.fields[GENERATION_FIELD]), inrelease, release, snapshot)
    except (ValueError, KeyError) as error:
        raise KubedebError(
            f"what suite {suite} serves cannot be read", details=str(error), hint=HINT, code=ExitCode.REPOSITORY
        ) from error


def read_snapshot(store: Store, identity: str) -> Snapshot:
    """Return a snapshot. Raises `ValueError` when it is missing or damaged."""
    data = store.read(snapshot_name(identity))
    if data is None:
        raise ValueError(f"{snapshot_name(identity)} is missing")
    snapshot = Snapshot.parse(data.decode())
    if snapshot.id != identity:
        raise ValueError(f"{snapshot_name(identity)} is damaged: its content is {snapshot.id}")
    return snapshot
