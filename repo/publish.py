"""`kubedeb repo publish`: freeze the draft, stage, let the client judge, go live by one rename, settle the rest.

Killed at any point, the suite serves the old or the new generation, whole; the next publish begins by settling what the
last one left. InRelease is the truth: it names its own number and snapshot, and a copy of every one that was live is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubedeb.aptrepo import Digest, parse_release
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes, write_bytes
from repo import clientfiles
from repo.catalog import Catalog, open_catalog
from repo.client import Staged, prove
from repo.clock import ClockError, Dated, next_date
from repo.indices import FORMS, Indices, by_hash, make_indices, release_text
from repo.keys import Signed
from repo.live import Live, generation_name, snapshot_name
from repo.models import Member, Package, Snapshot, Suite, apply_draft, contradictions
from repo.place import Repository, writing
from repo.recall import damaged, from_pool, read_lives, recall

Say = Callable[[str], None]


@dataclass(frozen=True)
class Decision:
    """What publishing a suite would make of it; `reason` is empty when that is what it serves already."""

    target: Snapshot
    reason: str
    added: tuple[Member, ...] = ()
    removed: tuple[Member, ...] = ()


@dataclass(frozen=True)
class Published:
    """What publish did; `changed` is False when the suite serves this already and nothing was written."""

    suite: str
    changed: bool
    reason: str
    generation: int
    snapshot: str
    date: int
    packages: int
    added: tuple[Member, ...]
    removed: tuple[Member, ...]
    judges: tuple[str, ...]


def decide(live: Live | None, target: Snapshot, suite: Suite) -> Decision:
    """Return whether `target` must become a new generation, and why."""
    before = set(live.snapshot.members) if live else set()
    added = tuple(member for member in target.members if member not in before)
    removed = tuple(sorted(before - set(target.members)))
    if live is None:
        reason = "the first generation"
    elif added or removed:
        reason = f"{len(added)} added, {len(removed)} removed"
    elif live.release.architectures != suite.architectures:
        reason = f"architectures are now {' '.join(suite.architectures)}"
    else:
        reason = ""
    return Decision(target, reason, added, removed)


def publish(repository: Repository, suite_name: str, say: Say) -> Published:
    """Publish a suite's draft as its next generation.

    Raises `KubedebError`: CLIENT when apt or a signature checker refuses the staged tree; PACKAGE when one version would
    have two contents; KEY; REPOSITORY_BUSY; REPOSITORY_STORAGE; REPOSITORY. Until the rename of InRelease nothing that
    clients see has changed.
    """
    suite = repository.suite(suite_name)
    with writing(repository.layout), open_catalog(repository.layout.catalog) as catalog:
        lives = read_lives(repository)
        recall(repository, catalog, lives)
        live = lives.pop(suite.name, None)
        target = apply_draft(live.snapshot if live else Snapshot(()), catalog.draft(suite.name))
        decision = decide(live, target, suite)
        elsewhere = {member for other in lives.values() for member in other.snapshot.members}
        names = {member.name for member in elsewhere}
        judges: tuple[str, ...] = ()
        if live is None or decision.reason:
            _refuse_contradictions(suite, decision.target, elsewhere)
            live, judges = _advance(repository, suite, catalog, decision, live, names, say)
        else:
            _settle(repository, suite, catalog, live, names, None)
    return Published(
        suite.name, bool(decision.reason), decision.reason, live.generation, live.snapshot.id, live.date,
        len(live.snapshot.members), decision.added, decision.removed, judges,
    )  # fmt: skip


def _refuse_contradictions(suite: Suite, target: Snapshot, elsewhere: Iterable[Member]) -> None:
    """Raise `KubedebError` (PACKAGE) when a version would have two contents, in this suite or in this and another."""
    found = contradictions(target.members, elsewhere)
    if found:
        first = found[0][0]
        raise KubedebError(
            f"{first.label} would have two contents",
            details="\n".join(f"{one.label}: sha256 {one.sha256} and {other.sha256}" for one, other in found),
            hint=f"Take it out: kubedeb repo remove --suite {suite.name} {first.name}={first.version}\n"
            "and give the other content a version of its own. Nothing was published.", code=ExitCode.PACKAGE,
        )  # fmt: skip


def _advance(
    repository: Repository, suite: Suite, catalog: Catalog, decision: Decision, live: Live | None, names: set[str], say: Say
) -> tuple[Live, tuple[str, ...]]:
    """Make and settle the next generation; return it and who judged it."""
    packages = _packages(repository, catalog, decision.target)
    indices = make_indices(packages, suite, live.release.indices if live else {})
    _put_objects(repository, suite, decision.target, indices)
    dated = _date(live, _mtime(repository, suite))
    if dated.wait:
        say(f"the last generation is dated ahead of the clock: waiting {dated.wait:.0f} s")
        time.sleep(dated.wait)
    generation = live.generation + 1 if live else 1
    text = release_text(repository.identity, suite, generation, decision.target.id, dated.date, indices.listed)
    signed = repository.layout.keys.sign(text, repository.identity.fingerprint)
    judges = _judge(repository, suite, text, signed, indices)
    repository.layout.store.put(f"dists/{suite.name}/InRelease", signed.inline, mtime=dated.date)
    now = Live(generation, signed.inline, parse_release(suite.name, text), decision.target)
    try:
        _settle(repository, suite, catalog, now, names, signed)
    except (KubedebError, OSError) as error:
        raise KubedebError(
            f"generation {generation} of {suite.name} is live, but not all that follows could be written",
            details=error.render() if isinstance(error, KubedebError) else str(error),
            hint="Mend the cause and publish again: it completes what is missing.",
            code=error.code if isinstance(error, KubedebError) else ExitCode.REPOSITORY_STORAGE,
        ) from error
    return now, judges


def _packages(repository: Repository, catalog: Catalog, snapshot: Snapshot) -> Sequence[Package]:
    """Return a snapshot's packages; those that the catalog has lost are read back from the pool."""
    known = catalog.packages(snapshot.members)
    lost = [member for member in snapshot.members if member.sha256 not in known]
    if lost:
        found = [from_pool(repository, member) for member in lost]
        catalog.learn_published(found)
        known |= {package.sha256: package for package in found}
    for member in snapshot.members:
        if repository.layout.store.size(member.pool_name) != known[member.sha256].size:
            raise damaged(member)
    return [known[member.sha256] for member in snapshot.members]


