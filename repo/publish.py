"""`kubedeb repo publish`: freeze the draft, stage, let the client judge, go live by one rename, settle the rest.

Several suites go live as one set: all are staged and proven before the first rename, and a journal lets the next run do the
renames that a killed one left. Killed at any point, a suite serves the old or the new generation, whole; the next publish
begins by settling what the last one left. InRelease is the truth: it names its own number and snapshot, and a copy of every one
that was live is kept. Where another publisher was faster (on an object store), the draft is applied to what that one made, and
all begins anew.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kubedeb.aptrepo import Release, parse_release
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes
from repo.audit import Record, Why, who
from repo.clock import ClockError, Dated, next_date
from repo.contents import lister
from repo.gates import refuse_unstated
from repo.indices import Indices, Listed, index_objects, index_paths, make_indices, release_text
from repo.installable import refuse_broken
from repo.journal import Move, begin, finish, forget
from repo.keys import Signed
from repo.live import Live, chunk_name, snapshot_name
from repo.models import Member, Package, Suite, contradictions
from repo.pieces import open_pieces
from repo.place import Repository
from repo.poolfiles import damaged
from repo.proof import judge
from repo.settle import record, settle
from repo.signing import check_expiry, sign
from repo.snapshots import Applied, Load, Rows, Snapshot, apply, near, rows_text
from repo.store import Raced, Store, digest_of
from repo.transaction import Say, Stopwatch, Transaction, transaction

RACES = 10


@dataclass(frozen=True)
class Decision:
    """What publishing a suite would make of it; `reason` is empty when that is what it serves already.

    `listed` are indices of the same packages that may be in the store.
    """

    target: Snapshot
    reason: str
    added: tuple[Member, ...] = ()
    removed: tuple[Member, ...] = ()
    new: Mapping[str, Rows] = field(default_factory=dict)
    listed: Listed | None = None


@dataclass(frozen=True)
class Published:
    """What publish did; `changed` is False when the suite serves this already and nothing was written.

    `seconds` says what the time was spent on: read, indices, sign, proof (the client's), live.
    """

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
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """A generation that clients have accepted and that may go live."""

    suite: Suite
    live: Live
    before: Live | None
    signed: Signed
    indices: Indices
    judges: tuple[str, ...]
    decision: Decision


Check = Callable[[Repository, Suite, Decision], None]
Target = Callable[[Transaction, Live | None], Applied]


@dataclass(frozen=True)
class Wish:
    """A suite, what it is to serve, and why; `asked` is a reason to make a generation, with `again` though nothing changes.

    `listed` are indices of what it is to serve that may be in the store: they need not be made.
    """

    suite: str
    target: Target
    why: Why = field(default_factory=Why)
    asked: str = ""
    again: bool = True
    listed: Listed | None = None


def decide(
    live: Live | None, applied: Applied, suite: Suite, asked: str = "", *, again: bool = True, listed: Listed | None = None
) -> Decision:
    """Return whether what was applied must become a new generation, and why.

    `asked` is somebody's reason; with `again` it is one though nothing changes.
    """
    if live is not None and live.snapshot == applied.snapshot:
        listed = Listed(suite.name, live.release.indices)
    if live is None:
        reason = "the first generation"
    elif live.snapshot != applied.snapshot:
        counted = f"{len(applied.added)} added, {len(applied.removed)} removed"
        reason = counted if applied.added or applied.removed else asked or counted
    else:
        reason = _other_settings(live.release, suite) or (asked if again else "")
    return Decision(applied.snapshot, reason, applied.added, applied.removed, applied.new, listed)


def _other_settings(release: Release, suite: Suite) -> str:
    """Return what the suite's settings change in its Release, if anything."""
    if release.architectures != suite.architectures:
        return f"architectures are now {' '.join(suite.architectures)}"
    if index_paths(suite) != set(release.indices):
        return "other indices are asked for"
    if bool(suite.options.valid_for) != ("Valid-Until" in release.fields):
        return "Valid-Until is switched on or off"
    return ""


def publish(repository: Repository, suite_name: str, say: Say, checks: Sequence[Check] = (), reason: str = "") -> Published:
    """Publish a suite's draft as its next generation; `reason` is somebody's, for the audit log.

    Raises `KubedebError`: CLIENT when apt or a signature checker refuses the staged tree; PACKAGE when one version would
    have two contents; KEY; REPOSITORY_BUSY; REPOSITORY_STORAGE; REPOSITORY. Until the rename of InRelease nothing that
    clients see has changed.
    """
    wish = Wish(suite_name, from_draft(suite_name), Why("publish", reason))
    return publish_together(repository, [wish], say, checks)[0]


def publish_together(
    repository: Repository, wishes: Sequence[Wish], say: Say, checks: Sequence[Check] = ()
) -> tuple[Published, ...]:
    """Let suites go live together or not at all; returns what was done with each. Raises as `publish` does."""
    for wish in wishes:
        repository.suite(wish.suite)
    with transaction(repository, say) as opened:
        return advance(opened, wishes, checks)


def publish_draft(opened: Transaction, suite: str, checks: Sequence[Check] = ()) -> Published:
    """Do what `publish` does, for who writes already: what it has just changed need not be read again."""
    return advance(opened, [Wish(suite, from_draft(suite), Why("publish"))], checks)[0]


def advance(opened: Transaction, wishes: Sequence[Wish], checks: Sequence[Check] = ()) -> tuple[Published, ...]:
    """Do what `publish_together` does, for who writes already."""
    check_expiry(opened.repository, opened.say, time.time(), strict=opened.repository.terms.strict)
    live: list[Prepared] = []
    for _ in range(RACES):
        try:
            return _together(opened, wishes, checks, live)
        except Raced:
            opened.say("another publisher was faster: applying the change to what is live now")
            opened.read()
    _take_back(opened, live)
    raise KubedebError(
        f"other publishers were faster {RACES} times", details=", ".join(wish.suite for wish in wishes),
        code=ExitCode.REPOSITORY_BUSY,
        hint="Nothing was published and the draft is as it was. Publish again when there are fewer.",
    )  # fmt: skip


def as_it_is(opened: Transaction, live: Live | None) -> Applied:
    """Return what is live: for a generation with the same packages."""
    del opened
    return Applied(live.snapshot if live else Snapshot(), {}, (), ())


def from_draft(suite: str) -> Target:
    """Return what a suite's draft makes of the live snapshot."""

    def applied(opened: Transaction, live: Live | None) -> Applied:
        leaving, added = opened.catalog.changes(suite)
        return apply(live.snapshot if live else Snapshot(), opened.load, leaving, added)

    return applied


def _together(
    opened: Transaction, wishes: Sequence[Wish], checks: Sequence[Check], live: list[Prepared]
) -> tuple[Published, ...]:
    """Stage what is not live yet, rename one after another, settle. `live` has what an earlier attempt got so far."""
    done = {prepared.suite.name: prepared for prepared in live}
    staged: list[Prepared] = []
    decisions: dict[str, Decision] = {name: prepared.decision for name, prepared in done.items()}
    opened.planned = {name: prepared.live.snapshot for name, prepared in done.items()}
    for wish in wishes:
        if wish.suite in done:
            continue
        suite, before = opened.repository.suite(wish.suite), opened.lives.get(wish.suite)
        decision = decisions[wish.suite] = decide(
            before, wish.target(opened, before), suite, wish.asked, again=wish.again, listed=wish.listed
        )
        if before is None or decision.reason:
            staged.append(_stage_or_take_back(opened, suite, decision, checks, live))
            opened.planned[suite.name] = decision.target
    go_live(opened, staged, {wish.suite: wish.why for wish in wishes}, live)
    done = {prepared.suite.name: prepared for prepared in live}
    results = []
    for wish in wishes:
        suite, now = opened.repository.suite(wish.suite), opened.lives[wish.suite]
        if wish.suite not in done:
            settle(opened, suite, now)
        judges = done[wish.suite].judges if wish.suite in done else ()
        results.append(_published(suite, decisions[wish.suite], now, judges, opened.watch))
    return tuple(results)


def _stage_or_take_back(
    opened: Transaction, suite: Suite, decision: Decision, checks: Sequence[Check], live: Sequence[Prepared]
) -> Prepared:
    try:
        return stage(opened, suite, decision, checks)
    except KubedebError:
        _take_back(opened, live)
        raise


def _take_back(opened: Transaction, live: Sequence[Prepared]) -> None:
    """Let the part of a set that is live serve again what it served before, when the rest cannot follow.

    It happens where another publisher changed the rest in the meantime, and what came of it was refused.
    """
    for prepared in live:
        suite, before = prepared.suite, prepared.before
        opened.say(f"taking back generation {prepared.live.generation} of {suite.name}: the rest of its set cannot go live")
        target = before.snapshot if before else Snapshot()
        decision = Decision(target, "taken back", prepared.decision.removed, prepared.decision.added)
        go_live(opened, [stage(opened, suite, decision)], {suite.name: Why("take-back")}, [])


def _published(suite: Suite, decision: Decision, live: Live, judges: tuple[str, ...], watch: Stopwatch) -> Published:
    return Published(
        suite.name, bool(decision.reason), decision.reason, live.generation, live.snapshot.id, live.date,
        live.snapshot.count, decision.added, decision.removed, judges, watch.seconds,
    )  # fmt: skip


def stage(opened: Transaction, suite: Suite, decision: Decision, checks: Sequence[Check] = ()) -> Prepared:
    """Write what no client looks for yet, sign, and let the client judge. Raises `KubedebError`; nothing is live then."""
    repository, watch = opened.repository, opened.watch
    live = opened.lives.get(suite.name)

    def load(chunk: str) -> Rows:
        return decision.new[chunk] if chunk in decision.new else opened.load(chunk)

    _refuse_contradictions(opened, suite, decision, load)
    _require_pool(opened, decision)
    refuse_unstated(repository, suite, _coming(decision, load))
    with watch.lap("installable"):
        refuse_broken(repository, suite, decision.target, live, load, (*decision.added, *decision.removed))
    for check in checks:
        check(repository, suite, decision)
    with watch.lap("indices"):
        indices = reused(repository.layout.store, suite, decision.listed)
        if indices is None:
            with open_pieces(repository.layout.pieces) as pieces:
                indices = make_indices(decision.target, suite, load, pieces, lister(repository.layout.store, pieces))
        if live:
            record(opened, suite.name, live)
        _put_objects(repository, suite, decision, indices)
    dated = _date(live, _mtime(repository, suite))
    if dated.wait:
        opened.say(f"the last generation is dated ahead of the clock: waiting {dated.wait:.0f} s")
        time.sleep(dated.wait)
    generation = live.generation + 1 if live else 1
    text = release_text(repository.identity, suite, generation, decision.target.id, dated.date, indices.listed)
    with watch.lap("sign"):
        signed = sign(repository, text, time.time())
    with watch.lap("proof"):
        judges = judge(repository, suite, text, signed, indices)
    now = Live(generation, signed.inline, parse_release(suite.name, text), decision.target)
    return Prepared(suite, now, live, signed, indices, judges, decision)


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
        settle(opened, suite, live, prepared.signed)
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


def _require_pool(opened: Transaction, decision: Decision) -> None:
    """Raise `KubedebError` (REPOSITORY) when the store lacks bytes of what is new in this suite; `verify` reads them all.

    In an object store what was never published was uploaded just now; of what comes back, gc may have deleted the bytes.
    """
    store = opened.repository.layout.store
    for member in decision.added:
        asked = member.architecture != "source" and (store.local is not None or opened.catalog.was_published(member.sha256))
        if asked and store.size(member.pool_name) is None:
            raise damaged(member)


def _coming(decision: Decision, load: Load) -> Iterator[Package]:
    """Yield the packages that come, with their stanzas."""
    added = set(decision.added)
    return (row for row in near(decision.target, load, {member.name for member in added}) if row.member in added)


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


def _put_objects(repository: Repository, suite: Suite, decision: Decision, indices: Indices) -> None:
    """Write what no client looks for yet: chunks, the snapshot and the indices, all under their digests."""
    objects = {chunk_name(digest): gzip.compress(rows_text(rows), 6, mtime=0) for digest, rows in decision.new.items()}
    objects[snapshot_name(decision.target.id)] = decision.target.text().encode()
    places = index_objects(suite.name, indices.listed)
    repository.layout.store.create(objects | {places[path]: data for path, data in indices.data.items()})


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
