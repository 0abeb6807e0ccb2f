"""`kubedeb repo snapshot create`: a list of packages gets a name, stays, and is served under a path of its own for ever.

`dists/snapshots/NAME/` is a suite as apt knows them (`Suites: snapshots/NAME`), signed, with its own indices and the same pool.
Its packages never change and it has no Valid-Until; when keys take turns it is signed again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace

from kubedeb.aptrepo import signed_by, verified
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from kubedeb.release import Digest, parse_release
from repo.audit import who
from repo.contents import lister
from repo.expiry import check_expiry
from repo.indices import SNAPSHOT_FIELD, Indices, index_objects, make_indices, release_text
from repo.keys import Signed, signers
from repo.models import Suite
from repo.pieces import open_pieces
from repo.place import Repository
from repo.points import Point, resolve
from repo.proof import judge
from repo.signing import sign
from repo.snapshotlist import PREFIX, Named, every_named, keep
from repo.store import digest_of
from repo.transaction import Say, Transaction, transaction

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")


@frozen
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
    check_expiry(repository, say, time.time(), strict=repository.terms.strict)
    with transaction(repository, say) as opened:
        opened.rely()
        point = resolve(repository, source)
        if not point.suite:
            raise KubedebError(f"{source} does not say which suite it was", details="A snapshot is served as a suite was.",
                               hint="Name a suite, or SUITE@GENERATION.", code=ExitCode.USAGE)  # fmt: skip
        wanted = Named(
            name, point.snapshot.id, point.suite, point.generation, point.snapshot.count, int(time.time()), who(), reason
        )
        # First what keeps gc away, then what is served.
        named = keep(repository.layout.store, wanted)
        judges = _serve(opened, point, suite_of(repository.suite(named.suite), name), named)
    return Served(named, f"{PREFIX}{name}", judges)


def suite_of(suite: Suite, name: str) -> Suite:
    """Return the suite as which a snapshot of `suite` is served."""
    return Suite(f"{PREFIX}{name}", suite.architectures, replace(suite.options, valid_for=0))


def _serve(opened: Transaction, point: Point, suite: Suite, named: Named) -> tuple[str, ...]:
    """Write indices and Release, let the client judge them, and serve them by one rename: the last one.

    What was served and is damaged now is served anew, with the date that it had.
    """
    repository = opened.repository
    store = repository.layout.store
    if _is_served(repository, suite, named):
        return ()
    with open_pieces(repository.layout.pieces) as pieces:
        indices = make_indices(point.snapshot, suite, opened.load, pieces, lister(store, pieces))
    places = index_objects(suite.name, indices.listed)
    store.create({places[path]: data for path, data in indices.data.items()})
    text = release_text(repository.identity, suite, named.generation, named.snapshot, named.made, indices.listed)
    signed = sign(repository, text, time.time())
    judges = judge(repository, suite, text, signed, indices)
    _put(repository, suite.name, indices.listed, text, signed, named.made)
    return judges


def _is_served(repository: Repository, suite: Suite, named: Named) -> bool:
    """Return whether a named snapshot is served whole: what is signed, and every index under both its names."""
    store = repository.layout.store
    data = store.read(f"dists/{suite.name}/InRelease")
    try:
        text = verified(data or b"", repository.layout.keyring, code=ExitCode.REPOSITORY)
        release = parse_release(suite.name, text)
    except (KubedebError, ValueError):
        return False
    if release.fields.get(SNAPSHOT_FIELD) != named.snapshot or store.read(f"dists/{suite.name}/Release") != text.encode():
        return False
    detached = store.read(f"dists/{suite.name}/Release.gpg") or b""
    return signed_by(detached, text.encode(), repository.layout.keyring, code=ExitCode.REPOSITORY) and all(
        digest_of(store, place) == release.indices[path]
        for path, name in index_objects(suite.name, release.indices).items() for place in (name, f"dists/{suite.name}/{path}")
    )  # fmt: skip


def _put(repository: Repository, suite: str, indices: Mapping[str, Digest], text: str, signed: Signed, mtime: int) -> None:
    """Give every index its plain name, for old clients and other mirrors, then write what is signed: InRelease last."""
    store = repository.layout.store
    for path, name in index_objects(suite, indices).items():
        store.same(f"dists/{suite}/{path}", name)
    store.put(f"dists/{suite}/Release.gpg", signed.detached, mtime=mtime)
    store.put(f"dists/{suite}/Release", text.encode(), mtime=mtime)
    store.put(f"dists/{suite}/InRelease", signed.inline, mtime=mtime)


def signers_of_named(repository: Repository) -> dict[str, frozenset[str]]:
    """Return who has signed each named snapshot that is served, by the suite that apt knows it as."""
    store, keyring = repository.layout.store, repository.layout.keyring
    served = {
        suite: store.read(f"dists/{suite}/InRelease") for suite in (f"{PREFIX}{one.name}" for one in every_named(repository))
    }
    return {suite: signers(data, keyring) for suite, data in served.items() if data is not None}


def sign_again(opened: Transaction, suite_name: str) -> None:
    """Sign a named snapshot with the keys that sign now: the same Release, newer than the file that clients have seen."""
    repository = opened.repository
    store = repository.layout.store
    path = f"dists/{suite_name}/InRelease"
    text = verified(store.read(path) or b"", repository.layout.keyring, code=ExitCode.REPOSITORY)
    release = parse_release(suite_name, text)
    # Where the store is far away the judges get the bytes, else they read them where they lie.
    far = (
        {}
        if store.local
        else {name: store.read(place) or b"" for name, place in index_objects(suite_name, release.indices).items()}
    )
    suite = Suite(suite_name, release.architectures)
    signed = sign(repository, text, time.time())
    judge(repository, suite, text, signed, Indices(release.indices, far))
    seen = int((store.local / path).stat().st_mtime) if store.local else 0
    _put(repository, suite_name, release.indices, text, signed, max(int(time.time()), seen + 1))
