"""The one reader of signed apt repositories: over `file:` or `http:`, ours or anybody's, nothing believed unsigned.

InRelease is checked with gpgv against a keyring, every index against InRelease, every file against its index; what is
returned has passed. Format: https://wiki.debian.org/DebianRepository/Format, what apt makes of it: apt-secure(8).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, cast
from urllib.parse import quote, unquote, urlsplit

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.process import run
from kubedeb.stanza import Stanza, StanzaError, one, read

BLOCK = 1024 * 1024
TIMEOUT = 60
CHECKSUM = re.compile(r"([0-9a-f]{64})\s+([0-9]+)\s+(\S+)")
INDEX_FORMS = (".xz", ".gz", "")


class AptRepositoryError(KubedebError):
    """A repository cannot be read, or a part of it is not what its signature says; `path` names the part."""

    def __init__(self, path: str, problem: str, *, where: str, code: ExitCode, details: str = "") -> None:
        super().__init__(f"{path}: {problem}", details=f"In the repository {where}\n{details}".strip(), code=code)
        self.path = path
        self.problem = problem


@dataclass(frozen=True)
class Digest:
    """What a signed file says about another: size in bytes and sha256 in hex."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Release:
    """A suite's signed Release: its text, its fields, and the digest of every index by path below `dists/SUITE/`."""

    suite: str
    text: str
    fields: Stanza
    indices: dict[str, Digest]

    @property
    def date(self) -> datetime:
        """Return when the release was made, in UTC."""
        return parsedate_to_datetime(self.fields["Date"]).astimezone(UTC)

    @property
    def architectures(self) -> tuple[str, ...]:
        """Return the architectures it has indices for."""
        return tuple(self.fields.get("Architectures", "").split())

    @property
    def components(self) -> tuple[str, ...]:
        """Return its components; some archives write them with the suite's folder before."""
        return tuple(name.rpartition("/")[2] for name in self.fields.get("Components", "").split())


def parse_release(suite: str, text: str) -> Release:
    """Return the Release written as `text`. Raises `ValueError` when it is none or lists a path outside the suite."""
    fields = one(text)
    indices: dict[str, Digest] = {}
    for line in filter(None, (line.strip() for line in fields.get("SHA256", "").splitlines())):
        match = CHECKSUM.fullmatch(line)
        if match is None:
            raise ValueError(f"not a checksum: {line[:120]!r}")
        safe_path(match[3])
        indices[match[3]] = Digest(int(match[2]), match[1])
    if "Date" not in fields:
        raise ValueError("it has no Date")
    parsedate_to_datetime(fields["Date"])
    return Release(suite, text, fields, indices)


def safe_path(path: str) -> str:
    """Return `path`, a relative one. Raises `ValueError` when it would lead out of the repository."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError(f"a path leads out of the repository: {path!r}")
    return path


class Place(Protocol):
    """Where a repository lies."""

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading. Raises `FileNotFoundError` when there is none, `OSError` when it cannot be read."""


@dataclass(frozen=True)
class Folder:
    """A repository in a folder."""

    root: Path

    def open(self, path: str) -> IO[bytes]:
        """Open a file below the folder."""
        return (self.root / path).open("rb")


@dataclass(frozen=True)
class Web:
    """A repository behind a web server."""

    uri: str

    def open(self, path: str) -> IO[bytes]:
        """Open a file by GET; two more tries when the server does not answer."""
        import requests
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        session.mount(self.uri, HTTPAdapter(max_retries=2))
        # Without this the answer would be unpacked on the way, and the digest would be another.
        headers = {"Accept-Encoding": "identity"}
        answer = session.get(f"{self.uri.rstrip('/')}/{quote(path)}", stream=True, timeout=TIMEOUT, headers=headers)
        if answer.status_code == requests.codes.not_found:
            raise FileNotFoundError(path)
        if not answer.ok:
            raise OSError(f"the server answered {answer.status_code} {answer.reason}")
        return cast("IO[bytes]", _Body(answer.raw))


