"""`kubedeb repo import`: packages of another repository into a suite's draft, verified as apt would, all or none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from kubedeb.aptrepo import AptRepository, AptRepositoryError
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.places import Folder
from kubedeb.records import frozen
from repo.add import Looked, other_bytes, refuse, take
from repo.bundle import MANIFEST, open_bundle
from repo.downloads import Downloads, downloads
from repo.foreign import Offer
from repo.intake import Candidate, Findings, attach, collect, inspect
from repo.models import SOURCE, Package, Suite, file_name
from repo.offers import Freshness, Origin, Seen, read_offers
from repo.place import Repository
from repo.poolfiles import objects
from repo.publish import Published, publish_draft
from repo.queries import asked_for
from repo.snapshots import near
from repo.transaction import Say, Transaction, quiet, transaction
from repo.uploads import public_keys

ATTEMPTS = 3


@frozen
class Brought:
    """What is here and was found good: packages that are new to the pool, those that it has, and the bytes that came."""

    suite: Suite
    seen: Seen
    candidates: tuple[Candidate, ...] = ()
    known: tuple[Package, ...] = ()
    bytes: int = 0


@frozen
class Imported:
    """What came: packages new in the suite's draft, those that it had, and how many bytes had to be brought here."""

    suite: str
    packages: tuple[Package, ...]
    present: int
    bytes: int
    published: Published | None = None


def import_from(
    repository: Repository, suite_name: str, origin: Origin, say: Say, *, dry_run: bool = False, publish: bool = False
) -> Imported:
    """Put the packages that `origin` chooses into a suite's draft, and publish it if asked; with `dry_run` only say which.

    An apt repository (a folder, `file:`, `http:`), an export of one of ours, or a folder of packages without indices. Raises
    `KubedebError`: FOREIGN when it cannot be read or is not what it should be; PACKAGE when a package is refused;
    REPOSITORY_BUSY; REPOSITORY_STORAGE; USAGE. Nothing of it is taken then.
    """
    suite = repository.suite(suite_name)
    refuse_unsigned(suite)
    with downloads(repository.layout) as here:
        if (pool := pool_of(origin)) is not None:
            brought = _from_pool(suite, pool, origin)
        else:
            apt, wanted = open_origin(origin, suite, here, say)
            brought = bring(repository, suite, apt, wanted, here, say, dry_run=dry_run)
        if dry_run:
            return _would(brought)
        with transaction(repository, say) as opened:
            done = put(opened, brought)
            return replace(done, published=publish_draft(opened, suite.name)) if publish else done


def put(opened: Transaction, brought: Brought) -> Imported:
    """Store what was brought and put it into the suite's draft. Raises `KubedebError` as `import_from` does."""
    added = take(opened, Looked(brought.suite, brought.candidates))
    more = _draft_known(opened, brought.suite, brought.known)
    packages = tuple(sorted({*added.packages, *more}))
    present = len(brought.candidates) + len(brought.known) - len(packages)
    return Imported(brought.suite.name, packages, present, brought.bytes)


def _would(brought: Brought) -> Imported:
    packages = tuple(sorted(candidate.package for candidate in brought.candidates))
    return Imported(brought.suite.name, packages, len(brought.known), brought.bytes)


def refuse_unsigned(suite: Suite) -> None:
    """Raise `KubedebError` (PACKAGE) for a suite that takes signed uploads alone."""
    if suite.options.changes_keyring:
        raise KubedebError(
            f"suite {suite.name} takes signed .changes files only", hint="Import into another suite, and promote from there.",
            code=ExitCode.PACKAGE,
        )  # fmt: skip


def pool_of(origin: Origin) -> Path | None:
    """Return the folder that `origin` names when it has no indices: a pool, as aptly and reprepro keep one."""
    folder = _folder(origin.uri)
    flat = any(name.endswith("/") for name in origin.suites)
    indexed = folder is not None and any((folder / name).exists() for name in ("dists", "public/dists", MANIFEST))
    return folder if folder is not None and folder.is_dir() and not flat and not indexed else None


def _folder(uri: str) -> Path | None:
    found = AptRepository(uri, Path(), code=ExitCode.USAGE).place
    return found.root if isinstance(found, Folder) else None


def _from_pool(suite: Suite, pool: Path, origin: Origin) -> Brought:
    suffixes = (".deb", ".dsc") if origin.sources else (".deb",)
    files = sorted(path for suffix in suffixes for path in pool.rglob(f"*{suffix}"))
    if not files:
        raise KubedebError(f"there is no package in {pool}", code=ExitCode.FOREIGN,
                           hint="Name the folder above dists/ for a published repository.")  # fmt: skip
    queries = [asked_for(query) for query in origin.queries]
    wanted = (*(origin.architectures or suite.architectures), "all", SOURCE)
    findings = Findings()
    candidates = [
        one for one in collect(files, "", findings, [])
        if one.package.architecture in wanted and (not queries or any(query.matches(*one.package.key) for query in queries))
    ]  # fmt: skip
    refuse(candidates, suite, findings)
    findings.stop()
    return Brought(suite, Seen({}, ()), tuple(candidates))


