"""Suites moved by hand: to a snapshot, to what another suite serves, back to what they served; several at once.

Every move is a new generation, dated later and signed anew: apt ignores, without a word, what is older than what it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from repo.audit import Why
from repo.hosts import Downgrade, downgrades
from repo.live import Live, chunk_loader, generation_name, read_live
from repo.models import SOURCE, Member
from repo.place import Repository
from repo.points import Point, generation, resolve
from repo.publish import Published, Target, Wish, from_draft, publish_together
from repo.snapshots import Applied, Load, Snapshot, difference, near
from repo.transaction import Say, Transaction

if TYPE_CHECKING:
    from repo.staging import Check

LOOK = "kubedeb repo log shows what was served when; kubedeb repo remove takes single packages out."


@frozen
class Plan:
    """A move that was looked at: from where to where, which packages come and go, and which of them go down on hosts."""

    suite: str
    source: Point
    before: str
    added: tuple[Member, ...]
    removed: tuple[Member, ...]
    down: tuple[Downgrade, ...] = ()

    @property
    def empty(self) -> bool:
        """Return whether the suite serves this already."""
        return self.before == self.source.snapshot.id


@frozen
class Moved:
    """What a move did, and what hosts must do that have something newer."""

    published: Published
    down: tuple[Downgrade, ...] = field(default=())


def plan(repository: Repository, suite_name: str, source: Point) -> Plan:
    """Look at the move of a suite to `source`. Raises `KubedebError` (REPOSITORY) when the suite lacks an architecture."""
    suite = repository.suite(suite_name)
    live = read_live(repository, suite.name)
    load = chunk_loader(repository)
    before = live.snapshot if live else Snapshot()
    added, removed = difference(before, source.snapshot, load)
    known = {*suite.architectures, "all", SOURCE}
    if missing := sorted({member.architecture for member in added} - known):
        raise KubedebError(
            f"suite {suite.name} has no index for {', '.join(missing)}", details=f"{source.label} has packages for it.",
            hint=f"kubedeb repo init --origin {repository.identity.origin} --suite {suite.name} "
            + " ".join(f"--architecture {name}" for name in missing), code=ExitCode.REPOSITORY,
        )  # fmt: skip
    names = {member.name for member in (*added, *removed)}
    down = downgrades(_named(before, load, names), _named(source.snapshot, load, names))
    return Plan(suite.name, source, before.id if live else "", added, removed, down)


def _named(snapshot: Snapshot, load: Load, names: set[str]) -> list[Member]:
    return [row.member for row in near(snapshot, load, names) if row.name in names]


def promotion(repository: Repository, source: str, suite: str) -> Plan:
    """Look at what `promote SOURCE SUITE` would do. Raises `KubedebError` (REPOSITORY)."""
    if repository.suite(source).name == repository.suite(suite).name:
        raise KubedebError("a suite cannot be promoted to itself", code=ExitCode.USAGE)
    return plan(repository, suite, resolve(repository, source))


def way_back(repository: Repository, suite: str, number: int | None = None) -> Plan:
    """Look at what `rollback SUITE` would do: to generation `number`, else to the newest one that had other packages.

    Raises `KubedebError` (REPOSITORY) when there is none.
    """
    live = read_live(repository, repository.suite(suite).name)
    if live is None:
        raise KubedebError(f"suite {suite} was never published: there is nothing to go back to",
                           hint=f"kubedeb repo publish {suite}", code=ExitCode.REPOSITORY)  # fmt: skip
    if number is not None and number >= live.generation:
        raise KubedebError(f"generation {number} of {suite} is no earlier one: it serves {live.generation}", hint=LOOK,
                           code=ExitCode.REPOSITORY)  # fmt: skip
    return plan(repository, suite, generation(repository, suite, number) if number else _last_other(repository, suite, live))


def _last_other(repository: Repository, suite: str, live: Live) -> Point:
    store = repository.layout.store
    for number in range(live.generation - 1, 0, -1):
        if store.size(generation_name(suite, number)) is None:
            continue
        found = generation(repository, suite, number)
        if found.snapshot.id != live.snapshot.id:
            return found
    raise KubedebError(f"all generations of {suite} had the same packages: there is nothing to go back to", hint=LOOK,
                       code=ExitCode.REPOSITORY)  # fmt: skip


def carry_out(repository: Repository, plans: Sequence[Plan], say: Say, why: Why, checks: Sequence[Check] = ()) -> list[Moved]:
    """Do what was looked at, all or nothing.

    Raises `KubedebError` as `publish`, and REPOSITORY_BUSY when what would be done is not that any more.
    """
    wishes = [
        Wish(one.suite, _target(one), Why(why.action, why.reason, one.source.label), listed=one.source.listed) for one in plans
    ]
    done = publish_together(repository, wishes, say, checks)
    return [Moved(published, one.down) for published, one in zip(done, plans, strict=True)]


def _target(wanted: Plan) -> Target:
    def applied(opened: Transaction, live: Live | None) -> Applied:
        before = live.snapshot if live else Snapshot()
        if (before.id if live else "") != wanted.before:
            raise KubedebError(
                f"suite {wanted.suite} was changed by somebody else in the meantime",
                details="What was shown is not what would happen now.", hint="Look again, and repeat the command.",
                code=ExitCode.REPOSITORY_BUSY,
            )  # fmt: skip
        return Applied(wanted.source.snapshot, {}, *difference(before, wanted.source.snapshot, opened.load))

    return applied


def release_set(
    repository: Repository, members: Sequence[str], say: Say, reason: str = "", checks: Sequence[Check] = ()
) -> list[Published]:
    """Let several suites go live together or not at all. A member is `SUITE` (its draft) or `SUITE=POINT`.

    Raises `KubedebError` as `publish`, and USAGE for a suite that is named twice.
    """
    pairs = [member.partition("=") for member in members]
    suites = [repository.suite(suite).name for suite, _, _ in pairs]
    if twice := sorted({name for name in suites if suites.count(name) > 1}):
        raise KubedebError(f"a release set has each suite once: {', '.join(twice)}", code=ExitCode.USAGE)
    wishes = []
    for suite, _, point in pairs:
        found = plan(repository, suite, resolve(repository, point)) if point else None
        target = _target(found) if found else from_draft(suite)
        listed = found.source.listed if found else None
        wishes.append(Wish(suite, target, Why("release-set", reason, found.source.label if found else ""), listed=listed))
    return list(publish_together(repository, wishes, say, checks))
