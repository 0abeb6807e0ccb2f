"""`kubedeb repo publish`: freeze the draft, stage, let the client judge, go live by one rename, settle the rest.

Killed at any point, the suite serves the old or the new generation, whole; the next publish begins by settling what the
last one left. InRelease is the truth: it names its own number and snapshot, and a copy of every one that was live is kept.
Where another publisher was faster (on an object store), the draft is applied to what that one made, and all begins anew.
"""

from __future__ import annotations

import gzip
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kubedeb.aptrepo import Release, parse_release
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import write_bytes
from repo.client import Staged, prove
from repo.clock import ClockError, Dated, next_date
from repo.indices import Indices, index_objects, kinds, make_indices, release_text
from repo.keys import Signed
from repo.live import Live, chunk_name, snapshot_name
from repo.models import Member, Suite, contradictions
from repo.pieces import open_pieces
from repo.place import Repository
from repo.recall import damaged
from repo.settle import record, settle
from repo.snapshots import Applied, Load, Rows, Snapshot, apply, difference, near, rows_text
from repo.store import Raced
from repo.transaction import Say, Stopwatch, Transaction, transaction

RACES = 10


@dataclass(frozen=True)
class Decision:
    """What publishing a suite would make of it; `reason` is empty when that is what it serves already."""

    target: Snapshot
    reason: str
    added: tuple[Member, ...] = ()
    removed: tuple[Member, ...] = ()
    new: Mapping[str, Rows] = field(default_factory=dict)


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


Check = Callable[[Repository, Suite, Decision], None]
Target = Callable[[Transaction, Live | None], Applied]


def decide(live: Live | None, applied: Applied, suite: Suite, asked: str = "") -> Decision:
    """Return whether what was applied must become a new generation, and why; `asked` is a reason that does without a change."""
    if live is None:
        reason = "the first generation"
    elif live.snapshot != applied.snapshot:
        reason = f"{len(applied.added)} added, {len(applied.removed)} removed"
    else:
        reason = _other_settings(live.release, suite) or asked
    return Decision(applied.snapshot, reason, applied.added, applied.removed, applied.new)


def _other_settings(release: Release, suite: Suite) -> str:
    """Return what the suite's settings change in its Release, if anything."""
    if release.architectures != suite.architectures:
        return f"architectures are now {' '.join(suite.architectures)}"
    paths = {kind.path + form for kind in kinds(suite) for form in ("", *suite.options.forms)}
    if paths != set(release.indices):
        return "other indices are asked for"
    if bool(suite.options.valid_for) != ("Valid-Until" in release.fields):
        return "Valid-Until is switched on or off"
    return ""


def publish(repository: Repository, suite_name: str, say: Say, checks: Sequence[Check] = ()) -> Published:
    """Publish a suite's draft as its next generation.

    Raises `KubedebError`: CLIENT when apt or a signature checker refuses the staged tree; PACKAGE when one version would
    have two contents; KEY; REPOSITORY_BUSY; REPOSITORY_STORAGE; REPOSITORY. Until the rename of InRelease nothing that
    clients see has changed.
    """
    return _publish(repository, suite_name, say, from_draft(suite_name), checks, "")


def advance_to(
    repository: Repository,
    suite_name: str,
    target: Snapshot | None,
    say: Say,
    *,
    reason: str = "",
    checks: Sequence[Check] = (),
) -> Published:  # fmt: skip
    """Make a generation that serves `target`, None: what is live; the draft stays as it is.

    `reason` asks for a generation though nothing changes. Raises as `publish` does.
    """

    def applied(opened: Transaction, live: Live | None) -> Applied:
        before = live.snapshot if live else Snapshot()
        wanted = before if target is None else target
        return Applied(wanted, {}, *difference(before, wanted, opened.load))

    return _publish(repository, suite_name, say, applied, checks, reason)


def advance_by(
    repository: Repository, suite_name: str, target: Target, say: Say, *, reason: str = "", checks: Sequence[Check] = ()
) -> Published:
    """Make a generation of what `target` makes of what is live when nobody else writes; else as `advance_to`."""
    return _publish(repository, suite_name, say, target, checks, reason)


def from_draft(suite: str) -> Target:
    """Return what a suite's draft makes of the live snapshot."""

    def applied(opened: Transaction, live: Live | None) -> Applied:
        leaving, added = opened.catalog.changes(suite)
        return apply(live.snapshot if live else Snapshot(), opened.load, leaving, added)

    return applied


