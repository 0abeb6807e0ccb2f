"""`kubedeb repo list` and `show`: what the suites serve and what their drafts will change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.versions import DebianVersion
from repo.catalog import open_catalog
from repo.live import chunk_loader, read_live
from repo.models import Action, Member, Package
from repo.place import Repository
from repo.snapshots import Snapshot, named, rows_of


class State(Enum):
    """How a package stands to a suite."""

    PUBLISHED = "published"
    DRAFT = "draft"
    LEAVING = "leaving"


@dataclass(frozen=True)
class Row:
    """A package in a suite."""

    suite: str
    member: Member
    state: State


def listing(repository: Repository, suites: Sequence[str], pattern: str | None = None) -> list[Row]:
    """Return the packages of `suites` (all where none is named), by suite, name and version as Debian orders it."""
    from fnmatch import fnmatchcase

    names = [repository.suite(name).name for name in suites] or [suite.name for suite in repository.identity.suites]
    rows = [row for name in names for row in _rows(repository, name)]
    return [row for row in rows if pattern is None or fnmatchcase(row.member.name, pattern)]


def _rows(repository: Repository, suite: str) -> list[Row]:
    live = read_live(repository, suite)
    load = chunk_loader(repository)
    states = {row.member: State.PUBLISHED for row in rows_of(load, live.snapshot if live else Snapshot())}
    with open_catalog(repository.layout.catalog) as catalog:
        for change in catalog.draft(suite):
            if change.action is Action.REMOVE:
                states |= {member: State.LEAVING for member in states if member.key == change.member.key}
            else:
                states.setdefault(change.member, State.DRAFT)
    ordered = sorted(states, key=lambda member: (member.name, DebianVersion(member.version), member.architecture))
    return [Row(suite, member, states[member]) for member in ordered]


@dataclass(frozen=True)
class Shown:
    """One package with the suites that have it."""

    package: Package
    suites: tuple[Row, ...]


def show(repository: Repository, wanted: str) -> list[Shown]:
    """Return the packages that `NAME` or `NAME=VERSION` names. Raises `KubedebError` (PACKAGE) with what there is."""
    name, equals, version = wanted.partition("=")
    rows = [row for row in listing(repository, ()) if row.member.name == name]
    chosen = [row for row in rows if not equals or row.member.version == version]
    if not chosen:
        raise _unknown(repository, name, version, rows)
    members = list(dict.fromkeys(row.member for row in chosen))
    packages = _packages(repository, name)
    return [Shown(packages[member], tuple(row for row in chosen if row.member == member)) for member in members]


def _packages(repository: Repository, name: str) -> dict[Member, Package]:
    """Return all packages of one name, published ones as their snapshots say, the others as the catalog does."""
    load = chunk_loader(repository)
    with open_catalog(repository.layout.catalog) as catalog:
        found = {row.member: row for suite in repository.identity.suites for row in catalog.changes(suite.name)[1]}
    for suite in repository.identity.suites:
        live = read_live(repository, suite.name)
        found |= {row.member: row for row in named(live.snapshot, load, name)} if live else {}
    return found


def _unknown(repository: Repository, name: str, version: str, rows: Sequence[Row]) -> KubedebError:
    import difflib

    if rows:
        there = sorted({row.member.version for row in rows}, key=DebianVersion)
        return KubedebError(
            f"version {version!r} of {name} is not in the repository", details="there are: " + ", ".join(there),
            hint="Name one of these, or add the package: kubedeb repo add --suite SUITE --publish FILE",
            code=ExitCode.PACKAGE,
        )  # fmt: skip
    known = sorted({row.member.name for row in listing(repository, ())})
    near = difflib.get_close_matches(name, known, n=1)
    return KubedebError(
        f"there is no package {name!r} in the repository",
        details=f"did you mean {near[0]!r}?" if near else "", hint="kubedeb repo list shows what there is.",
        code=ExitCode.PACKAGE,
    )  # fmt: skip
