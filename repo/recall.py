"""What the repository has ever published, read back from the store when the catalog was lost: it is a cache, no witness."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kubedeb.errors import ExitCode, KubedebError
from repo.catalog import Catalog
from repo.indices import SNAPSHOT_FIELD
from repo.live import Live, generation_name, read_live, read_snapshot
from repo.models import Member, Package, package_of
from repo.place import Repository

SNAPSHOT = re.compile(rf"^{SNAPSHOT_FIELD}: ([0-9a-f]{{64}})$", re.MULTILINE)


def read_lives(repository: Repository) -> dict[str, Live]:
    """Return what every published suite serves, by suite. Raises `KubedebError` (REPOSITORY) when one is damaged."""
    found = ((suite.name, read_live(repository, suite.name)) for suite in repository.identity.suites)
    return {name: live for name, live in found if live is not None}


def recall(repository: Repository, catalog: Catalog, lives: dict[str, Live]) -> frozenset[Member]:
    """Return every package that is published now and, when the catalog has lost them, all that ever were.

    The catalog learns what it has lost, in one transaction, as far as the pool still holds it.
    """
    live = frozenset(member for one in lives.values() for member in one.snapshot.members)
    # Where all has left its suites, nothing of it can be missed; then only an empty catalog tells.
    if not lives or (catalog.published_names() and not catalog.lost(live)):
        return live
    ever = live | frozenset(_history(repository, lives))
    catalog.learn_published(_held(repository, catalog.lost(ever)))
    return ever


def from_pool(repository: Repository, member: Member) -> Package:
    """Return a package as its bytes in the pool say. Raises `KubedebError` (REPOSITORY) when they are missing or others."""
    from kubedeb.deb import read_deb

    try:
        package = package_of(read_deb(repository.layout.public / member.pool_name))
    except (ValueError, FileNotFoundError) as error:
        raise damaged(member) from error
    if package.sha256 != member.sha256:
        raise damaged(member)
    return package


def damaged(member: Member) -> KubedebError:
    """Return the error for a package of which the pool has not the right bytes."""
    return KubedebError(
        f"the bytes of {member.label} are missing or damaged in the pool",
        details=f"public/{member.pool_name}", hint="Put the file back (kubedeb repo add FILE does it), then publish.",
        code=ExitCode.REPOSITORY,
    )  # fmt: skip


def _history(repository: Repository, lives: dict[str, Live]) -> Iterator[Member]:
    """Yield the packages of every generation; records that somebody tidied away hinder nobody.

    Their signatures are not asked again: a snapshot is what its own name says, or it is passed over.
    """
    store = repository.layout.store
    for suite, live in lives.items():
        records = (store.read(generation_name(suite, number)) for number in range(1, live.generation))
        named = (SNAPSHOT.search(record.decode(errors="replace")) for record in records if record is not None)
        for identity in dict.fromkeys(match[1] for match in named if match is not None):
            try:
                yield from read_snapshot(store, identity).members
            except ValueError:
                continue


def _held(repository: Repository, members: Iterable[Member]) -> Iterator[Package]:
    """Yield the packages that the pool holds; a publish that needs one of the others says so."""
    for member in sorted(members):
        try:
            yield from_pool(repository, member)
        except KubedebError:
            continue
