"""Who holds what: everything from which an object of the store is reached, and so must stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kubedeb.errors import KubedebError
from repo.holds import read_holds
from repo.live import chunk_name, read_snapshot, snapshot_name, unreadable
from repo.models import Member, Package
from repo.place import Repository
from repo.poolfiles import objects
from repo.retention import Generation, kept, read_generations
from repo.snapshotlist import kept as kept_by_name
from repo.transaction import Transaction


@dataclass
class Reached:
    """What must stay: object names in the store, the chunks among them, and the holders of what no suite serves."""

    names: set[str] = field(default_factory=set)
    chunks: set[str] = field(default_factory=set)
    served: set[Member] = field(default_factory=set)
    holders: dict[Member, set[str]] = field(default_factory=dict)
    sizes: dict[Member, int] = field(default_factory=dict)

    def keep(self, package: Package, holders: Iterable[str], *, served: bool = False) -> None:
        """Let a package and all that belongs to it stay."""
        self.names |= objects(package).keys()
        if served:
            self.served.add(package.member)
            self.holders.pop(package.member, None)
        elif package.member not in self.served:
            self.holders.setdefault(package.member, set()).update(holders)
            self.sizes[package.member] = package.size


def read_history(opened: Transaction) -> dict[str, list[Generation]]:
    """Return the generations of every published suite, oldest first."""
    return {suite: read_generations(opened.repository, suite, live) for suite, live in opened.lives.items()}


def reach(opened: Transaction, history: Mapping[str, list[Generation]], now: float) -> Reached:
    """Return what suites, their generations, named snapshots, drafts and holds need.

    Raises `KubedebError` (REPOSITORY) when a suite's or a named snapshot's list cannot be read: what it needs is not known.
    """
    repository = opened.repository
    found = Reached()
    for live in opened.lives.values():
        _snapshot(opened, found, live.snapshot.id, [], needed=True)
    for name, identity in sorted(kept_by_name(repository).items()):
        _snapshot(opened, found, identity, [f"snapshot {name}"], needed=True)
    for suite in repository.identity.suites:
        options = suite.options
        for generation in kept(history.get(suite.name, ()), now, options.retention, options.keep_generations):
            _snapshot(opened, found, generation.snapshot, [f"generation {suite.name} {generation.number}"], needed=False)
        for package in opened.catalog.changes(suite.name)[1]:
            found.keep(package, [f"draft of {suite.name}"])
    _holds(opened, found)
    return found


def _snapshot(opened: Transaction, found: Reached, identity: str, holders: list[str], *, needed: bool) -> None:
    """Let a snapshot's own objects and all its packages stay; no holders: a suite serves it.

    What an old generation lacks somebody has deleted before: that can hinder nothing.
    """
    try:
        snapshot = read_snapshot(opened.repository.layout.store, identity)
        rows = [
            row for chunk in snapshot.chunks if holders or chunk.sha256 not in found.chunks for row in opened.load(chunk.sha256)
        ]
    except (ValueError, KubedebError) as error:
        if needed:
            raise error if isinstance(error, KubedebError) else unreadable("a snapshot", error) from error
        opened.say(f"{holders[0]}: its packages cannot be listed any more")
        return
    found.names.add(snapshot_name(identity))
    found.names |= {chunk_name(chunk.sha256) for chunk in snapshot.chunks}
    found.chunks |= {chunk.sha256 for chunk in snapshot.chunks}
    for row in rows:
        if row.member not in found.served:
            found.keep(row, holders, served=not holders)


def _holds(opened: Transaction, found: Reached) -> None:
    """Let stay what holds name: a package by its own sha256 or by that of anything that belongs to it."""
    holds = read_holds(opened.repository.layout.store)
    if not holds:
        return
    for package, _ in opened.catalog.every():
        own = {file.sha256 for file in objects(package).values()}
        holders = [f"hold {name}" for name, held in holds.items() if not own.isdisjoint(held)]
        if holders:
            found.keep(package, holders)


def held_digests(repository: Repository) -> frozenset[str]:
    """Return all digests that any hold names."""
    return frozenset(digest for held in read_holds(repository.layout.store).values() for digest in held)
