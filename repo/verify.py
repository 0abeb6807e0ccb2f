"""`kubedeb repo verify`: read a published repository as apt does, every byte of it, and list all that is wrong."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from kubedeb.aptrepo import AptRepository, AptRepositoryError, signed_by
from kubedeb.deb import MAX_FIELD
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes
from kubedeb.output import counted
from kubedeb.records import frozen
from kubedeb.release import Digest, Release
from kubedeb.stanza import Stanza
from repo.clientfiles import pinned
from repo.indices import GENERATION_FIELD, SNAPSHOT_FIELD
from repo.installable import every_broken
from repo.live import chunk_name, generation_name, snapshot_name, unpack_chunk, was_published
from repo.models import SOURCE
from repo.place import Repository, open_repository
from repo.poolfiles import FIELD as BESIDE
from repo.poolfiles import parse_files
from repo.settle import client_files
from repo.snapshotlist import FOLDER, PREFIX, object_name, parse_named
from repo.snapshots import Snapshot
from repo.store import Store

SERVED = re.compile(rf"dists/{PREFIX}([^/]+)/.*")


@frozen
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

    def add(self, path: str, problem: str) -> None:
        """Note a finding, once."""
        finding = Finding(path, problem)
        if finding not in self.findings:
            self.findings.append(finding)

    def stop(self) -> None:
        """Raise `KubedebError` (VERIFY) when something is wrong."""
        if self.findings:
            raise KubedebError(
                f"the repository is not as it was signed: {counted(len(self.findings), 'finding')}",
                hint="Restore these files; a package: kubedeb repo add FILE, then publish.\n"
                "A named snapshot: kubedeb repo snapshot create with the same name and suite serves it anew.\n"
                "One of two contents of a version: kubedeb repo remove, then publish.", code=ExitCode.VERIFY,
            )  # fmt: skip


def subject(
    root: Path, where: str | None, keyring: Path | None, suites: Sequence[str]
) -> tuple[AptRepository, tuple[str, ...], Repository | None]:
    """Return what to verify: our repository at `root` or `where`, or anybody's at `where`, with its key and its suites.

    Without `suites` they are all that are published, and the named snapshots. Last comes the repository, where it is ours.

    Raises `KubedebError`: REPOSITORY when there is nothing to read, USAGE when key or suites are not known and not named.
    """
    ours = open_repository(root) if where is None else _ours(where)
    if ours is not None:
        clients = ours.layout.client_keyring
        key = keyring or (clients if clients.exists() else ours.layout.keyring)
        known = [suite.name for suite in ours.identity.suites]
        published = [name for name in known if was_published(ours.layout.store, name)]
        chosen = tuple(_chosen(ours, name) for name in suites) or (*published, *_named(ours))
        if not chosen:
            raise KubedebError("nothing is published yet", hint=f"kubedeb repo publish {known[0] if known else 'SUITE'}",
                               code=ExitCode.REPOSITORY)  # fmt: skip
        apt_repository = AptRepository(ours.layout.public.as_uri(), key, code=ExitCode.VERIFY)
        if ours.layout.store.local is None:
            apt_repository.uri, apt_repository.place = ours.layout.storage, _Objects(ours.layout.store)
        return apt_repository, chosen, ours
    if keyring is None or not suites:
        raise KubedebError(
            f"to verify {where}, name the key to trust and the suites",
            hint=f"kubedeb repo verify {where} --keyring FILE.gpg --suite SUITE", code=ExitCode.USAGE,
        )  # fmt: skip
    return AptRepository(str(where), keyring, code=ExitCode.VERIFY), tuple(suites), None


def _named(repository: Repository) -> list[str]:
    """Return the named snapshots as apt knows them: what has a name, and what is served under one."""
    store = repository.layout.store
    served = {found[1] for name in store.names(f"dists/{PREFIX}".rstrip("/")) if (found := SERVED.fullmatch(name))}
    kept = {name.removeprefix(f"{FOLDER}/").removesuffix(".json") for name in store.names(FOLDER)}
    return [f"{PREFIX}{name}" for name in sorted(served | kept)]


def _chosen(repository: Repository, name: str) -> str:
    return name if name in _named(repository) else repository.suite(name).name


def _ours(where: str) -> Repository | None:
    path = Path(where)
    for root in (path, path.parent):
        if path.is_dir() and (root / "repository.json").is_file():
            return open_repository(root)
    return None


@frozen
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


def add_own(repository: Repository, suites: Iterable[str], report: Report) -> None:
    """Note what only the repository's own host can tell: what clients copy, what keeps named snapshots, what has no home."""
    store = repository.layout.store
    served = [suite.name for suite in repository.identity.suites if was_published(store, suite.name)]
    names = pinned(store.read(f"{repository.identity.file_name}.pref") or b"")
    expected = client_files(repository, names, served)
    for name, data in expected.items():
        found = store.read(name)
        if found != data:
            report.add(name, "is missing" if found is None else "is not what clients should copy; a publish writes it anew")
    for suite in suites:
        if suite.startswith(PREFIX):
            _add_named(store, suite, report)
        elif repository.suite(suite).options.installable:
            for broken in every_broken(repository, repository.suite(suite)):
                report.add(f"dists/{suite}", f"cannot be installed: {broken.label}")


