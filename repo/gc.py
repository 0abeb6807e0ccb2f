"""`kubedeb repo gc`: let old versions leave their suites, then delete what nothing needs any more.

References go before what they refer to: copies of old InReleases, indices, snapshots, chunks, packages. Killed anywhere, gc
leaves objects that nothing names, and the next gc, which looks at everything there is, finds them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import nullcontext

from kubedeb.records import frozen
from kubedeb.versions import DebianVersion
from repo.audit import Why
from repo.fence import alone
from repo.live import Live, chunk_loader, generation_name, read_live
from repo.models import Key, Member, Package, Suite
from repo.pieces import open_pieces
from repo.place import Repository
from repo.poolfiles import objects
from repo.publish import Wish, publish_together
from repo.retention import Generation, kept, old_indices
from repo.roots import Reached, held_digests, reach, read_history
from repo.snapshots import Applied, Load, Snapshot, apply, rows_of
from repo.transaction import Transaction, transaction

# What gc may delete below snapshots/; whatever else lies there is not its own.
SNAPSHOT = re.compile(r"snapshots/([0-9a-f]{64}\.json|chunks/[0-9a-f]{64}\.json\.gz)")
POOL = re.compile(r"pool/[0-9a-f]{2}/(?P<sha256>[0-9a-f]{64})/[^/]+")


@frozen
class Held:
    """A package that no suite serves, its size in bytes, and who holds it; nobody: it goes."""

    member: Member
    size: int
    holders: tuple[str, ...]


@frozen
class Collected:
    """What gc did, or would do: packages that left a suite, packages held or gone, and the objects deleted."""

    dry_run: bool
    leaving: tuple[tuple[str, Member], ...]
    packages: tuple[Held, ...]
    objects: tuple[str, ...]


def too_old(rows: Iterable[Package], keep: int, held: Set[str]) -> list[Package]:
    """Return the packages beyond the newest `keep` versions of each name and architecture, but those that are held."""
    versions: dict[tuple[str, str], list[Package]] = {}
    for row in rows:
        versions.setdefault((row.name, row.architecture), []).append(row)
    old = []
    for group in versions.values():
        group.sort(key=lambda row: DebianVersion(row.version), reverse=True)
        old += [row for row in group[keep:] if held.isdisjoint(file.sha256 for file in objects(row).values())]
    return sorted(old)


def gc(repository: Repository, say: Callable[[str], None], *, dry_run: bool = False, now: float | None = None) -> Collected:
    """Collect what nothing needs; with `dry_run` only say so. `now`, in seconds since the epoch, is the clock's by default.

    Raises `KubedebError`: REPOSITORY when a list that says what is needed cannot be read, and nothing was deleted;
    REPOSITORY_BUSY; REPOSITORY_STORAGE; and as `publish` where old versions leave a suite.
    """
    moment = time.time() if now is None else now
    leaving = [(suite, row) for suite in repository.identity.suites for row in _leave(repository, suite, say, dry_run=dry_run)]
    with transaction(repository, say) as opened:
        with nullcontext() if dry_run or repository.layout.store.local is not None else alone(repository.layout):
            if repository.layout.store.local is None:
                # Another publisher may have made what was old new again, until this run was alone.
                opened.read()
            found, doomed = _doomed(opened, moment)
            packages = _packages(opened, found, doomed)
            if not dry_run:
                repository.layout.store.delete(doomed)
        if not dry_run:
            with open_pieces(repository.layout.pieces) as pieces:
                pieces.keep_only_paths(member.sha256 for member in (*found.served, *found.holders))
                pieces.keep_only(chunk.sha256 for live in opened.lives.values() for chunk in live.snapshot.chunks)
    return Collected(dry_run, tuple((suite.name, row.member) for suite, row in leaving), packages, tuple(doomed))


def _leave(repository: Repository, suite: Suite, say: Callable[[str], None], *, dry_run: bool) -> list[Package]:
    """Let the versions that a suite does not keep leave it, as a generation of its own; the draft waits on."""
    if not suite.options.keep:
        return []

    def old(live: Live | None, load: Load) -> list[Package]:
        rows = rows_of(load, live.snapshot if live else Snapshot())
        return too_old(rows, suite.options.keep, held_digests(repository))

    def without(opened: Transaction, live: Live | None) -> Applied:
        leaving: set[Key] = {row.key for row in old(live, opened.load)}
        return apply(live.snapshot if live else Snapshot(), opened.load, leaving, ())

    found = old(read_live(repository, suite.name), chunk_loader(repository))
    if found and not dry_run:
        publish_together(repository, [Wish(suite.name, without, Why("gc", "newer versions are kept"))], say)
    return found


def _doomed(opened: Transaction, now: float) -> tuple[Reached, list[str]]:
    """Return what must stay, and the names of what may go, in the order in which it may."""
    repository, history = opened.repository, read_history(opened)
    store = repository.layout.store
    found = reach(opened, history, now)
    suites = [suite for suite in repository.identity.suites if suite.name in opened.lives]
    names = list(_old_generations(suites, history, now))
    for suite in suites:
        names += old_indices(repository, suite, history[suite.name], now)
    lists = sorted(name for name in store.names("snapshots") if SNAPSHOT.fullmatch(name) and name not in found.names)
    names += sorted(lists, key=lambda name: name.startswith("snapshots/chunks/"))
    # A folder has one writer. In an object store another publisher's draft may need what was never published.
    ours = None if store.local is not None else {row.sha256 for row, published in opened.catalog.every() if published}
    for name in sorted(store.names("pool")):
        match = POOL.fullmatch(name)
        if match and name not in found.names and (ours is None or match["sha256"] in ours):
            names.append(name)
    return found, names


def _old_generations(suites: Iterable[Suite], history: Mapping[str, list[Generation]], now: float) -> Iterator[str]:
    """Yield the copies of old InReleases. The first stays: it is how one knows that a suite was ever published."""
    for suite in suites:
        options, generations = suite.options, history[suite.name]
        stay = {one.number for one in kept(generations, now, options.retention, options.keep_generations)} | {1}
        yield from (generation_name(suite.name, one.number) for one in generations if one.number not in stay)


def _packages(opened: Transaction, found: Reached, doomed: Iterable[str]) -> tuple[Held, ...]:
    """Return the packages that no suite serves: those that somebody holds, and those that go."""
    gone = set(doomed)
    lost = {row.member: row.size for row, _ in opened.catalog.every() if row.member.pool_name in gone}
    held = [Held(member, found.sizes[member], tuple(sorted(holders))) for member, holders in found.holders.items()]
    return tuple(sorted([*held, *(Held(member, size, ()) for member, size in lost.items())], key=lambda one: one.member))
