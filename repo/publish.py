"""`kubedeb repo publish`: freeze the draft, stage, let the client judge, go live by one rename, settle the rest.

Several suites go live as one set: all are staged and proven before the first rename, and a journal lets the next run do the
renames that a killed one left. Killed at any point, a suite serves the old or the new generation, whole; the next publish
begins by settling what the last one left. InRelease is the truth: it names its own number and snapshot, and a copy of every one
that was live is kept. Where another publisher was faster (on an object store), the draft is applied to what that one made, and
all begins anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from repo.audit import Why
from repo.decision import Decision, decide
from repo.expiry import check_expiry
from repo.indices import Listed
from repo.live import Live
from repo.models import Member, Suite
from repo.place import Repository
from repo.settle import settle
from repo.snapshots import Applied, Snapshot, apply
from repo.store import Raced
from repo.transaction import Say, Stopwatch, Transaction, transaction

if TYPE_CHECKING:
    from repo.staging import Check, Prepared

RACES = 10


@frozen
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


Target = Callable[[Transaction, Live | None], Applied]


@frozen
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
        return replace(apply(live.snapshot if live else Snapshot(), opened.load, leaving, added), drafted=True)

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
        decision = decide(before, wish.target(opened, before), suite, wish.asked, again=wish.again, listed=wish.listed)
        if before is None or decision.reason:
            staged.append(_stage_or_take_back(opened, suite, decision, checks, live))
            opened.planned[suite.name] = decision.target
        decisions[wish.suite] = decision = decision.without_rows()
    if staged:
        from repo.staging import go_live

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
    from repo.staging import stage

    try:
        return stage(opened, suite, decision, checks)
    except KubedebError:
        _take_back(opened, live)
        raise


def _take_back(opened: Transaction, live: Sequence[Prepared]) -> None:
    """Let the part of a set that is live serve again what it served before, when the rest cannot follow.

    It happens where another publisher changed the rest in the meantime, and what came of it was refused.
    """
    from repo.staging import go_live, stage

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
