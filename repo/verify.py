"""`kubedeb repo verify`: read a published repository as apt does, every byte of it, and list all that is wrong."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from kubedeb.aptrepo import AptRepository, AptRepositoryError, Digest, Release, signed_by
from kubedeb.deb import MAX_FIELD
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes
from kubedeb.stanza import Stanza
from repo.indices import GENERATION_FIELD, SNAPSHOT_FIELD
from repo.installable import every_broken
from repo.live import chunk_name, generation_name, snapshot_name, unpack_chunk, was_published
from repo.place import Repository, open_repository
from repo.snapshots import Snapshot
from repo.store import Store


@dataclass(frozen=True)
class Finding:
    """Something wrong: which file, and what."""

    path: str
    problem: str


@dataclass
class Report:
    """What was read and what was found."""

    suites: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    packages: int = 0
    findings: list[Finding] = field(default_factory=list)

    def stop(self) -> None:
        """Raise `KubedebError` (VERIFY) when something is wrong."""
        if self.findings:
            raise KubedebError(
                f"the repository is not as it was signed: {len(self.findings)} findings",
                hint="Restore these files; a package: kubedeb repo add FILE, then publish.\n"
                "One of two contents of a version: kubedeb repo remove, then publish.", code=ExitCode.VERIFY,
            )  # fmt: skip


def subject(
    root: Path, where: str | None, keyring: Path | None, suites: Sequence[str]
) -> tuple[AptRepository, tuple[str, ...]]:
    """Return what to verify: our repository at `root` or `where`, or anybody's at `where`, with its key and its suites.

    Raises `KubedebError`: REPOSITORY when there is nothing to read, USAGE when key or suites are not known and not named.
    """
    ours = open_repository(root) if where is None else _ours(where)
    if ours is not None:
        clients = ours.layout.client_keyring
        key = keyring or (clients if clients.exists() else ours.layout.keyring)
        known = [suite.name for suite in ours.identity.suites]
        published = [name for name in known if was_published(ours.layout.store, name)]
        chosen = tuple(ours.suite(name).name for name in suites) or tuple(published)
        if not chosen:
            raise KubedebError("nothing is published yet", hint=f"kubedeb repo publish {known[0] if known else 'SUITE'}",
                               code=ExitCode.REPOSITORY)  # fmt: skip
        apt_repository = AptRepository(ours.layout.public.as_uri(), key, code=ExitCode.VERIFY)
        if ours.layout.store.local is None:
            apt_repository.uri, apt_repository.place = ours.layout.storage, _Objects(ours.layout.store)
        return apt_repository, chosen
    if keyring is None or not suites:
        raise KubedebError(
            f"to verify {where}, name the key to trust and the suites",
            hint=f"kubedeb repo verify {where} --keyring FILE.gpg --suite SUITE", code=ExitCode.USAGE,
        )  # fmt: skip
    return AptRepository(str(where), keyring, code=ExitCode.VERIFY), tuple(suites)


def _ours(where: str) -> Repository | None:
    path = Path(where)
    for root in (path, path.parent):
        if path.is_dir() and (root / "repository.json").is_file():
            return open_repository(root)
    return None


@dataclass(frozen=True)
class _Objects:
    """An object store, read as a web server's folder is."""

    store: Store

    def open(self, path: str, start: int = 0) -> IO[bytes]:
        data = self.store.read(path)
        if data is None:
            raise FileNotFoundError(path)
        return io.BytesIO(data[start:])


def verify(repository: AptRepository, suites: Iterable[str], say: Callable[[str], None]) -> Report:
    """Read every suite: both signatures, each index under each of its names, each package once. Never stops at the first."""
    report = Report()
    seen: dict[str, Digest] = {}
    contents: dict[tuple[str, ...], tuple[str, str]] = {}
    for suite in suites:
        say(f"reading suite {suite}")
        report.suites.append(suite)
        _Suite(repository, suite, report, seen, contents).verify()
    return report


def add_broken(repository: Repository, suites: Iterable[str], report: Report) -> None:
    """Note all that cannot be installed, of the suites that want everything to be."""
    for suite in (repository.suite(name) for name in suites):
        if suite.options.installable:
            for broken in every_broken(repository, suite):
                report.findings.append(Finding(f"dists/{suite.name}", f"cannot be installed: {broken.label}"))