def _add_named(store: Store, suite: str, report: Report) -> None:
    """Check the object that keeps a named snapshot from gc: it must be of the packages that are served under the name."""
    name, served = object_name(suite.removeprefix(PREFIX)), store.read(f"dists/{suite}/Release")
    data = store.read(name)
    try:
        if data is None:
            report.add(name, "is missing")
        elif served is not None and f"\n{SNAPSHOT_FIELD}: {parse_named(data.decode()).snapshot}\n" not in served.decode():
            report.add(name, "is of other packages than those that are served under its name")
    except ValueError as error:
        report.add(name, f"wrong content: {error}")


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
                self._packages(release, self.repository.packages(release, component, architecture))
            if any(path.startswith(f"{component}/source/Sources") for path in release.indices):
                self._packages(release, self.repository.sources(release, component))

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
        live = self._read(f"dists/{self.suite}/InRelease")
        if self.suite.startswith(PREFIX):
            return
        name = generation_name(self.suite, int(generation))
        copy = self._read(name)
        if copy is not None and copy != live:
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

    def _packages(self, release: Release, stanzas: Iterator[Stanza]) -> None:
        """Check every package of an index with all that it names: a source's files, and what lies beside either."""
        for stanza in self._stanzas(stanzas):
            try:
                files = [(release.file(name), digest) for name, digest in _named_files(stanza)]
            except (KeyError, ValueError) as error:
                label = f"{stanza.get('Package', '?')} {stanza.get('Version', '?')}"[:MAX_FIELD]
                self._found(label, f"its stanza is incomplete: {error}")
                continue
            self._content(release, stanza, *files[0])
            if self.seen.get(files[0][0]) != files[0][1]:
                self.report.packages += 1
            for path, digest in files:
                if self.seen.get(path) != digest:
                    self._file(path, digest)
                    self.seen[path] = digest

    def _content(self, release: Release, stanza: Stanza, path: str, digest: Digest) -> None:
        """Check that one name, version and architecture has one content: in a suite, and in all suites of our repositories.

        apt takes the first it meets and says nothing.
        """
        scope = "" if SNAPSHOT_FIELD in release.fields else release.suite
        architecture = stanza.get("Architecture", "") if "Filename" in stanza else SOURCE
        key = scope, stanza.get("Package", ""), stanza.get("Version", ""), architecture
        other, sha256 = self.contents.setdefault(key, (path, digest.sha256))
        if sha256 != digest.sha256:
            self._found(path, f"has the same name, version and architecture as {other}, and other bytes")

    def _stanzas(self, stanzas: Iterator[Stanza]) -> Iterator[Stanza]:
        try:
            yield from stanzas
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
        self.report.add(path, problem)


def _named_files(stanza: Stanza) -> list[tuple[str, Digest]]:
    """Return every file that a stanza of Packages or Sources names, the package or the `.dsc` first.

    Raises `KeyError` or `ValueError` when it names them in no way that this tool, or apt, can follow.
    """
    if "Filename" in stanza:
        folder = stanza["Filename"].rpartition("/")[0]
        found = [(stanza["Filename"], Digest(int(stanza["Size"]), stanza["SHA256"]))]
    else:
        folder, listed = stanza["Directory"], parse_files(stanza["Checksums-Sha256"])
        files = sorted(listed, key=lambda file: not file.name.endswith(".dsc"))
        found = [(f"{folder}/{file.name}", Digest(file.size, file.sha256)) for file in files]
    beside = parse_files(stanza.get(BESIDE, ""))
    return found + [(f"{folder}/{file.name}", Digest(file.size, file.sha256)) for file in beside]


def _signed(signature: bytes, text: bytes, repository: AptRepository) -> bool:
    return signed_by(signature, text, repository.keyring, code=repository.code)