class _Body(io.RawIOBase):
    """The bytes of an answer as sent; urllib3's errors, which are no `OSError`, become one."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def read(self, size: int = -1) -> bytes:
        from urllib3.exceptions import HTTPError

        try:
            return bytes(self._raw.read(size))
        except HTTPError as error:
            raise OSError(f"the answer broke off: {error}") from error

    def close(self) -> None:
        self._raw.close()
        super().close()


def place(uri: str) -> Place:
    """Return the place that a path, a `file:` or an `http(s):` URI names. Raises `ValueError` for anything else."""
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        return Web(uri)
    if parts.scheme == "file":
        return Folder(Path(unquote(parts.path)))
    if parts.scheme == "" or not re.match(r"[a-z+]+:", uri):
        return Folder(Path(uri))
    raise ValueError(f"{uri}: only paths, file: and http: are read")


def verified(document: bytes, keyring: Path, *, code: ExitCode) -> str:
    """Return the signed text of an InRelease. Raises `KubedebError` when no key of `keyring` (binary) has signed it.

    As apt does: one good signature is enough (others may be of keys not known here), one bad signature is too many.
    """
    result = run(
        ["gpgv", "--weak-digest", "SHA1", "--status-fd", "2", "--keyring", keyring.absolute(), "--output", "-"],
        stdin=document, code=code, ok=(0, 1, 2), hint="Install gpgv.",
    )  # fmt: skip
    status = [line.split()[1] for line in result.stderr.decode(errors="replace").splitlines()
              if line.startswith("[GNUPG:] ")]  # fmt: skip
    if "GOODSIG" not in status or "BADSIG" in status:
        raise KubedebError(
            "the signature of InRelease is not good",
            details=result.stderr.decode(errors="replace").strip(),
            hint=f"Compare the keys in {keyring} with the fingerprint that the repository's owner gives.",
            code=code,
        )
    return result.text


class AptRepository:
    """An apt repository, read through its signatures.

    `uri` is a path, `file:` or `http:`; `keyring` a file of binary OpenPGP keys; `code` the exit code of every error, an
    `AptRepositoryError` that names the file.
    """

    def __init__(self, uri: str, keyring: Path, *, code: ExitCode) -> None:
        self.uri = uri
        self.keyring = keyring
        self.code = code
        try:
            self.place = place(uri)
        except ValueError as error:
            raise KubedebError(str(error), code=code) from error

    def release(self, suite: str) -> Release:
        """Return the suite's Release, its signature checked."""
        path = f"dists/{safe_path(suite)}/InRelease"
        with self._open(path) as stream:
            document = self._all(stream, path)
        text = verified(document, self.keyring, code=self.code)
        try:
            return parse_release(suite, text)
        except (StanzaError, ValueError) as error:
            raise self._error(path, f"not a Release: {error}") from error

    def packages(self, release: Release, component: str, architecture: str) -> Iterator[Stanza]:
        """Yield the stanzas of one Packages index, from the smallest form served, its digests checked on both sides."""
        plain = f"{component}/binary-{architecture}/Packages"
        form = next((form for form in INDEX_FORMS if plain + form in release.indices), None)
        if form is None:
            raise self._error(f"dists/{release.suite}/{plain}", "InRelease names no such index")
        with self.index(release, plain + form) as stream:
            try:
                yield from read(_text(stream, form))
            except (StanzaError, UnicodeDecodeError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
                raise self._error(f"dists/{release.suite}/{plain}{form}", f"not an index: {error}") from error

    @contextmanager
    def index(self, release: Release, path: str) -> Iterator[IO[bytes]]:
        """Give an index that InRelease names, whole and checked, by-hash where the repository offers that."""
        digest = release.indices[path]
        where = f"dists/{release.suite}/{path}"
        if release.fields.get("Acquire-By-Hash") == "yes":
            where = f"dists/{release.suite}/{PurePosixPath(path).parent}/by-hash/SHA256/{digest.sha256}"
        with self.file(where, digest) as stream:
            yield stream

    @contextmanager
    def file(self, path: str, digest: Digest) -> Iterator[IO[bytes]]:
        """Give a file, checked, in a temporary file that goes away with the block."""
        with tempfile.TemporaryFile() as kept:
            self.check(path, digest, keep=kept)
            kept.seek(0)
            yield kept

    def check(self, path: str, digest: Digest, *, keep: IO[bytes] | None = None) -> None:
        """Read a file to its end and compare it with `digest`. Raises `AptRepositoryError` with both digests."""
        hashed, size = hashlib.sha256(), 0
        try:
            with self._open(safe_path(path)) as stream:
                while block := self._read(stream, path):
                    hashed.update(block)
                    size += len(block)
                    if keep is not None:
                        keep.write(block)
                    if size > digest.size:
                        break
        except ValueError as error:
            raise self._error(path, str(error)) from error
        if size != digest.size:
            found = f"more than {digest.size}" if size > digest.size else f"{size}"
            raise self._error(path, "wrong size", f"expected {digest.size} bytes, found {found}")
        if hashed.hexdigest() != digest.sha256:
            raise self._error(path, "wrong content", f"expected {digest.sha256}\nfound    {hashed.hexdigest()}")

    def read(self, path: str) -> bytes:
        """Return a file as it is, unchecked: for what no signature covers."""
        with self._open(path) as stream:
            return self._all(stream, path)

    def _all(self, stream: IO[bytes], path: str) -> bytes:
        blocks = []
        while block := self._read(stream, path):
            blocks.append(block)
        return b"".join(blocks)

    def _read(self, stream: IO[bytes], path: str) -> bytes:
        try:
            return stream.read(BLOCK)
        except OSError as error:
            raise self._error(path, f"cannot be read: {error}") from error

    @contextmanager
    def _open(self, path: str) -> Iterator[IO[bytes]]:
        try:
            stream = self.place.open(path)
        except FileNotFoundError as error:
            raise self._error(path, "is missing") from error
        except OSError as error:
            raise self._error(path, f"cannot be read: {error.strerror or error}") from error
        with stream:
            yield stream

    def _error(self, path: str, problem: str, details: str = "") -> AptRepositoryError:
        return AptRepositoryError(path, problem, where=self.uri, code=self.code, details=details)


def _text(stream: IO[bytes], form: str) -> Iterator[str]:
    readers: dict[str, Callable[[IO[bytes]], AbstractContextManager[Any]]] = {".xz": lzma.open, ".gz": gzip.open}
    with readers.get(form, nullcontext)(stream) as opened:
        for line in opened:
            yield line.decode()
