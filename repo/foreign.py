"""What another repository offers, read strictly from its signed indices and chosen by queries. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kubedeb.deb import ARCHITECTURE, MAX_FIELD, PACKAGE, VERSION
from kubedeb.release import Digest, Release, safe_path
from kubedeb.stanza import Stanza
from kubedeb.versions import DebianVersion
from repo.models import SOURCE, Key, Named
from repo.poolfiles import FIELD, PoolFile, parse_files
from repo.relations import Query

HEX = frozenset("0123456789abcdef")
# apt's own patience with a clock (Acquire::Max-FutureTime).
FUTURE = timedelta(seconds=10)


@dataclass(frozen=True, order=True)
class Wanted:
    """A file of another repository: its path there, and what its signed index says of it."""

    path: str
    size: int
    sha256: str

    @property
    def digest(self) -> Digest:
        """Return size and sha256."""
        return Digest(self.size, self.sha256)

    @property
    def name(self) -> str:
        """Return the file's own name."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, order=True)
class Offer(Named):
    """A package of another repository, of architecture `source` for a source package (whose `main` is its `.dsc`).

    `parts` are the further files of a source, `beside` what was said about a package, where that repository is one of ours.
    """

    name: str
    version: str
    architecture: str
    main: Wanted
    parts: tuple[Wanted, ...] = ()
    beside: tuple[Wanted, ...] = ()

    @property
    def files(self) -> tuple[Wanted, ...]:
        """Return all its files, its own first."""
        return (self.main, *self.parts, *self.beside)


def binary(release: Release, stanza: Stanza) -> Offer:
    """Return what a stanza of Packages offers. Raises `ValueError` for what no repository may say."""
    name, version = _named(stanza, "Package"), _version(stanza)
    architecture = _field(stanza, "Architecture")
    if ARCHITECTURE.fullmatch(architecture) is None or architecture == SOURCE:
        raise ValueError(f"its Architecture is not valid: {architecture!r}")
    file = PoolFile("", _field(stanza, "SHA256"), _size(_field(stanza, "Size")))
    main = _wanted(release, _field(stanza, "Filename", 1024), file)
    return Offer(name, version, architecture, main, (), _beside(stanza, main.path))


def source(release: Release, stanza: Stanza) -> Offer:
    """Return what a stanza of Sources offers. Raises `ValueError` as `binary` does."""
    name, version = _named(stanza, "Package"), _version(stanza)
    folder = stanza.get("Directory", "")
    files = parse_files(stanza.get("Checksums-Sha256", ""))
    wanted = [_wanted(release, f"{folder}/{file.name}" if folder not in ("", ".") else file.name, file) for file in files]
    main = [file for file in wanted if file.name.endswith(".dsc")]
    if len(main) != 1:
        raise ValueError(f"it lists {len(main)} .dsc files with a sha256, where there must be one")
    parts = tuple(file for file in wanted if file is not main[0])
    return Offer(name, version, SOURCE, main[0], parts, _beside(stanza, main[0].path))


def _wanted(release: Release, path: str, file: PoolFile) -> Wanted:
    if len(file.sha256) != 64 or not HEX.issuperset(file.sha256):
        raise ValueError(f"its sha256 is not valid: {file.sha256[:MAX_FIELD]!r}")
    return Wanted(safe_path(release.file(path)), file.size, file.sha256)


def _beside(stanza: Stanza, path: str) -> tuple[Wanted, ...]:
    folder = path.rpartition("/")[0]
    return tuple(Wanted(safe_path(f"{folder}/{file.name}"), file.size, file.sha256)
                 for file in parse_files(stanza.get(FIELD, "")))  # fmt: skip


def _field(stanza: Stanza, name: str, most: int = MAX_FIELD) -> str:
    value = stanza.get(name, "")
    if not value:
        raise ValueError(f"it has no {name}")
    if len(value) > most:
        raise ValueError(f"its {name} is longer than {most} characters")
    return value


def _named(stanza: Stanza, field: str) -> str:
    name = _field(stanza, field)
    if PACKAGE.fullmatch(name) is None:
        raise ValueError(f"its {field} is not valid: {name!r}")
    return name


def _version(stanza: Stanza) -> str:
    version = _field(stanza, "Version")
    if VERSION.fullmatch(version) is None:
        raise ValueError(f"its Version is not valid: {version!r}")
    DebianVersion(version)
    return version


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise ValueError(f"its Size is not a number: {text!r}")
    return int(text)


def chosen(offers: Iterable[Offer], queries: Sequence[Query]) -> Iterator[Offer]:
    """Yield the packages that any of the queries asks for; without a query, all."""
    return (offer for offer in offers if not queries or any(query.matches(*offer.key) for query in queries))


def single(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """Return each package once, sorted. Raises `ValueError` when one version has two contents: apt takes the first it meets."""
    found: dict[Key, Offer] = {}
    for offer in offers:
        other = found.setdefault(offer.key, offer)
        if other.main.sha256 != offer.main.sha256:
            raise ValueError(f"{offer.label} is there with two contents: sha256 {other.main.sha256} and {offer.main.sha256}")
    return tuple(sorted(found.values()))


def out_of_date(release: Release, now: datetime) -> str:
    """Return why apt would not take a Release at `now`, else empty. Raises `ValueError` when its Valid-Until is no date."""
    until = release.valid_until
    if until is not None and until < now:
        return f"it has expired: Valid-Until is {until:%Y-%m-%d %H:%M} UTC"
    if release.date > now + FUTURE:
        return f"it is dated {release.date:%Y-%m-%d %H:%M:%S} UTC, ahead of this machine's clock"
    return ""
