"""`kubedeb repo list`, `show` and `search`: what the suites serve and what their drafts will change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from kubedeb.stanza import one
from kubedeb.versions import DebianVersion
from repo.catalog import open_catalog
from repo.live import chunk_loader, read_live
from repo.models import Action, Member, Package
from repo.place import Repository
from repo.relations import Query, parse_query, plain
from repo.snapshots import Snapshot, near, rows_of


class State(Enum):
    """How a package stands to a suite."""

    PUBLISHED = "published"
    DRAFT = "draft"
    LEAVING = "leaving"


@frozen
class Row:
    """A package in a suite."""

    suite: str
    member: Member
    state: State


def listing(repository: Repository, suites: Sequence[str], query: str | None = None) -> list[Row]:
    """Return the packages of `suites` (all where none is named), by suite, name and version as Debian orders it.

    `query` chooses: a dependency as dpkg writes it, with globs. Raises `KubedebError` (USAGE) when it is none.
    """
    asked = asked_for(query) if query is not None else None
    names = [repository.suite(name).name for name in suites] or [suite.name for suite in repository.identity.suites]
    rows = [row for name in names for row in _rows(repository, name)]
    return [row for row in rows if asked is None or asked.matches(*row.member.key)]


def asked_for(query: str) -> Query:
    """Return a query. Raises `KubedebError` (USAGE) when it is none."""
    try:
        return parse_query(query)
    except ValueError as error:
        raise KubedebError(
            str(error), details="NAME may have globs; , means and, | means or: 'kube* (>= 1.20), kube* (<< 1.21~)'",
            code=ExitCode.USAGE,
        ) from error  # fmt: skip


@frozen
class Found:
    """A package that has the words searched for: its row, and the first line of its description."""

    row: Row
    summary: str


def search(repository: Repository, suites: Sequence[str], words: Sequence[str]) -> list[Found]:
    """Return the packages that have all `words` in name or description, regardless of case, in the order of `listing`."""
    wanted = [word.casefold() for word in words]
    rows = listing(repository, suites)
    texts = {member: _described(package) for member, package in _packages(repository, None).items()}
    return [Found(row, texts[row.member].splitlines()[0] if texts[row.member] else "") for row in rows
            if all(word in f"{row.member.name}\n{texts[row.member]}".casefold() for word in wanted)]  # fmt: skip


def _described(package: Package) -> str:
    return one(package.stanza).get("Description", "")


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


@frozen
class Shown:
    """One package with the suites that have it."""

    package: Package
    suites: tuple[Row, ...]


def show(repository: Repository, wanted: str) -> list[Shown]:
    """Return the packages that a query names, by name and version. Raises `KubedebError`: PACKAGE with what there is; USAGE."""
    chosen = listing(repository, (), wanted)
    if not chosen:
        name, _, version = wanted.partition("=")
        raise _unknown(repository, name, version, [row for row in listing(repository, ()) if row.member.name == name])
    members = list(dict.fromkeys(row.member for row in chosen))
    packages = _packages(repository, {member.name for member in members})
    return [Shown(packages[member], tuple(row for row in chosen if row.member == member)) for member in members]


def _packages(repository: Repository, names: Collection[str] | None) -> dict[Member, Package]:
    """Return all packages of some names (None: of all): published ones as their snapshots say, others as the catalog does."""
    load = chunk_loader(repository)
    with open_catalog(repository.layout.catalog) as catalog:
        found = {row.member: row for suite in repository.identity.suites for row in catalog.changes(suite.name)[1]}
    for suite in repository.identity.suites:
        live = read_live(repository, suite.name)
        rows = () if live is None else rows_of(load, live.snapshot) if names is None else near(live.snapshot, load, names)
        found |= {row.member: row for row in rows}
    return found


def _unknown(repository: Repository, name: str, version: str, rows: Sequence[Row]) -> KubedebError:
    import difflib

    if not plain(f"{name}={version}" if version else name):
        return KubedebError(
            f"nothing in the repository is {f'{name}={version}' if version else name!r}",
            hint="kubedeb repo list shows what there is.", code=ExitCode.PACKAGE,
        )  # fmt: skip
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
