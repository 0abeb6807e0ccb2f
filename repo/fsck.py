"""`kubedeb repo fsck`: every object of the store against the digest that names it; what others tell is remade."""

from __future__ import annotations

import gzip
import io
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from kubedeb.aptrepo import signed_by, verified
from kubedeb.deb import inflate
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import canonical_json, sha256_bytes
from kubedeb.output import counted
from kubedeb.records import frozen
from kubedeb.release import Digest, Release, parse_release
from kubedeb.stanza import control_text
from repo.audit import object_name as record_name
from repo.audit import read_log
from repo.contents import lister
from repo.descriptions import descriptions
from repo.indices import GENERATION_FIELD, SNAPSHOT_FIELD, TRANSLATION, Told, by_hash, kinds, make_indices
from repo.live import (
    chunk_loader,
    chunk_name,
    generation_name,
    read_live,
    read_snapshot,
    snapshot_name,
    unpack_chunk,
    was_published,
)
from repo.models import Package, Suite
from repo.naming import suite_of
from repo.pieces import open_pieces
from repo.place import Repository, writing
from repo.poolfiles import objects
from repo.retention import kept, needed, read_generations
from repo.retold import rows_of_index
from repo.signing import sign
from repo.snapshotlist import FOLDER, PREFIX, object_name, read_named
from repo.snapshots import Snapshot, rows_text, snapshot_of
from repo.store import digest_of

Say = Callable[[str], None]
POOL_FILE = re.compile(r"^pool/../([0-9a-f]{64})/[^/]+\.(?:deb|dsc)$")
BY_HASH = re.compile(r"/by-hash/SHA256/([0-9a-f]{64})$")
FORMS = (".gz", ".xz", ".zst")
# What an object can be remade from, read only when that is asked for.
Source = Callable[[], bytes | None] | None


@frozen
class Fault:
    """An object that is missing or damaged, and whether it was remade."""

    path: str
    problem: str
    repaired: bool = False


@dataclass
class Checked:
    """What fsck read and found."""

    objects: int = 0
    faults: list[Fault] = field(default_factory=list)

    def stop(self) -> None:
        """Raise `KubedebError` (VERIFY) when something is still wrong."""
        left = [fault for fault in self.faults if not fault.repaired]
        if left:
            raise KubedebError(
                f"{counted(len(left), 'object')} missing or damaged",
                details="\n".join(f"{fault.path}: {fault.problem}" for fault in left),
                hint="kubedeb repo fsck --repair remakes what others tell.\n"
                "A package: put the file back (kubedeb repo add FILE does it).", code=ExitCode.VERIFY,
            )  # fmt: skip


def fsck(repository: Repository, say: Say, *, repair: bool = False, now: float | None = None) -> Checked:
    """Read all objects, as the only writer; with `repair`, remake what can be. Never stops at the first fault.

    `now`, in seconds since the epoch, says which generations clients may still read; by default the clock does.
    """
    check = _Check(repository, repair)
    with writing(repository.layout):
        for suite in repository.identity.suites:
            say(f"reading suite {suite.name}")
            check.suite(suite)
        if not any(was_published(check.store, suite.name) for suite in repository.identity.suites):
            say("warning: nothing is published here; of a repository that was restored, public/ itself must be put back")
        for name in sorted(check.store.names(FOLDER)):
            check.named(name.removeprefix(f"{FOLDER}/").removesuffix(".json"))
        for suite in repository.identity.suites:
            check.history(suite, time.time() if now is None else now)
        check.audit()
        say("reading every object")
        check.everything()
    return check.done


