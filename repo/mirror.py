"""`kubedeb repo mirror`: a suite that follows another repository's, by one generation each time that one has changed.

A mirrored suite belongs to its mirror: what the other repository has no longer leaves it. Everything is brought here and looked
at before anything changes, so clients see one whole state or the next. ROOT/mirrors.json says what is mirrored, and how far.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubedeb.aptrepo import AptRepository
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import canonical_json, sha256_bytes, write_bytes, write_text
from kubedeb.records import frozen
from kubedeb.release import Release
from repo.audit import Why
from repo.downloads import downloads
from repo.foreign import Offer
from repo.importing import Imported, bring, open_origin, put, refuse_unsigned
from repo.live import Live, read_live
from repo.models import Key
from repo.offers import Origin
from repo.place import Layout, Repository, writing
from repo.publish import Published, Target, Wish, advance
from repo.snapshots import Applied, Snapshot, apply, rows_of
from repo.transaction import Say, Transaction, transaction
from repo.uploads import public_keys


@frozen
class Mirror:
    """A mirrored suite: where from, and what was seen there last.

    `dates` are the Dates of its Releases in seconds since the epoch, `state` a digest of them, `generation` what was made of
    it here.
    """

    suite: str
    origin: Origin
    dates: dict[str, int] = field(default_factory=dict)
    state: str = ""
    generation: int = 0


@frozen
class Mirrored:
    """What one look brought: nothing where `imported` is None, because nothing has changed there or here."""

    suite: str
    imported: Imported | None
    published: Published | None


def follow(repository: Repository, suite_name: str, origin: Origin) -> None:
    """Let a suite follow `origin` from now on. The keys are kept: what a host removes later does not matter.

    Raises `KubedebError`: REPOSITORY for an unknown suite, USAGE without a key.
    """
    suite = repository.suite(suite_name)
    refuse_unsigned(suite)
    if not origin.keyring:
        raise KubedebError("a mirror needs the key to trust", hint="--keyring FILE (.gpg or .asc)", code=ExitCode.USAGE)
    layout = repository.layout
    with writing(layout):
        key = _keyring(layout, suite.name)
        write_bytes(key, public_keys(Path(origin.keyring)), sync=True)
        known = read_mirrors(layout)
        kept = replace(origin, keyring=str(key), suites=origin.suites or (suite.name,))
        before = known.get(suite.name)
        if before is None or replace(before.origin, keyring=str(key)) != kept:
            _write(layout, {**known, suite.name: Mirror(suite.name, kept)})


def update(repository: Repository, suites: Iterable[str], say: Say) -> list[Mirrored]:
    """Bring mirrored suites up to date, all or those named, one after another.

    Raises `KubedebError` as `import_from` and `publish` do, and FOREIGN for a Release older than the one seen last: somebody
    plays an old state back. What was brought here until then stays for the next try.
    """
    known = read_mirrors(repository.layout)
    chosen = list(suites) or sorted(known)
    for name in chosen:
        repository.suite(name)
        if name not in known:
            raise KubedebError(f"suite {name} mirrors nothing", code=ExitCode.USAGE,
                               hint=f"kubedeb repo mirror --suite {name} --keyring FILE URI")  # fmt: skip
    return [_update(repository, known[name], say) for name in chosen]


def _update(repository: Repository, mirror: Mirror, say: Say) -> Mirrored:
    suite = repository.suite(mirror.suite)
    with downloads(repository.layout) as here:
        apt, origin = open_origin(mirror.origin, suite, here, say)
        live = read_live(repository, suite.name)
        if live is not None and live.generation == mirror.generation and _state(apt, origin) == mirror.state:
            return Mirrored(suite.name, None, None)

        def fresh(name: str, release: Release) -> None:
            _refuse_older(apt, name, release, mirror.dates.get(name))

        brought = bring(repository, suite, apt, origin, here, say, fresh=fresh)
        seen = brought.seen
        with transaction(repository, say) as opened:
            done = put(opened, brought)
            wish = Wish(suite.name, exactly(seen.offers), Why("mirror", origin.uri))
            published = advance(opened, [wish])[0]
            _withdraw(opened, suite.name, seen.offers)
            dates = {name: int(release.date.timestamp()) for name, release in seen.releases.items()}
            now = replace(mirror, dates=dates, state=_digest(seen.releases), generation=published.generation)
            _write(repository.layout, {**read_mirrors(repository.layout), suite.name: now})
    return Mirrored(suite.name, done, published)


def exactly(offers: Iterable[Offer]) -> Target:
    """Return what makes a suite serve these packages and no other; all of them must be in the catalog."""
    wanted: dict[Key, str] = {offer.key: offer.main.sha256 for offer in offers}

    def applied(opened: Transaction, live: Live | None) -> Applied:
        before = live.snapshot if live else Snapshot()
        there = {row.key: row for row in rows_of(opened.load, before)}
        coming = [row for key in wanted if (row := opened.catalog.same(*key)) is not None and there.get(key) != row]
        return apply(before, opened.load, there.keys() - wanted.keys(), coming)

    return applied


def _refuse_older(apt: AptRepository, name: str, release: Release, seen: int | None) -> None:
    if seen is not None and release.date < datetime.fromtimestamp(seen, UTC):
        raise KubedebError(
            f"{name}: it is dated {release.date:%Y-%m-%d %H:%M:%S} UTC, before the one seen last",
            details=f"In the repository {apt.uri}", code=ExitCode.FOREIGN,
            hint="A copy of it may lag behind; an old state may also be played back by somebody.",
        )  # fmt: skip


def _withdraw(opened: Transaction, suite: str, offers: Iterable[Offer]) -> None:
    """Take out of the draft what an earlier try left there and the other repository has no longer."""
    wanted = {offer.key for offer in offers}
    left = [change.member for change in opened.catalog.draft(suite) if change.member.key not in wanted]
    if left:
        opened.catalog.remove(suite, (), left)


def _state(apt: AptRepository, origin: Origin) -> str:
    return _digest({name: apt.release(name) for name in origin.suites})


def _digest(releases: dict[str, Release]) -> str:
    return sha256_bytes(canonical_json({name: release.text for name, release in releases.items()}).encode())


def _keyring(layout: Layout, suite: str) -> Path:
    return layout.root / "mirrors" / f"{suite}.gpg"


def read_mirrors(layout: Layout) -> dict[str, Mirror]:
    """Return what is mirrored, by suite. Raises `KubedebError` (REPOSITORY) when the file is damaged."""
    path = layout.root / "mirrors.json"
    try:
        return {name: _mirror(document) for name, document in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise KubedebError(f"cannot read {path}", details=str(error), hint="Restore it, or name what is mirrored again.",
                           code=ExitCode.REPOSITORY) from error  # fmt: skip


def _mirror(document: dict[str, Any]) -> Mirror:
    origin: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in document.pop("origin").items()
    }
    return Mirror(origin=Origin(**origin), **document)


def _write(layout: Layout, mirrors: dict[str, Mirror]) -> None:
    documents = {name: asdict(mirror) for name, mirror in mirrors.items()}
    write_text(layout.root / "mirrors.json", canonical_json(documents), sync=True)