def _put_objects(repository: Repository, suite: Suite, target: Snapshot, indices: Indices) -> None:
    """Write what no client looks for yet: the snapshot and the new indices, under their digests."""
    store = repository.layout.store
    store.put(snapshot_name(target.id), target.text().encode())
    for path, data in indices.new.items():
        store.put(f"dists/{suite.name}/{by_hash(path, indices.listed[path])}", data)


def _mtime(repository: Repository, suite: Suite) -> int:
    path = repository.layout.public / "dists" / suite.name / "InRelease"
    return int(path.stat().st_mtime) if path.exists() else 0


def _date(live: Live | None, mtime: int) -> Dated:
    try:
        return next_date(time.time(), max(live.date, mtime) if live else None)
    except ClockError as error:
        raise KubedebError(
            str(error), details="apt ignores a generation that is older than the one it has.",
            hint="Set this machine's clock, then publish again.", code=ExitCode.REPOSITORY,
        ) from error  # fmt: skip


def _judge(repository: Repository, suite: Suite, text: str, signed: Signed, indices: Indices) -> tuple[str, ...]:
    """Stage the suite as a client would see it (the indices are linked, not copied) and let the client judge."""
    tree = repository.layout.staging / "tree"
    dists = tree / "dists" / suite.name
    public = repository.layout.public
    for name, data in (("InRelease", signed.inline), ("Release.gpg", signed.detached), ("Release", text.encode())):
        write_bytes(dists / name, data)
    for component in {path.partition("/")[0] for path in indices.listed}:
        (dists / component).symlink_to(public / "dists" / suite.name / component)
    client = repository.layout.staging / "client"
    client.mkdir()
    return prove(Staged(tree, suite, indices.listed, repository.layout.keyring), client)


def _settle(repository: Repository, suite: Suite, catalog: Catalog, live: Live, names: set[str], signed: Signed | None) -> None:
    """Complete a generation that is live; writes only what is not as it should be, so it can be repeated.

    `names` are those that the other suites serve: the preferences pin them too, and what has left its suite, because it
    may be installed still. For clients that know InRelease and by-hash the rest does not matter; it is for old ones,
    people and the next publish.
    """
    store = repository.layout.store
    store.put(generation_name(suite.name, live.generation), live.inrelease)
    text = live.release.text.encode()
    # Release.gpg goes before Release: where Release is right, both are.
    if store.read(f"dists/{suite.name}/Release") != text or store.size(f"dists/{suite.name}/Release.gpg") is None:
        signed = signed or repository.layout.keys.sign(live.release.text, repository.identity.fingerprint)
        store.put(f"dists/{suite.name}/Release.gpg", signed.detached, mtime=live.date)
        store.put(f"dists/{suite.name}/Release", text, mtime=live.date)
    for path, digest in live.release.indices.items():
        if path.endswith(FORMS):
            _plain_name(repository, suite, path, digest, live.date)
    catalog.published(suite.name)
    pinned = names.union((member.name for member in live.snapshot.members), catalog.published_names())
    for name, data in client_files(repository, pinned).items():
        store.put(name, data)


def _plain_name(repository: Repository, suite: Suite, path: str, digest: Digest, date: int) -> None:
    store = repository.layout.store
    plain = f"dists/{suite.name}/{path}"
    found = store.read(plain) if store.size(plain) == digest.size else None
    if found is None or sha256_bytes(found) != digest.sha256:
        data = store.read(f"dists/{suite.name}/{by_hash(path, digest)}")
        if data is not None:
            store.put(plain, data, mtime=date)


def client_files(repository: Repository, names: Iterable[str]) -> dict[str, bytes]:
    """Return what clients need beside the suites: keyring, `.sources` and preferences, by file name."""
    identity = repository.identity
    return {
        clientfiles.keyring_name(identity): Path(repository.layout.keyring).read_bytes(),
        f"{identity.file_name}.sources": clientfiles.sources_text(identity).encode(),
        f"{identity.file_name}.pref": clientfiles.preferences_text(identity, names).encode(),
    }
