"""The one reader of signed apt repositories: over `file:` or `http:`, ours or anybody's, nothing believed unsigned.

InRelease is checked with gpgv against a keyring, every index against InRelease, every file against its index; what is
returned has passed. Format: https://wiki.debian.org/DebianRepository/Format, what apt makes of it: apt-secure(8).
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from kubedeb.deb import DAMAGED, DebError, inflate
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.places import place
from kubedeb.process import Result, run
from kubedeb.release import Digest, Release, below, parse_release, safe_path
from kubedeb.stanza import Stanza, StanzaError, read
from kubedeb.xzblocks import Readable

BLOCK = 1024 * 1024
INDEX_FORMS = (".xz", ".zst", ".gz", ".bz2", "")
# apt takes a document that is signed text and signatures, and not a byte before or behind (measured with 2.6).
ALONE = re.compile(
    rb"-----BEGIN PGP SIGNED MESSAGE-----\r?\n(?:(?!-----)[^\n]*\n)*"
    rb"(?:-----BEGIN PGP SIGNATURE-----\r?\n(?:(?!-----)[^\n]*\n)+-----END PGP SIGNATURE-----(?:\r?\n|\Z))+"
)
# A Release of Debian's unstable has 200 KB, an index 50 MB; what unpacks to more is a bomb.
MAX_RELEASE = 32 * 1024 * 1024
MAX_INDEX = 4 * 1024 * 1024 * 1024
MAX_LINE = 4 * 1024 * 1024
TRIES = 3


class AptRepositoryError(KubedebError):
    """A repository cannot be read, or a part of it is not what its signature says; `path` names the part."""

    def __init__(self, path: str, problem: str, *, where: str, code: ExitCode, details: str = "") -> None:
        super().__init__(f"{path}: {problem}", details=f"In the repository {where}\n{details}".strip(), code=code)
        self.path = path
        self.problem = problem


def verified(document: bytes, keyring: Path, *, code: ExitCode) -> str:
    """Return the signed text of an InRelease. Raises `KubedebError` when no key of `keyring` (binary) has signed it.

    As apt does: one good signature is enough (others may be of keys not known here), one bad signature is too many, and so
    is a byte before the signed text or behind the signature.
    """
    if ALONE.fullmatch(document) is None:
        raise KubedebError(
            "the signature of InRelease is not good", details="it is not signed text and its signatures alone, as apt wants it",
            hint="Restore the file as it was signed.", code=code,
        )  # fmt: skip
    result = run(
        ["gpgv", "--weak-digest", "SHA1", "--status-fd", "2", "--keyring", keyring.absolute(), "--output", "-"],
        stdin=document, code=code, ok=(0, 1, 2), hint="Install gpgv.",
    )  # fmt: skip
    if not _signatures_are_good(result):
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
    `AptRepositoryError` that names the file. A suite that ends in `/` is the folder of a flat repository.
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
        """Return the suite's Release, its signature checked; Release.gpg's where there is no InRelease, as apt does."""
        path = safe_path(below(suite, "InRelease"))
        try:
            document = self.read(path)
        except AptRepositoryError as error:
            if error.problem != "is missing":
                raise
            old = below(suite, "Release")
            with suppress(AptRepositoryError):
                return self._parsed(suite, old, self._detached(old))
            raise
        return self._parsed(suite, path, verified(document, self.keyring, code=self.code))

    def _detached(self, path: str) -> str:
        text, signature = self.read(path), self.read(f"{path}.gpg")
        if not signed_by(signature, text, self.keyring, code=self.code):
            raise KubedebError(f"the signature of {path} is not good", details=f"In the repository {self.uri}", code=self.code)
        return text.decode(errors="replace")

    def _parsed(self, suite: str, path: str, text: str) -> Release:
        try:
            return parse_release(suite, text)
        except (StanzaError, ValueError) as error:
            raise self._error(path, f"not a Release: {error}") from error

    def packages(self, release: Release, component: str, architecture: str) -> Iterator[Stanza]:
        """Yield the stanzas of one Packages index, from the smallest form served, its digests checked on both sides."""
        yield from self._stanzas(release, _index_path(release, component, f"binary-{architecture}/Packages"))

    def sources(self, release: Release, component: str) -> Iterator[Stanza]:
        """Yield the stanzas of one Sources index, as `packages`."""
        yield from self._stanzas(release, _index_path(release, component, "source/Sources"))

    def _stanzas(self, release: Release, plain: str) -> Iterator[Stanza]:
        form = next((form for form in INDEX_FORMS if plain + form in release.indices), None)
        if form is None:
            raise self._error(release.path(plain), "InRelease names no such index")
        whole = release.indices.get(plain)
        with self.index(release, plain + form) as stream:
            try:
                yield from read(_lines(stream, form, whole))
            except (StanzaError, UnicodeDecodeError, DebError, *DAMAGED) as error:
                raise self._error(release.path(plain + form), f"not an index: {error}") from error

    @contextmanager
    def index(self, release: Release, path: str) -> Iterator[IO[bytes]]:
        """Give an index that InRelease names, whole and checked, by-hash where the repository offers that."""
        digest = release.indices[path]
        where = path
        if release.fields.get("Acquire-By-Hash") == "yes":
            where = f"{path.rpartition('/')[0]}/by-hash/SHA256/{digest.sha256}".lstrip("/")
        with self.file(release.path(where), digest) as stream:
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
        self._check(path, digest, hashlib.sha256(), 0, keep)

    def _check(self, path: str, digest: Digest, hashed: hashlib._Hash, size: int, keep: IO[bytes] | None) -> None:
        """Read a file on from `size`, what lies before being in `hashed` already."""
        try:
            with self._open(safe_path(path), size) as stream:
                while block := self._read(stream, path):
                    hashed.update(block)
                    size += len(block)
                    if size > digest.size:
                        break
                    if keep is not None:
                        keep.write(block)
        except ValueError as error:
            raise self._error(path, str(error)) from error
        if size != digest.size:
            found = f"more than {digest.size}" if size > digest.size else f"{size}"
            raise self._error(path, "wrong size", f"expected {digest.size} bytes, found {found}")
        if hashed.hexdigest() != digest.sha256:
            raise self._error(path, "wrong content", f"expected {digest.sha256}\nfound    {hashed.hexdigest()}")

    def fetch(self, path: str, digest: Digest, target: Path) -> None:
        """Bring a file to `target`, checked; `target` with `.part` behind holds what came before the connection broke off.

        Raises `AptRepositoryError` after some tries; what has come stays for the next run, unless it was wrong. `OSError` is
        the disk's.
        """
        part = target.with_name(f"{target.name}.part")
        for attempt in range(1, TRIES + 1):
            try:
                self._continue(path, digest, part)
                break
            except AptRepositoryError as error:
                # What is short may be continued; on wrong bytes nothing is built.
                if error.problem == "wrong content":
                    part.unlink(missing_ok=True)
                if attempt == TRIES or error.problem == "is missing":
                    raise
        part.replace(target)

    def _continue(self, path: str, digest: Digest, part: Path) -> None:
        hashed, size = hashlib.sha256(), 0
        with part.open("a+b") as stream:
            stream.seek(0)
            while block := stream.read(BLOCK):
                hashed.update(block)
                size += len(block)
            if size > digest.size:
                stream.truncate(0)
                hashed, size = hashlib.sha256(), 0
            if size < digest.size or size == 0:
                self._check(path, digest, hashed, size, stream)
            elif hashed.hexdigest() != digest.sha256:
                raise self._error(path, "wrong content", f"expected {digest.sha256}\nfound    {hashed.hexdigest()}")

    def read(self, path: str) -> bytes:
        """Return a file as it is, unchecked: for what no signature covers, or signs. At most 32 MiB of it."""
        blocks, size = [], 0
        with self._open(path) as stream:
            while block := self._read(stream, path):
                blocks.append(block)
                size += len(block)
                if size > MAX_RELEASE:
                    raise self._error(path, "is larger than 32 MiB")
        return b"".join(blocks)

    def _read(self, stream: IO[bytes], path: str) -> bytes:
        try:
            return stream.read(BLOCK)
        except OSError as error:
            raise self._error(path, f"cannot be read: {error}") from error

    @contextmanager
    def _open(self, path: str, start: int = 0) -> Iterator[IO[bytes]]:
        try:
            stream = self.place.open(path, start)
        except FileNotFoundError as error:
            raise self._error(path, "is missing") from error
        except OSError as error:
            raise self._error(path, f"cannot be read: {error.strerror or error}") from error
        with stream:
            yield stream

    def _error(self, path: str, problem: str, details: str = "") -> AptRepositoryError:
        return AptRepositoryError(path, problem, where=self.uri, code=self.code, details=details)


def signed_by(signature: bytes, text: bytes, keyring: Path, *, code: ExitCode) -> bool:
    """Return whether a detached signature of a text is a good one by a key in the keyring."""
    with tempfile.TemporaryDirectory(prefix="kubedeb-verify-") as folder:
        paths = Path(folder, "Release.gpg"), Path(folder, "Release")
        for path, data in zip(paths, (signature, text), strict=True):
            path.write_bytes(data)
        checked = run(["gpgv", "--weak-digest", "SHA1", "--status-fd", "2", "--keyring", keyring.absolute(), *paths],
                      code=code, ok=range(256))  # fmt: skip
    return _signatures_are_good(checked)


def _signatures_are_good(checked: Result) -> bool:
    status = [line.split()[1] for line in checked.stderr.decode(errors="replace").splitlines()
              if line.startswith("[GNUPG:] ")]  # fmt: skip
    return "GOODSIG" in status and "BADSIG" not in status


def _index_path(release: Release, component: str, name: str) -> str:
    """Return where an index lies below its suite; a flat repository has one of each, in its folder."""
    return name.rpartition("/")[2] if release.flat else f"{component}/{name}"


def _lines(stream: Readable, form: str, whole: Digest | None) -> Iterator[str]:
    """Yield an index's lines. Raises `DebError` for a bomb: more than InRelease says it unpacks to, or a line without end."""
    inflated = inflate(stream, form, whole.size if whole else MAX_INDEX)
    rest = b""
    while block := inflated.read(BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line.decode()
        if len(rest) > MAX_LINE:
            raise DebError("a line of it has more than 4 MiB")
    if rest:
        yield rest.decode()
