"""`kubedeb repo snapshot create`: a list of packages gets a name, stays, and is served under a path of its own for ever.

`dists/snapshots/NAME/` is a suite as apt knows them (`Suites: snapshots/NAME`), signed, with its own indices and the same pool.
It never changes and has no Valid-Until.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace

from kubedeb.errors import ExitCode, KubedebError
from repo.audit import who
from repo.indices import index_objects, make_indices, release_text
from repo.models import Suite
from repo.pieces import open_pieces
from repo.place import Repository
from repo.points import Point, resolve
from repo.proof import judge
from repo.snapshotlist import Named, keep
from repo.transaction import Say, Transaction, transaction

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")
PREFIX = "snapshots/"


@dataclass(frozen=True)
class Served:
    """A named snapshot, the suite that apt asks for to get it, and who accepted it."""

    named: Named
    apt_suite: str
    judges: tuple[str, ...]


def create(repository: Repository, name: str, source: str, say: Say, reason: str = "") -> Served:
    """Name what `source` is (a suite, SUITE@GENERATION) and serve it. Again with the same, it completes what is missing.

    Raises `KubedebError`: USAGE for what cannot be a name; REPOSITORY when it is taken, or `source` is nothing; as `publish`.
    """
    if NAME.fullmatch(name) is None or repository.identity.suite(name) is not None:
        raise KubedebError(f"{name!r} cannot name a snapshot", details=f"It must match {NAME.pattern}, and be no suite's name.",
                           code=ExitCode.USAGE)  # fmt: skip
    with transaction(repository, say) as opened:
        point = resolve(repository, source)
        if not point.suite:
            raise KubedebError(f"{source} does not say which suite it was", details="A snapshot is served as a suite was.",
                               hint="Name a suite, or SUITE@GENERATION.", code=ExitCode.USAGE)  # fmt: skip
        wanted = Named(
            name, point.snapshot.id, point.suite, point.generation, point.snapshot.count, int(time.time()), who(), reason
        )
        # First what keeps gc away, then what is served.
        named = keep(repository.layout.store, wanted)
        judges = _serve(opened, point, suite_of(repository.suite(point.suite), name), named.made)
    return Served(named, f"{PREFIX}{name}", judges)


def suite_of(suite: Suite, name: str) -> Suite:
    """Return the suite as which a snapshot of `suite` is served."""
    return Suite(f"{PREFIX}{name}", suite.architectures, replace(suite.options, valid_for=0))


def _serve(opened: Transaction, point: Point, suite: Suite, date: int) -> tuple[str, ...]:
    """Write indices and Release, let the client judge them, and serve them by one rename: the last one."""
    repository = opened.repository
    store = repository.layout.store
    if store.size(f"dists/{suite.name}/InRelease") is not None:
        return ()
    with open_pieces(repository.layout.pieces) as pieces:
        indices = make_indices(point.snapshot, suite, opened.load, pieces)
    places = index_objects(suite.name, indices.listed)
    store.create({places[path]: data for path, data in indices.data.items()})
    text = release_text(repository.identity, suite, point.generation, point.snapshot.id, date, indices.listed)
    signed = repository.layout.keys.sign(text, repository.identity.fingerprint)
    judges = judge(repository, suite, text, signed, indices)
    store.put(f"dists/{suite.name}/Release.gpg", signed.detached, mtime=date)
    store.put(f"dists/{suite.name}/Release", text.encode(), mtime=date)
    store.put(f"dists/{suite.name}/InRelease", signed.inline, mtime=date)
    return judges
