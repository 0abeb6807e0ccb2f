"""`kubedeb repo remove`: withdraw packages from a suite's draft; what is published leaves with the suite's next generation."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence, Set

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from kubedeb.versions import DebianVersion
from repo.models import Action, Member
from repo.place import Repository
from repo.relations import parse_query, plain
from repo.snapshots import Snapshot, near, rows_of
from repo.transaction import Transaction, quiet, transaction


@frozen
class Removed:
    """What `remove` did: packages that leave with the next publish, packages that only waited in the draft."""

    suite: str
    leaving: tuple[Member, ...]
    withdrawn: tuple[Member, ...]


def remove(repository: Repository, suite_name: str, wanted: Sequence[str]) -> Removed:
    """Take what `wanted` names (queries as `list` takes them) out of a suite's draft, all or nothing.

    Raises `KubedebError`: PACKAGE with every name that the suite does not have; REPOSITORY for an unknown suite;
    REPOSITORY_BUSY; REPOSITORY_STORAGE.
    """
    suite = repository.suite(suite_name)
    with transaction(repository, quiet) as opened:
        return withdraw(opened, suite.name, wanted)


def withdraw(opened: Transaction, suite: str, wanted: Sequence[str]) -> Removed:
    """Do what `remove` does, for who writes already."""
    drafted = {change.member for change in opened.catalog.draft(suite) if change.action is Action.ADD}
    published = _published(opened, suite, wanted, drafted)
    chosen = choose({*published, *drafted}, wanted, suite)
    leaving = tuple(member for member in chosen if member in published)
    withdrawn = tuple(member for member in chosen if member not in published)
    opened.catalog.remove(suite, leaving, withdrawn)
    return Removed(suite, leaving, withdrawn)


def _published(opened: Transaction, suite: str, wanted: Sequence[str], drafted: Set[Member]) -> set[Member]:
    """Return the published packages that may be meant: those of the names where names are all that was asked for."""
    served = opened.lives[suite].snapshot if suite in opened.lives else Snapshot()
    names = {item.partition("=")[0] for item in wanted}
    found = {row.member for row in near(served, opened.load, names)}
    if all(map(plain, wanted)) and names <= {member.name for member in found | drafted}:
        return found
    return {row.member for row in rows_of(opened.load, served)}


def choose(members: Collection[Member], wanted: Sequence[str], suite: str) -> tuple[Member, ...]:
    """Return the members that `wanted` names, in order. Raises `KubedebError` (PACKAGE) with all that names none."""
    problems: list[str] = []
    chosen: set[Member] = set()
    for item in wanted:
        try:
            query = parse_query(item)
        except ValueError as error:
            problems.append(str(error))
            continue
        found = {member for member in members if query.matches(*member.key)}
        if not found:
            problems.append(_unknown(members, item, suite))
        chosen |= found
    if problems:
        first, *more = problems
        raise KubedebError(first, details="\n".join(more), hint="Nothing was removed. kubedeb repo list shows what there is.",
                           code=ExitCode.PACKAGE)  # fmt: skip
    return tuple(sorted(chosen))


def _unknown(members: Collection[Member], item: str, suite: str) -> str:
    name, _, version = item.partition("=")
    if not plain(item):
        return f"nothing in {suite} is {item!r}"
    versions = sorted({member.version for member in members if member.name == name}, key=DebianVersion)
    if versions:
        return f"version {version!r} of {name} is not in {suite}; there are: {', '.join(versions)}"
    near = difflib.get_close_matches(name, {member.name for member in members}, n=1)
    return f"there is no package {name!r} in {suite}" + (f"; did you mean {near[0]!r}?" if near else "")