@dataclass
class _Suite:
    repository: AptRepository
    suite: str
    report: Report
    seen: dict[str, Digest]
    contents: dict[tuple[str, ...], tuple[str, str]]

    def verify(self) -> None:
        try:
            release = self.repository.release(self.suite)
        except AptRepositoryError as error:
            self._found(error.path, error.problem)
            return
        except KubedebError as error:
            self._found(f"dists/{self.suite}/InRelease", error.brief)
            return
        self._detached(release)
        self._records(release)
        for path, digest in release.indices.items():
            self._index(release, path, digest)
        for component in release.components:
            for architecture in release.architectures:
                self._packages(release, component, architecture)

    def _detached(self, release: Release) -> None:
        """Check the pair that old clients read: the same text, and its own signature."""
        text = self._read(f"dists/{self.suite}/Release")
        signature = self._read(f"dists/{self.suite}/Release.gpg")
        if text is not None and text.decode(errors="replace") != release.text:
            self._found(f"dists/{self.suite}/Release", "is not the text that InRelease signs")
        elif text is not None and signature is not None and not _signed(signature, text, self.repository):
            self._found(f"dists/{self.suite}/Release.gpg", "is not a good signature of Release")

    def _records(self, release: Release) -> None:
        """Check what only our own repositories have: the snapshot's object, and the copy of the generation."""
        snapshot, generation = release.fields.get(SNAPSHOT_FIELD), release.fields.get(GENERATION_FIELD)
        if snapshot is None or generation is None:
            return
        copy = self._read(snapshot_name(snapshot))
        if copy is not None and sha256_bytes(copy) != snapshot:
            self._found(snapshot_name(snapshot), "wrong content")
        elif copy is not None:
            self._chunks(snapshot, copy)
        name = generation_name(self.suite, int(generation))
        copy = self._read(name)
        if copy is not None and copy != self._read(f"dists/{self.suite}/InRelease"):
            self._found(name, "is not the live InRelease")

    def _chunks(self, snapshot: str, text: bytes) -> None:
        """Check the parts of the snapshot's package list."""
        try:
            parts = Snapshot.parse(text.decode()).chunks
        except ValueError as error:
            self._found(snapshot_name(snapshot), str(error))
            return
        for part in parts:
            data = self._read(chunk_name(part.sha256))
            if data is not None:
                try:
                    unpack_chunk(part.sha256, data)
                except ValueError:
                    self._found(chunk_name(part.sha256), "wrong content")

    def _index(self, release: Release, path: str, digest: Digest) -> None:
        if not path.endswith((".xz", ".gz", ".zst")):
            return
        folder = path.rpartition("/")[0]
        for name in (path, f"{folder}/by-hash/SHA256/{digest.sha256}"):
            self._file(f"dists/{release.suite}/{name}", digest)

    def _packages(self, release: Release, component: str, architecture: str) -> None:
        stanzas = self._stanzas(release, component, architecture)
        for stanza in stanzas:
            try:
                path, digest = stanza["Filename"], Digest(int(stanza["Size"]), stanza["SHA256"])
            except (KeyError, ValueError) as error:
                label = f"{stanza.get('Package', '?')} {stanza.get('Version', '?')}"[:MAX_FIELD]
                self._found(label, f"its stanza is incomplete: {error}")
                continue
            self._content(release, stanza, path, digest)
            if self.seen.get(path) != digest:
                self.report.packages += 1
                self._file(path, digest)
                self.seen[path] = digest

    def _content(self, release: Release, stanza: Stanza, path: str, digest: Digest) -> None:
        """Check that one name, version and architecture has one content: in a suite, and in all suites of our repositories.

        apt takes the first it meets and says nothing.
        """
        scope = "" if SNAPSHOT_FIELD in release.fields else release.suite
        key = scope, *(stanza.get(name, "") for name in ("Package", "Version", "Architecture"))
        other, sha256 = self.contents.setdefault(key, (path, digest.sha256))
        if sha256 != digest.sha256:
            self._found(path, f"has the same name, version and architecture as {other}, and other bytes")

    def _stanzas(self, release: Release, component: str, architecture: str) -> Iterator[Stanza]:
        try:
            yield from self.repository.packages(release, component, architecture)
        except AptRepositoryError as error:
            self._found(error.path, error.problem)

    def _file(self, path: str, digest: Digest) -> None:
        try:
            self.repository.check(path, digest)
        except AptRepositoryError as error:
            self._found(error.path, error.problem)
        else:
            self.report.files += 1
            self.report.bytes += digest.size

    def _read(self, path: str) -> bytes | None:
        try:
            return self.repository.read(path)
        except AptRepositoryError as error:
            self._found(error.path, error.problem)
            return None

    def _found(self, path: str, problem: str) -> None:
        finding = Finding(path, problem)
        if finding not in self.report.findings:
            self.report.findings.append(finding)


def _signed(signature: bytes, text: bytes, repository: AptRepository) -> bool:
    return signed_by(signature, text, repository.keyring, code=repository.code)