class _Check:
    def __init__(self, repository: Repository, repair: bool) -> None:
        self.repository, self.repair = repository, repair
        self.store = repository.layout.store
        self.done = Checked()
        self.seen: set[str] = set()
        self.bad: set[str] = set()
        self.chunks: set[str] = set()
        self._load = chunk_loader(repository)

    def suite(self, suite: Suite) -> None:
        """Check what makes a suite's live generation, each part from what was found good before it."""
        release, inrelease = self._inrelease(suite.name)
        if release is None:
            return
        snapshot = self._snapshot(suite, release)
        made: dict[str, bytes] | None = None
        for path, digest in release.indices.items():
            if not path.endswith(FORMS):
                continue
            names = [f"dists/{suite.name}/{name}" for name in (path, by_hash(path, digest))]
            good = next((name for name in names if digest_of(self.store, name) == digest), None)
            if good is None and snapshot is not None and made is None:
                made = self._remade(suite, snapshot)
            remade = (made or {}).get(path)
            source = partial(self.store.read, good) if good else _given(remade) if _is(remade, digest) else None
            for name in names:
                if name == good:
                    self._seen(name)
                else:
                    self._same(name, digest.sha256, source)
        if not suite.name.startswith(PREFIX):
            copy = generation_name(suite.name, int(release.fields[GENERATION_FIELD]))
            self._same(copy, sha256_bytes(inrelease), _given(inrelease))
        self._detached(suite.name, release)
        if snapshot is not None:
            self._packages(snapshot)

    def named(self, name: str) -> None:
        """Check what is served under a name, as a suite is."""
        again = f"`kubedeb repo snapshot create {name} {name}` serves it anew"
        try:
            found = read_named(self.store, name)
        except KubedebError:
            found = None
        self._seen(object_name(name))
        if found is None:
            self._fault(object_name(name), "it is no named snapshot any more", None)
        elif self.store.size(f"dists/{PREFIX}{name}/InRelease") is None:
            self._fault(f"dists/{PREFIX}{name}/InRelease", f"missing: {again}", None)
        else:
            self.suite(suite_of(self.repository.suite(found.suite), name))

    def history(self, suite: Suite, now: float) -> None:
        """Check that what clients may still ask for is there, and what a rollback needs: gc keeps both, by generation."""
        try:
            live = read_live(self.repository, suite.name)
        except KubedebError:
            return
        if live is None:
            return
        generations = read_generations(self.repository, suite.name, live)
        options = suite.options
        for name in sorted(needed(generations, now, options.retention) - self.seen):
            if self.store.size(name) is None:
                self._fault(name, "missing: a generation that clients may still read names it", None)
        for one in kept(generations, now, options.retention, options.keep_generations):
            copy = self.store.read(generation_name(suite.name, one.number))
            release = parse_release(suite.name, control_text(copy)) if copy and one.superseded else live.release
            snapshot = self._snapshot(suite, release)
            if snapshot is not None:
                self._packages(snapshot)

    def audit(self) -> None:
        """Check the objects of the moves that this machine made against its own log, which can remake them."""
        for record in read_log(self.repository):
            data = canonical_json(asdict(record)).encode()
            self._same(record_name(record.suite, record.generation), sha256_bytes(data), _given(data))

    def _packages(self, snapshot: Snapshot) -> None:
        """Check every file of every package that a snapshot lists, each once."""
        for chunk in snapshot.chunks:
            if chunk.sha256 not in self.chunks and self._same(chunk_name(chunk.sha256), chunk.sha256, None):
                self.chunks.add(chunk.sha256)
                for name, file in ((name, file) for row in self._load(chunk.sha256) for name, file in objects(row).items()):
                    if name not in self.seen:
                        self._same(name, file.sha256, None)

    def everything(self) -> None:
        """Check every object whose name says its content."""
        for folder in ("pool", "snapshots", "dists"):
            for name in sorted(self.store.names(folder)):
                digest = _named_digest(name)
                if digest is not None and name not in self.seen:
                    self.done.objects += 1
                    if not self._holds(name, digest):
                        self._fault(name, "wrong content", None)
        for name in sorted(self.store.names("generations")):
            if name not in self.seen and self._verified(self.store.read(name)) is None:
                self.done.objects += 1
                self._fault(name, "is not signed by this repository's key", None)

    def _inrelease(self, suite: str) -> tuple[Release | None, bytes]:
        name = f"dists/{suite}/InRelease"
        data = self.store.read(name)
        text = self._verified(data)
        self.done.objects += 1
        if text is not None and data is not None:
            return parse_release(suite, text), data
        for copy in sorted(self.store.names(f"generations/{suite}"), reverse=True):
            kept = self.store.read(copy)
            text = self._verified(kept)
            if text is not None and kept is not None:
                release = parse_release(suite, text)
                problem = "missing" if data is None else "wrong content"
                self._fault(name, problem, _given(kept), int(release.date.timestamp()))
                return release, kept
        if data is not None:
            self._fault(name, "is not signed by this repository's key", None)
        return None, b""

    def _verified(self, data: bytes | None) -> str | None:
        if data is None:
            return None
        try:
            return verified(data, self.repository.layout.keyring, code=ExitCode.VERIFY)
        except KubedebError:
            return None

    def _snapshot(self, suite: Suite, release: Release) -> Snapshot | None:
        """Check the package list; what is damaged comes from the indices. Returns it when all of it can be read."""
        identity = release.fields[SNAPSHOT_FIELD]
        root = self.store.read(snapshot_name(identity))
        told: dict[str, bytes] = {}
        if root is None or sha256_bytes(root) != identity:
            told = self._told(suite, release)
        if not self._same(snapshot_name(identity), identity, _given(told.get(snapshot_name(identity)))):
            return None
        snapshot, whole = read_snapshot(self.store, identity), True
        for chunk in (chunk for chunk in snapshot.chunks if chunk.sha256 not in self.chunks):
            name = chunk_name(chunk.sha256)
            if not self._holds(name, chunk.sha256) and not told:
                told = self._told(suite, release)
            whole = self._same(name, chunk.sha256, _given(told.get(name))) and whole
        return snapshot if whole else None

    def _told(self, suite: Suite, release: Release) -> dict[str, bytes]:
        """Return the objects of the package list as the suite's indices tell it."""
        rows: dict[tuple[str, str, str], Package] = {}
        try:
            long = descriptions(self._index_text(suite.name, release, TRANSLATION) or "") if suite.options.translations else {}
            for kind in (kind for kind in kinds(suite) if kind.told is not Told.OTHER):
                text = self._index_text(suite.name, release, kind.path)
                if text is None:
                    return {"": b""}
                rows.update((row.key, row) for row in rows_of_index(text, long, source=kind.told is Told.SOURCES))
        except ValueError:
            return {"": b""}
        snapshot, chunks = snapshot_of(sorted(rows.values()))
        objects = {chunk_name(one): gzip.compress(rows_text(part), 6, mtime=0) for one, part in chunks.items()}
        return objects | {snapshot_name(snapshot.id): snapshot.text().encode()}

    def _index_text(self, suite: str, release: Release, path: str) -> str | None:
        whole = release.indices.get(path)
        for form in FORMS:
            digest = release.indices.get(path + form)
            for name in (path + form, by_hash(path + form, digest)) if digest and whole else ():
                data = self.store.read(f"dists/{suite}/{name}")
                if digest and whole and data is not None and _is(data, digest):
                    return inflate(io.BytesIO(data), form, whole.size).read(whole.size).decode()
        return None

    def _remade(self, suite: Suite, snapshot: Snapshot) -> dict[str, bytes]:
        with tempfile.TemporaryDirectory(prefix="kubedeb-fsck-") as folder, open_pieces(Path(folder, "pieces")) as pieces:
            paths = lister(self.store, pieces)
            return make_indices(snapshot, suite, self._load, pieces, paths).data

    def _detached(self, suite: str, release: Release) -> None:
        """Check Release and its signature, for old clients; the key signs again where the signature is lost."""
        name, text = f"dists/{suite}/Release", release.text.encode()
        self._same(name, sha256_bytes(text), _given(text))
        signature = self.store.read(f"{name}.gpg")
        self.done.objects += 1
        if signature is None or not self._signed(signature, text):
            remade = sign(self.repository, release.text, time.time()).detached if self.repair else None
            problem = "missing" if signature is None else "is not a good signature of Release"
            self._fault(f"{name}.gpg", problem, _given(remade))

    def _signed(self, signature: bytes, text: bytes) -> bool:
        return signed_by(signature, text, self.repository.layout.keyring, code=ExitCode.VERIFY)

    def _same(self, name: str, digest: str, source: Source) -> bool:
        """Check one object, remake it from `source` if that is asked for; return whether it is good now."""
        self._seen(name)
        if self._holds(name, digest):
            return True
        return self._fault(name, "missing" if self.store.size(name) is None else "wrong content", source)

    def _seen(self, name: str) -> None:
        if name not in self.seen:
            self.done.objects += 1
        self.seen.add(name)

    def _holds(self, name: str, digest: str) -> bool:
        """Return whether an object's content is what it must be: a chunk is named by its unpacked text."""
        if not name.startswith("snapshots/chunks/"):
            found = digest_of(self.store, name)
            return found is not None and found.sha256 == digest
        try:
            unpack_chunk(digest, self.store.read(name))
        except ValueError:
            return False
        return True

    def _fault(self, name: str, problem: str, source: Source, mtime: int | None = None) -> bool:
        data = source() if self.repair and source is not None else None
        if data is not None:
            self.store.put(name, data, mtime=mtime)
        self.seen.add(name)
        if name not in self.bad:
            self.bad.add(name)
            self.done.faults.append(Fault(name, problem, data is not None))
        return data is not None


def _given(data: bytes | None) -> Source:
    return None if data is None else lambda: data


def _is(data: bytes | None, digest: Digest) -> bool:
    return data is not None and len(data) == digest.size and sha256_bytes(data) == digest.sha256


def _named_digest(name: str) -> str | None:
    if name.startswith("snapshots/"):
        return name.rpartition("/")[2].partition(".")[0]
    found = POOL_FILE.search(name) or BY_HASH.search(name)
    return found[1] if found else None
