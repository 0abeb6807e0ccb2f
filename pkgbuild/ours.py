"""Packages of our own as build dependencies, taken from any apt repository that a `.sources` file names."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from kubedeb.aptrepo import AptRepository
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.process import run
from kubedeb.records import frozen
from kubedeb.release import Digest
from kubedeb.stanza import Stanza, StanzaError, read
from kubedeb.versions import DebianVersion
from pkgbuild.builddeps import names
from pkgbuild.cache import Cache
from pkgbuild.checksum import Checksum
from pkgbuild.graph import OwnPackage
from pkgbuild.library import Chosen
from pkgbuild.spec import SourceNeeds, build_depends_of
from pkgbuild.target import Target


@frozen
class Offer:
    """A package that an apt repository offers: what it is, its path there, its size in bytes."""

    package: OwnPackage
    path: str
    size: int
    repository: AptRepository


def offers(files: Sequence[Path], wanted: Collection[str], architecture: str, where: Path) -> dict[str, Offer]:
    """Return the newest of each wanted package that the repositories of the `.sources` files offer.

    `where` is a folder for keyrings in binary form. Raises `KubedebError` (FETCH) when a file or repository cannot be read.
    """
    found: dict[str, Offer] = {}
    for file in files:
        for stanza in _stanzas(file):
            with _keyring(stanza, file, where) as keyring:
                for offer in _of_stanza(stanza, keyring, wanted, architecture):
                    held = found.get(offer.package.name)
                    if held is None or DebianVersion(held.package.version) < DebianVersion(offer.package.version):
                        found[offer.package.name] = offer
    return found


def offered(
    chosen: Iterable[Chosen], needs: Mapping[SourceNeeds, tuple[str, ...]], target: Target, files: Sequence[Path]
) -> dict[str, Offer]:
    """Return what the repositories of the `.sources` files offer of what recipes build-depend on; see `offers`."""
    depends = [relation for one in chosen for relation in build_depends_of(one, target.architecture, needs)]
    wanted = {name for relation in depends for name in names(relation)}
    return offers(files, wanted, target.architecture, target.store.folder / "tmp") if files and wanted else {}


def _stanzas(file: Path) -> list[Stanza]:
    try:
        stanzas = list(read(file.read_text().splitlines(keepends=True)))
    except (OSError, UnicodeDecodeError, StanzaError) as error:
        raise KubedebError(f"cannot read {file}", details=str(error), code=ExitCode.FETCH) from error
    for stanza in stanzas:
        if missing := [field for field in ("URIs", "Suites", "Components", "Signed-By") if field not in stanza]:
            raise KubedebError(
                f"{file} has no {missing[0]}", details="A .sources file as apt reads it, with its keyring, is needed.",
                hint="man 5 sources.list, DEB822-STYLE FORMAT", code=ExitCode.FETCH,
            )  # fmt: skip
    return stanzas


@contextmanager
def _keyring(stanza: Stanza, file: Path, where: Path) -> Iterator[Path]:
    """Give the keyring of a stanza in binary form; Signed-By names a file or holds the armoured key itself."""
    said = stanza["Signed-By"]
    if "BEGIN PGP" in said:
        lines = (line.strip() for line in said.splitlines())
        text = "\n".join("" if line == "." else line for line in lines).encode()
    else:
        path = Path(said.strip())
        try:
            text = path.read_bytes()
        except OSError as error:
            raise KubedebError(f"{file}: cannot read the keyring {path}", details=str(error), code=ExitCode.FETCH) from error
        if b"BEGIN PGP" not in text:
            yield path
            return
    where.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=where, prefix=".keyring-") as folder:
        binary = Path(folder) / "keyring.gpg"
        binary.write_bytes(run(["gpg", "--homedir", folder, "--dearmor"], stdin=text, code=ExitCode.FETCH).stdout)
        yield binary


def _of_stanza(stanza: Stanza, keyring: Path, wanted: Collection[str], architecture: str) -> Iterator[Offer]:
    for uri in stanza["URIs"].split():
        repository = AptRepository(uri, keyring, code=ExitCode.FETCH)
        for suite in stanza["Suites"].split():
            release = repository.release(suite)
            for component in stanza["Components"].split():
                for entry in repository.packages(release, component, architecture):
                    if entry["Package"] in wanted:
                        package = OwnPackage(entry["Package"], entry["Version"], entry["SHA256"])
                        yield Offer(package, entry["Filename"], int(entry["Size"]), repository)


def bring(offer: Offer, cache: Cache) -> Path:
    """Bring an offered package into the cache and return its file; its digest is the signed index's."""
    checksum = Checksum.sha256(offer.package.sha256)
    if held := cache.get(checksum):
        return held
    digest = Digest(offer.size, offer.package.sha256)
    with offer.repository.file(offer.path, digest) as stream, tempfile.NamedTemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.flush()
        return cache.adopt(Path(copy.name), checksum)
