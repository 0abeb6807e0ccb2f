"""`kubedeb repo key package`: the archive's keyring, `.sources` and preferences as a package, built and published here.

Equal contents give equal bytes: the version is the time of the first build with these contents, and the build's only clock.
"""

from __future__ import annotations

import os
import tempfile
import time
from calendar import timegm
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from kubedeb.errors import ExitCode
from kubedeb.files import canonical_json, sha256_bytes, sha256_of, write_text
from kubedeb.process import run
from kubedeb.records import frozen
from kubedeb.stanza import one
from repo.add import add
from repo.audit import Why
from repo.clientfiles import client_paths, package_name
from repo.keyset import keyring, read_keys, write_keys
from repo.live import Live
from repo.models import Identity, Package
from repo.place import Repository
from repo.publish import Wish, publish_together
from repo.rotate import KEYS_FIELD
from repo.rotation import offer
from repo.snapshots import Applied, Snapshot, apply, named
from repo.transaction import Say, Transaction, transaction

CONTENT_FIELD = "Kubedeb-Content"
STAMP = "%Y.%m.%d.%H%M%S"
SCRIPTS = ("postinst", "postrm")


@frozen
class Plan:
    """A keyring package: its files by path from the root, the keys in it, and the time that is its version."""

    identity: Identity
    files: Mapping[str, bytes]
    fingerprints: tuple[str, ...]
    stamp: int

    @property
    def version(self) -> str:
        """Return the package's version."""
        return time.strftime(STAMP, time.gmtime(self.stamp))


@frozen
class Offered:
    """What a suite serves now: the package's version, the generation, and whether it is new there."""

    suite: str
    version: str
    generation: int
    changed: bool


def content_digest(files: Mapping[str, bytes]) -> str:
    """Return one digest for a package's files."""
    return sha256_bytes(canonical_json({path: sha256_bytes(data) for path, data in files.items()}).encode())


def stamp_of(version: str) -> int:
    """Return the time that a version of the keyring package is. Raises `ValueError` for another version."""
    return timegm(time.strptime(version, STAMP))


def choose_stamp(known: Iterable[Package], content: str, now: int) -> int:
    """Return the version of the package that has these contents already, else a newer one than all."""
    stamps = []
    for row in known:
        if one(row.stanza).get(CONTENT_FIELD) == content:
            return stamp_of(row.version)
        stamps.append(stamp_of(row.version))
    return max(now, *(stamp + 1 for stamp in stamps)) if stamps else now


def control_text(plan: Plan) -> str:
    """Return the package's control file."""
    identity = plan.identity
    return (
        f"Package: {package_name(identity)}\nVersion: {plan.version}\nArchitecture: all\nMulti-Arch: foreign\n"
        f"Maintainer: {identity.label} <archive@{urlsplit(identity.url).hostname or 'localhost'}>\n"
        f"Section: misc\nPriority: optional\n{KEYS_FIELD}: {' '.join(plan.fingerprints)}\n"
        f"{CONTENT_FIELD}: {content_digest(plan.files)}\n"
        f"Description: keys of the {identity.label} package archive\n"
        " The public keys that sign the archive, where apt finds the archive, and which of its packages apt may\n"
        " move by itself. The keys change with new versions of this package: keep it installed.\n"
    )


def build(plan: Plan, folder: Path) -> Path:
    """Pack a keyring package below an empty folder. Raises `ProcessError` (PACKAGE)."""
    tree = folder / "tree"
    for path, data in {"DEBIAN/control": control_text(plan).encode(), **plan.files}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(data)
    for entry in (tree, *tree.rglob("*")):
        entry.chmod(0o755 if entry.is_dir() or entry.name in SCRIPTS else 0o644)
        os.utime(entry, (plan.stamp, plan.stamp))
    target = folder / f"{package_name(plan.identity)}_{plan.version}_all.deb"
    # Not compressed, because a compressor of tomorrow would give other bytes; it is a few KB.
    command: list[str | Path] = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, target]
    run(command, env={"SOURCE_DATE_EPOCH": str(plan.stamp)}, code=ExitCode.PACKAGE)
    return target


def current(opened: Transaction, folder: Path) -> Path:
    """Build the keyring package as the keys now are, in the version that suites serve or would get."""
    return build(_plan(opened, _served(opened), opened.lives.keys()), folder)


def publish_package(repository: Repository, suites: Sequence[str], say: Say) -> list[Offered]:
    """Let every suite serve the keyring package as the keys now are, and it alone of all its versions; drafts wait on."""
    chosen = [repository.suite(name).name for name in suites or [suite.name for suite in repository.identity.suites]]
    with transaction(repository, say) as opened:
        plan = _plan(opened, _served(opened), {*opened.lives, *chosen})
    with tempfile.TemporaryDirectory(prefix="kubedeb-keyring-") as folder:
        package = build(plan, Path(folder))
        return [_offer(repository, suite, plan, package, say) for suite in chosen]


def _served(opened: Transaction) -> list[Package]:
    name = package_name(opened.repository.identity)
    return [row for live in opened.lives.values() for row in named(live.snapshot, opened.load, name)]


def _plan(opened: Transaction, known: list[Package], suites: Collection[str]) -> Plan:
    """Return the package as keys, names and the suites that a client may ask for now are."""
    repository = opened.repository
    keys = read_keys(repository).for_clients
    identity, names = repository.identity.only(suites), opened.catalog.published_names()
    files = client_paths(identity, keyring(repository.layout, keys), names)
    stamp = choose_stamp(known, content_digest(files), int(time.time()))
    return Plan(repository.identity, files, tuple(key.fingerprint for key in keys), stamp)


def _vouch(repository: Repository, package: Path) -> None:
    """Write down that this repository made the package: a suite's gates ask nobody else about it."""
    path = repository.layout.public_keys / "packages"
    known = path.read_text().split() if path.exists() else []
    if (digest := sha256_of(package)) not in known:
        write_text(path, "".join(f"{one}\n" for one in (*known, digest)), sync=True)


def _offer(repository: Repository, suite: str, plan: Plan, package: Path, say: Say) -> Offered:
    name = package_name(plan.identity)
    _vouch(repository, package)
    add(repository, suite, [package])

    def target(opened: Transaction, live: Live | None) -> Applied:
        before = live.snapshot if live else Snapshot()
        new = opened.catalog.same(name, plan.version, "all")
        leaving = {row.key for row in named(before, opened.load, name) if row.version != plan.version}
        return apply(before, opened.load, leaving, [new] if new else [])

    done = publish_together(repository, [Wish(suite, target, Why("key package", plan.version))], say)[0]
    with transaction(repository, say):
        write_keys(repository.layout, offer(read_keys(repository), suite, plan.fingerprints, done.date))
    return Offered(suite, plan.version, done.generation, done.changed)
