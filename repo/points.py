"""What people call a set of packages: a named snapshot, a suite, a suite's generation (`SUITE@N`), a snapshot's id."""

from __future__ import annotations

import re

from kubedeb.aptrepo import verified
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from kubedeb.release import parse_release
from repo.indices import SNAPSHOT_FIELD, Listed
from repo.live import generation_name, read_live, read_snapshot, unreadable
from repo.place import Repository
from repo.snapshotlist import read_named
from repo.snapshots import Snapshot

IDENTITY = re.compile(r"[0-9a-f]{64}")
GENERATION = re.compile(r"(?P<suite>[^@]+)@(?P<number>[1-9]\d{0,8})")


@frozen
class Point:
    """A set of packages and how it is called; suite and generation where it was published (empty and 0: unknown).

    `listed` are the indices that were made of it, where that is known.
    """

    label: str
    snapshot: Snapshot
    suite: str = ""
    generation: int = 0
    listed: Listed | None = None


def resolve(repository: Repository, text: str) -> Point:
    """Return what `text` names. Raises `KubedebError` (REPOSITORY) when it is nothing, or what it names cannot be read."""
    named = read_named(repository.layout.store, text) if "/" not in text else None
    if named is not None:
        return Point(text, _read(repository, text, named.snapshot), named.suite, named.generation)
    if repository.identity.suite(text) is not None:
        live = read_live(repository, text)
        if live is None:
            raise KubedebError(f"suite {text} was never published", hint=f"kubedeb repo publish {text}",
                               code=ExitCode.REPOSITORY)  # fmt: skip
        return Point(text, live.snapshot, text, live.generation, Listed(text, live.release.indices))
    if match := GENERATION.fullmatch(text):
        return generation(repository, match["suite"], int(match["number"]))
    if IDENTITY.fullmatch(text):
        return Point(text, _read(repository, text, text))
    suites = ", ".join(suite.name for suite in repository.identity.suites)
    raise KubedebError(
        f"there is no snapshot {text!r}",
        details=f"neither a named snapshot, nor a suite ({suites}), nor SUITE@GENERATION, nor a snapshot's id",
        hint="kubedeb repo snapshot list shows the named ones.", code=ExitCode.REPOSITORY,
    )  # fmt: skip


def generation(repository: Repository, suite: str, number: int) -> Point:
    """Return what a suite served as a generation. Raises `KubedebError` (REPOSITORY) when that is not kept any more."""
    repository.suite(suite)
    data = repository.layout.store.read(generation_name(suite, number))
    if data is None:
        raise KubedebError(
            f"generation {number} of {suite} is not there",
            details="It never was, or gc has deleted its copy (init --keep-generations says how many stay).",
            hint="kubedeb repo log shows the moves, kubedeb repo snapshot list what was kept by name.",
            code=ExitCode.REPOSITORY,
        )  # fmt: skip
    text = verified(data, repository.layout.keyring, code=ExitCode.REPOSITORY)
    label = f"{suite}@{number}"
    try:
        release = parse_release(suite, text)
        identity = release.fields[SNAPSHOT_FIELD]
    except (ValueError, KeyError) as error:
        raise unreadable(label, error) from error
    return Point(label, _read(repository, label, identity), suite, number, Listed(suite, release.indices))


def _read(repository: Repository, label: str, identity: str) -> Snapshot:
    try:
        return read_snapshot(repository.layout.store, identity)
    except ValueError as error:
        raise unreadable(f"the snapshot {label}", error) from error