def open_origin(origin: Origin, suite: Suite, here: Downloads, say: Say) -> tuple[AptRepository, Origin]:
    """Return the apt repository that `origin` names, and `origin` as it is to be read; an export is unpacked and verified."""
    if not origin.keyring:
        raise KubedebError(f"to read {origin.uri}, name the key to trust", code=ExitCode.USAGE,
                           hint="--keyring FILE (.gpg or .asc), taken over a way that you trust.")  # fmt: skip
    key = here.folder / "keyring.gpg"
    key.write_bytes(public_keys(Path(origin.keyring)))
    folder = _folder(origin.uri)
    if folder is not None and (folder.is_file() or (folder / MANIFEST).is_file()):
        say(f"verifying {folder}")
        place, manifest = open_bundle(folder, key, here)
        apt = AptRepository(origin.uri, key, code=ExitCode.FOREIGN)
        apt.place = place
        return apt, replace(origin, suites=(manifest.fields["Suite"],))
    if folder is not None and not (folder / "dists").exists() and (folder / "public/dists").exists():
        origin = replace(origin, uri=str(folder / "public"))
    return AptRepository(origin.uri, key, code=ExitCode.FOREIGN), replace(origin, suites=origin.suites or (suite.name,))


def bring(
    repository: Repository, suite: Suite, apt: AptRepository, origin: Origin, here: Downloads, say: Say, *,
    dry_run: bool = False, fresh: Freshness | None = None,
) -> Brought:  # fmt: skip
    """Read the indices, bring what is not here yet, and look at it; `fresh` may refuse a Release.

    Should the other repository change meanwhile, all begins anew.
    """
    releases: dict[str, str] = {}
    for attempt in range(1, ATTEMPTS + 1):
        try:
            seen = read_offers(apt, origin, suite, say, fresh)
            releases = {name: release.text for name, release in seen.releases.items()}
            new, known = _sort_out(repository, seen.offers)
            files = [file for offer in new for file in offer.files]
            if dry_run:
                candidates = [Candidate(Path(offer.main.path), _promised(offer)) for offer in new]
                return Brought(suite, seen, tuple(candidates), known, sum(file.size for file in files))
            size = here.bring(apt, files, say)
            return Brought(suite, seen, _look(here, new, suite), known, size)
        except AptRepositoryError:
            if attempt == ATTEMPTS or not _has_changed(apt, releases):
                raise
            say(f"{apt.uri} changed while it was read: reading it again")
    raise AssertionError("the last attempt returns or raises")


def _promised(offer: Offer) -> Package:
    return Package(*offer.key, offer.main.sha256, offer.main.size, "")


def _has_changed(apt: AptRepository, before: dict[str, str]) -> bool:
    return any(apt.release(name).text != text for name, text in before.items())


def _sort_out(repository: Repository, offers: Iterable[Offer]) -> tuple[list[Offer], tuple[Package, ...]]:
    """Return what must be brought here, and what the pool has.

    Raises `KubedebError` (PACKAGE) for a version that the repository has with other bytes.
    """
    new, known, findings = list[Offer](), list[Package](), Findings()
    store = repository.layout.store
    with transaction(repository, quiet) as opened:
        for offer in offers:
            row = opened.catalog.same(*offer.key)
            if row is not None and row.sha256 != offer.main.sha256:
                findings.note(Path(offer.main.path), other_bytes(_promised(offer), row, "in the repository"))
            elif row is not None and _has(row, offer) and store.size(row.member.pool_name) == row.size:
                known.append(row)
            else:
                new.append(offer)
    findings.stop()
    return new, tuple(known)


def _has(row: Package, offer: Offer) -> bool:
    here = {file.sha256 for file in objects(row).values()}
    return all(file.sha256 in here for file in offer.files)


def _look(here: Downloads, offers: Iterable[Offer], suite: Suite) -> tuple[Candidate, ...]:
    """Read every package that came, and hold it against what the index said of it."""
    findings, candidates = Findings(), list[Candidate]()
    for offer in offers:
        folder = here.folder / "laid" / offer.main.sha256
        path = _lay(here, offer, folder)
        for candidate in inspect([path], findings):
            if candidate.package.key != offer.key:
                findings.note(path, f"is {candidate.package.label}, and the index says {offer.label}")
            candidates.append(attach(candidate, [folder / file.name for file in offer.beside], findings))
    refuse(candidates, suite, findings)
    findings.stop()
    return tuple(candidates)


def _lay(here: Downloads, offer: Offer, folder: Path) -> Path:
    """Link a package's files into a folder under their own names, and return the package's."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    main = folder / file_name(*offer.key)
    for file, path in ((offer.main, main), *((file, folder / file.name) for file in (*offer.parts, *offer.beside))):
        os.link(here.path(file), path)
    return main


def _draft_known(opened: Transaction, suite: Suite, known: Sequence[Package]) -> list[Package]:
    """Draft what the pool has and the suite does not serve; returns that."""
    live = opened.lives.get(suite.name)
    served = {row.member for row in near(live.snapshot, opened.load, {row.name for row in known})} if live else set()
    drafted = {change.member for change in opened.catalog.draft(suite.name)}
    missing = [row for row in known if row.member not in served | drafted]
    if missing:
        opened.catalog.add(suite.name, (), missing)
    return missing
