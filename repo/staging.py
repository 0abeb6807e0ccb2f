"""What a generation is before it is live, and how it goes live: staged, signed, judged by the client, renamed, settled.

Apart from `repo.publish`, which decides: a publish that changes nothing loads none of this.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes
from kubedeb.parallel import side_by_side
from kubedeb.records import frozen
from kubedeb.release import parse_release
from repo.audit import Record, Why, who
from repo.clock import ClockError, Dated, next_date
from repo.decision import Decision
from repo.indices import Indices, Listed, index_objects, make_indices, release_text
from repo.journal import Move, begin, finish, forget
from repo.keys import Signed
from repo.live import Live, chunk_name, snapshot_name, unreadable
from repo.models import Package, Suite, contradictions
from repo.place import Repository
from repo.poolfiles import damaged
from repo.settle import record, settle
from repo.signing import sign
from repo.snapshots import Load, Rows, near, rows_text
from repo.store import Raced, Store, digest_of
from repo.transaction import Transaction

Check = Callable[[Repository, Suite, Decision], None]


@frozen
class Prepared:
    """A generation that clients have accepted and that may go live."""

    suite: Suite
    live: Live
    before: Live | None
    signed: Signed
    judges: tuple[str, ...]
    decision: Decision


def stage(opened: Transaction, suite: Suite, decision: Decision, checks: Sequence[Check] = ()) -> Prepared:
    """Write what no client looks for yet, sign, and let the client judge. Raises `KubedebError`; nothing is live then."""
    opened.rely()
    repository, watch = opened.repository, opened.watch
    live = opened.lives.get(suite.name)

    def load(chunk: str) -> Rows:
        return decision.new[chunk] if chunk in decision.new else opened.load(chunk)

    _refuse_contradictions(opened, suite, decision, load)
    _require_pool(opened, suite.name, decision)
    _refuse_unfit(opened, suite, decision, load)
    for check in checks:
        check(repository, suite, decision)
    with watch.lap("indices"):
        indices = reused(repository.layout.store, suite, decision.listed) or _made(repository, suite, decision, load)
    dated = _date(live, _mtime(repository, suite))
    if dated.wait:
        opened.say(f"the last generation is dated ahead of the clock: waiting {dated.wait:.0f} s")
        time.sleep(dated.wait)
    generation = live.generation + 1 if live else 1
    text = release_text(repository.identity, suite, generation, decision.target.id, dated.date, indices.listed)
    with watch.lap("sign"):
        # The objects become durable while gpg signs. This thread does all that is written, so that a test can kill it there.
        _, signed = side_by_side(
            lambda: _put_objects(opened, suite, decision, indices, live), lambda: sign(repository, text, time.time())
        )
    with watch.lap("proof"):
        from repo.proof import judge

        judges = judge(repository, suite, text, signed, indices)
    now = Live(generation, signed.inline, parse_release(suite.name, text), decision.target)
    return Prepared(suite, now, live, signed, judges, decision.without_rows())


def go_live(opened: Transaction, staged: Sequence[Prepared], whys: Mapping[str, Why], live: list[Prepared]) -> None:
    """Replace one InRelease after another, then settle all; each that is live is appended to `live`.

    Raises `Raced` when another publisher has replaced one, and `KubedebError`.
    """
    if not staged:
        return
    together = tuple(sorted(prepared.suite.name for prepared in [*live, *staged]))
    # What an earlier attempt got live is among them: a kill from here on leaves a set that must be completed.
    moves = [_move(prepared, whys[prepared.suite.name], together) for prepared in [*live, *staged]]
    with opened.watch.lap("live"):
        opened.rely()
        opened.durable()
        begin(opened.repository, moves)
        for prepared in staged:
            _rename(opened, prepared, alone=not live)
            live.append(prepared)
        for prepared in live:
            _settle(opened, prepared)
        finish(opened.repository, moves)


def _rename(opened: Transaction, prepared: Prepared, *, alone: bool) -> None:
    """Go live. When nothing of the set is live and somebody else was faster, the journal is forgotten."""
    suite, live, before = prepared.suite, prepared.live, prepared.before
    try:
        opened.repository.layout.store.swap(
            f"dists/{suite.name}/InRelease", live.inrelease, before.tag if before else None, mtime=live.date
        )
    except Raced:
        if alone:
            forget(opened.repository)
        raise
    opened.lives[suite.name] = live


def _settle(opened: Transaction, prepared: Prepared) -> None:
    suite, live = prepared.suite, prepared.live
    try:
        settle(opened, suite, live, prepared.signed, drafted=prepared.decision.drafted)
    except (KubedebError, OSError) as error:
        raise KubedebError(
            f"generation {live.generation} of {suite.name} is live, but not all that follows could be written",
            details=error.render() if isinstance(error, KubedebError) else str(error),
            hint="Mend the cause and publish again: it completes what is missing.",
            code=error.code if isinstance(error, KubedebError) else ExitCode.REPOSITORY_STORAGE,
        ) from error


def _move(prepared: Prepared, why: Why, together: tuple[str, ...]) -> Move:
    """Return what the journal and the audit log say of a generation."""
    live, before, decision = prepared.live, prepared.before, prepared.decision
    record = Record(
        prepared.suite.name, live.generation, live.snapshot.id, before.generation if before else 0,
        before.snapshot.id if before else "", len(decision.added), len(decision.removed),
        why.action, why.source, why.reason, who(), int(time.time()), together if len(together) > 1 else (),
    )  # fmt: skip
    replaced = sha256_bytes(before.inrelease) if before else ""
    inrelease, detached = live.inrelease.decode(), prepared.signed.detached.decode()
    return Move(prepared.suite.name, inrelease, detached, live.date, replaced, record)


def _refuse_contradictions(opened: Transaction, suite: Suite, decision: Decision, load: Load) -> None:
    """Raise `KubedebError` (PACKAGE) when a version would have two contents, in this suite or in this and another.

    It looks at the chunks that change: `verify` looks at all.
    """
    here = [row.member for row in near(decision.target, load, {member.name for member in decision.added})]
    names = {member.name for member in here}
    snapshots = {name: live.snapshot for name, live in opened.lives.items()} | opened.planned
    others = [snapshot for name, snapshot in snapshots.items() if name != suite.name]
    elsewhere = [row.member for other in others for row in near(other, opened.load, names) if row.name in names]
    found = contradictions(here, elsewhere)
    if found:
        first = found[0][0]
        raise KubedebError(
            f"{first.label} would have two contents",
            details="\n".join(f"{one.label}: sha256 {one.sha256} and {other.sha256}" for one, other in found),
            hint=f"Take it out: kubedeb repo remove --suite {suite.name} {first.name}={first.version}\n"
            "and give the other content a version of its own. Nothing was published.", code=ExitCode.PACKAGE,
        )  # fmt: skip


def _require_pool(opened: Transaction, suite: str, decision: Decision) -> None:
    """Raise `KubedebError` (REPOSITORY) when the store lacks bytes of what is new in this suite; `verify` reads them all.

    In an object store what was never published was uploaded just now; of what comes back, gc may have deleted the bytes.
    """
    store = opened.repository.layout.store
    # In a folder nobody else deletes meanwhile.
    here = opened.stored if store.local is not None else ()
    for member in decision.added:
        if member.sha256 in here:
            continue
        asked = member.architecture != "source" and (store.local is not None or opened.catalog.was_published(member.sha256))
        if asked and store.size(member.pool_name) is None:
            raise damaged(member)
    before = opened.lives[suite].snapshot.chunks if suite in opened.lives else ()
    coming = {chunk.sha256 for chunk in decision.target.chunks} - {chunk.sha256 for chunk in before} - decision.new.keys()
    for chunk in sorted(coming if store.local is None else ()):
        if store.size(chunk_name(chunk)) is None:
            raise unreadable("a part of a snapshot", ValueError(f"{chunk_name(chunk)} is missing"))


def _refuse_unfit(opened: Transaction, suite: Suite, decision: Decision, load: Load) -> None:
    """Ask what the suite's settings ask of what changes: its gates, and whether it can be installed."""
    if suite.options.gates:
        from repo.gates import refuse_unstated

        refuse_unstated(opened.repository, suite, _coming(decision, load))
    if suite.options.installable:
        from repo.installable import refuse_broken

        changed = (*decision.added, *decision.removed)
        with opened.watch.lap("installable"):
            refuse_broken(opened.repository, suite, decision.target, opened.lives.get(suite.name), load, changed)


