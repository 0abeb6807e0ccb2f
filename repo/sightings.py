"""Which generation apt speaks of: by the dates, digests and files that it prints, and by what lies in its lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from kubedeb.records import frozen
from kubedeb.release import Release, parse_release
from kubedeb.stanza import control_text
from repo.indices import GENERATION_FIELD, SNAPSHOT_FIELD
from repo.live import Live, chunk_loader, generation_name, read_live, read_snapshot
from repo.place import Repository
from repo.snapshots import named

MADE = re.compile(r"Release file created at: ([^\n]+)")
DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
POOLED = re.compile(r"pool/[0-9a-f]{2}/([0-9a-f]{64})/([a-z0-9][a-z0-9+.-]*)_")
ADDRESS = re.compile(r"[a-z0-9+]+:/{1,3}([^\s']+)")


@frozen
class Sighting:
    """A generation that apt's words are about, the one that is live now (0: not known here), and how it is known."""

    suite: str
    generation: int
    live: int
    how: str


def dates(text: str) -> set[datetime]:
    """Return when the Releases were made of which apt tells. What is no date is passed over."""
    found = set()
    for match in MADE.finditer(text):
        try:
            found.add(parsedate_to_datetime(match[1]).astimezone(UTC))
        except ValueError:
            continue
    return found


def told(text: str, release: Release) -> str:
    """Return how a text tells of this very Release, else empty. Pure."""
    if release.date in dates(text):
        return "apt's Release was made then"
    named_here = {digest.sha256 for digest in release.indices.values()}
    return "apt expects an index of it" if not named_here.isdisjoint(DIGEST.findall(text)) else ""


def in_repository(repository: Repository, text: str) -> list[Sighting]:
    """Return the generations of our own suites that a text tells of, the newest of each suite."""
    found = []
    for suite in repository.identity.suites:
        live = read_live(repository, suite.name)
        if live is not None:
            found += list(_of_suite(repository, suite.name, live, text))
    return found


def _of_suite(repository: Repository, suite: str, live: Live, text: str) -> Iterator[Sighting]:
    store = repository.layout.store
    packages = dict(POOLED.findall(text))
    if not (dates(text) or DIGEST.search(text)):
        return
    for number in range(live.generation, 0, -1):
        data = store.read(generation_name(suite, number))
        release = _parsed(suite, data) if data is not None else None
        if release is None:
            continue
        how = told(text, release) or _has_package(repository, release, packages)
        if how:
            yield Sighting(suite, number, live.generation, how)
            return


def _has_package(repository: Repository, release: Release, packages: dict[str, str]) -> str:
    """Return how a generation is known by the packages that apt asked for, given as sha256 and name."""
    if not packages or SNAPSHOT_FIELD not in release.fields:
        return ""
    try:
        snapshot = read_snapshot(repository.layout.store, release.fields[SNAPSHOT_FIELD])
    except ValueError:
        return ""
    load = chunk_loader(repository)
    has = any(row.sha256 == digest for digest, name in packages.items() for row in named(snapshot, load, name))
    return "it is the newest that has the package" if has else ""


def in_lists(lists: Path, text: str) -> list[Sighting]:
    """Return the generations that a client's own lists (/var/lib/apt/lists) hold of the repositories that a text names."""
    asked = [address.replace("/", "_") for address in ADDRESS.findall(text)]
    found = []
    for path in sorted(lists.glob("*_dists_*_InRelease")):
        place, _, suite = path.name.removesuffix("_InRelease").partition("_dists_")
        if not any(address.strip("_").startswith(place.strip("_")) for address in asked):
            continue
        release = _parsed(suite, path.read_bytes())
        if release is not None:
            found.append(Sighting(suite, int(release.fields[GENERATION_FIELD]), 0, "it lies in apt's lists"))
    return found


def _parsed(suite: str, data: bytes) -> Release | None:
    """Return a Release of ours; its signature is not asked: nothing depends on it but what is told."""
    try:
        release = parse_release(suite, control_text(data))
        return release if release.fields.get(GENERATION_FIELD, "").isdigit() else None
    except ValueError:
        return None