def _publish(
    repository: Repository, suite_name: str, say: Say, target: Target, checks: Sequence[Check], asked: str
) -> Published:
    suite = repository.suite(suite_name)
    with transaction(repository, say) as opened:
        for _ in range(RACES):
            live = opened.lives.get(suite.name)
            decision = decide(live, target(opened, live), suite, asked)
            try:
                if live is None or decision.reason:
                    prepared = stage(opened, suite, decision, checks)
                    go_live(opened, prepared)
                    return _published(suite, decision, prepared.live, prepared.judges, opened.watch)
                settle(opened, suite, live)
                return _published(suite, decision, live, (), opened.watch)
            except Raced:
                say(f"another publisher was faster: applying the change to what {suite.name} serves now")
                opened.read()
    raise KubedebError(
        f"other publishers were faster {RACES} times", details=f"suite {suite.name}", code=ExitCode.REPOSITORY_BUSY,
        hint="Nothing was published and the draft is as it was. Publish again when there are fewer.",
    )  # fmt: skip


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
    _require_pool(repository, decision)
    for check in checks:
        check(repository, suite, decision)
    with watch.lap("indices"):
        with open_pieces(repository.layout.pieces) as pieces:
            indices = make_indices(decision.target, suite, load, pieces)
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
        signed = repository.layout.keys.sign(text, repository.identity.fingerprint)
    with watch.lap("proof"):
        judges = _judge(repository, suite, text, signed, indices)
    now = Live(generation, signed.inline, parse_release(suite.name, text), decision.target)
    return Prepared(suite, now, live, signed, indices, judges)


def go_live(opened: Transaction, prepared: Prepared) -> None:
    """Replace InRelease, then settle. Raises `Raced` when another publisher has replaced it, and `KubedebError`."""
    suite, live, before = prepared.suite, prepared.live, prepared.before
    with opened.watch.lap("live"):
        opened.repository.layout.store.swap(
            f"dists/{suite.name}/InRelease", live.inrelease, before.tag if before else None, mtime=live.date
        )
        opened.lives[suite.name] = live
        try:
            settle(opened, suite, live, prepared.signed, prepared.indices.data)
        except (KubedebError, OSError) as error:
            raise KubedebError(
                f"generation {live.generation} of {suite.name} is live, but not all that follows could be written",
                details=error.render() if isinstance(error, KubedebError) else str(error),
                hint="Mend the cause and publish again: it completes what is missing.",
                code=error.code if isinstance(error, KubedebError) else ExitCode.REPOSITORY_STORAGE,
            ) from error


def _refuse_contradictions(opened: Transaction, suite: Suite, decision: Decision, load: Load) -> None:
    """Raise `KubedebError` (PACKAGE) when a version would have two contents, in this suite or in this and another.

    It looks at the chunks that change: `verify` looks at all.
    """
    here = [row.member for row in near(decision.target, load, {member.name for member in decision.added})]
    names = {member.name for member in here}
    others = [live.snapshot for name, live in opened.lives.items() if name != suite.name]
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


def _require_pool(repository: Repository, decision: Decision) -> None:
    """Raise `KubedebError` (REPOSITORY) when the folder lacks bytes of what is new in this suite; `verify` reads them all."""
    store = repository.layout.store
    if store.local is not None:
        for member in decision.added:
            if member.architecture != "source" and store.size(member.pool_name) is None:
                raise damaged(member)


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


def _judge(repository: Repository, suite: Suite, text: str, signed: Signed, indices: Indices) -> tuple[str, ...]:
    """Stage the suite as a client would see it (the indices are linked, not copied) and let the client judge."""
    # A folder for each attempt: after a lost race there is another.
    staging = Path(tempfile.mkdtemp(dir=repository.layout.staging, prefix=f"{suite.name}-"))
    tree = staging / "tree"
    dists = tree / "dists" / suite.name
    for name, data in (("InRelease", signed.inline), ("Release.gpg", signed.detached), ("Release", text.encode())):
        write_bytes(dists / name, data)
    local = repository.layout.store.local
    if local is None:
        for path, name in index_objects(suite.name, indices.listed).items():
            write_bytes(tree / name, indices.data[path])
    else:
        for component in {path.partition("/")[0] for path in indices.listed}:
            (dists / component).symlink_to(local / "dists" / suite.name / component)
    client = staging / "client"
    client.mkdir()
    try:
        return prove(Staged(tree, suite, indices.listed, repository.layout.keyring), client)
    except KubedebError:
        # Should it be a piece that was damaged, the next publish compresses it anew.
        repository.layout.pieces.unlink(missing_ok=True)
        raise