def _coming(decision: Decision, load: Load) -> Iterator[Package]:
    """Yield the packages that come, with their stanzas."""
    added = set(decision.added)
    return (row for row in near(decision.target, load, {member.name for member in added}) if row.member in added)


def _made(repository: Repository, suite: Suite, decision: Decision, load: Load) -> Indices:
    from repo.contents import lister
    from repo.pieces import open_pieces

    with open_pieces(repository.layout.pieces) as pieces:
        return make_indices(decision.target, suite, load, pieces, lister(repository.layout.store, pieces))


def reused(store: Store, suite: Suite, listed: Listed | None) -> Indices | None:
    """Let the suite have indices that are in the store, whole; None when they are not what it needs.

    What lies here is read and compared; what lies in an object store is believed by its size, and the client reads it.
    """
    if listed is None or not listed.fits(suite):
        return None
    theirs, ours = index_objects(listed.suite, listed.indices), index_objects(suite.name, listed.indices)
    for path, name in theirs.items():
        digest = listed.indices[path]
        if store.size(name) != digest.size or (store.local is not None and digest_of(store, name) != digest):
            return None
    if listed.suite != suite.name and not all(store.same(ours[path], name) for path, name in theirs.items()):
        return None
    return Indices(dict(listed.indices), {})


def _put_objects(opened: Transaction, suite: Suite, decision: Decision, indices: Indices, live: Live | None) -> None:
    """Write what no client looks for yet: a copy of what is live, chunks, the snapshot and the indices under their digests."""
    if live:
        record(opened, suite.name, live)
    objects = {chunk_name(digest): gzip.compress(rows_text(rows), 6, mtime=0) for digest, rows in decision.new.items()}
    objects[snapshot_name(decision.target.id)] = decision.target.text().encode()
    places = index_objects(suite.name, indices.listed)
    opened.repository.layout.store.create(objects | {places[path]: data for path, data in indices.data.items()})


def _mtime(repository: Repository, suite: Suite) -> int:
    local = repository.layout.store.local
    path = local / "dists" / suite.name / "InRelease" if local else None
    return int(path.stat().st_mtime) if path and path.exists() else 0


def _date(live: Live | None, mtime: int) -> Dated:
    try:
        return next_date(time.time(), max(live.date, mtime) if live else None)
    except ClockError as error:
        raise KubedebError(
            str(error), details="apt ignores a generation that is older than the one it has.",
            hint="Set this machine's clock, then publish again.", code=ExitCode.REPOSITORY,
        ) from error  # fmt: skip
