"""A suite's indices and the Release that names them. Equal packages give equal bytes; only what changed is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from kubedeb.dates import written
from kubedeb.files import sha256_bytes
from kubedeb.records import frozen
from kubedeb.release import Digest
from repo.models import COMPONENT, FORMS, SOURCE, Identity, Package, Suite
from repo.snapshots import Load, Snapshot

if TYPE_CHECKING:
    from repo.contents import Lister
    from repo.pieces import Pieces

GENERATION_FIELD = "Kubedeb-Generation"
SNAPSHOT_FIELD = "Kubedeb-Snapshot"
TRANSLATION = f"{COMPONENT}/i18n/Translation-en"


class Text(Protocol):
    """What packages contribute to an index; Contents asks what each lays down."""

    def __call__(self, packages: Iterable[Package], paths: Lister, /) -> str:
        """Return the text."""


class Told(Enum):
    """What an index tells of the packages in it: the stanzas of binaries, those of sources, something else."""

    BINARIES = "binaries"
    SOURCES = "sources"
    OTHER = "other"


@frozen
class Kind:
    """An index that is put together chunk by chunk: its path below the suite's folder, and what packages contribute to it.

    `variant` tells apart the pieces of one path that are made in more than one way.
    """

    path: str
    text: Text
    told: Told = Told.OTHER
    variant: str = ""

    @property
    def key(self) -> str:
        """Return the name under which its pieces are kept."""
        return self.path + self.variant


@frozen
class Indices:
    """A suite's indices: what Release lists, and the bytes of all compressed forms by path.

    The uncompressed form is listed though it is not served: apt ignores, without a word, an index that lacks it.
    """

    listed: dict[str, Digest]
    data: dict[str, bytes]


@frozen
class Listed:
    """Indices that are in the store already: the suite in whose folder they lie, and what its Release says of them."""

    suite: str
    indices: Mapping[str, Digest]

    def fits(self, suite: Suite) -> bool:
        """Return whether they are all that `suite` has, in all its forms."""
        return self.indices.keys() == index_paths(suite)


def packages_text(architecture: str, packages: Iterable[Package], _: Lister | None = None, *, short: bool = False) -> str:
    """Return the part of an architecture's Packages index that is about `packages`; `all` is in each.

    `short`: the long descriptions stand in Translation-en.
    """
    stanzas = (package.stanza for package in packages if package.architecture in (architecture, "all"))
    if short:
        from repo.descriptions import apart

        stanzas = (apart(stanza)[0] for stanza in stanzas)
    return "".join(f"{stanza}\n" for stanza in stanzas)


def _translations(packages: Iterable[Package], _: Lister) -> str:
    from repo.descriptions import translation_text

    return translation_text((package.name, package.stanza) for package in packages if package.architecture != SOURCE)


def sources_text(packages: Iterable[Package], _: Lister | None = None) -> str:
    """Return the part of the Sources index that is about `packages`."""
    return "".join(f"{package.stanza}\n" for package in packages if package.architecture == SOURCE)


def kinds(suite: Suite) -> tuple[Kind, ...]:
    """Return the indices that a suite has. A further kind that is ordered by package name is one more row here."""
    options, names = suite.options, suite.architectures
    short = options.translations
    found = [Kind(f"{COMPONENT}/binary-{name}/Packages", partial(packages_text, name, short=short), Told.BINARIES,
                  " short" if short else "") for name in names]  # fmt: skip
    found.append(Kind(f"{COMPONENT}/source/Sources", sources_text, Told.SOURCES))
    if options.contents:
        from repo.contents import contents_text

        found += [Kind(f"{COMPONENT}/Contents-{name}", partial(contents_text, name)) for name in names]
    if options.translations:
        found.append(Kind(TRANSLATION, _translations))
    return tuple(found)


def index_paths(suite: Suite) -> set[str]:
    """Return the paths of all that a suite's Release lists."""
    return {kind.path + form for kind in kinds(suite) for form in ("", *suite.options.forms)}


def make_indices(snapshot: Snapshot, suite: Suite, load: Load, pieces: Pieces, paths: Lister) -> Indices:
    """Return the indices of a snapshot: chunks that `pieces` lacks are read by `load` and compressed, the rest is joined."""
    from repo import compression

    listed: dict[str, Digest] = {}
    data: dict[str, bytes] = {}
    chunks = [chunk.sha256 for chunk in snapshot.chunks]
    for kind in kinds(suite):

        def text(chunk: str, kind: Kind = kind) -> bytes:
            return kind.text(load(chunk), paths).encode(errors="surrogateescape")

        pieces.complete(kind.key, chunks, suite.options.forms, text)
        hashed, size = sha256(), 0
        for piece in pieces.read(kind.key, chunks, ""):
            hashed.update(piece)
            size += len(piece)
        listed[kind.path] = Digest(size, hashed.hexdigest())
        for form in suite.options.forms:
            path = kind.path + form
            data[path] = compression.FORMS[form].join(list(pieces.read(kind.key, chunks, form)))
            listed[path] = Digest(len(data[path]), sha256_bytes(data[path]))
    return Indices(listed, data)


def by_hash(path: str, digest: Digest) -> str:
    """Return the by-hash name of an index."""
    return f"{path.rpartition('/')[0]}/by-hash/SHA256/{digest.sha256}"


def index_objects(suite: str, listed: Mapping[str, Digest]) -> dict[str, str]:
    """Return the by-hash object of every compressed index that a Release lists, by path."""
    return {path: f"dists/{suite}/{by_hash(path, digest)}" for path, digest in listed.items() if path.endswith(FORMS)}


def release_text(
    identity: Identity, suite: Suite, generation: int, snapshot: str, date: int, listed: Mapping[str, Digest]
) -> str:
    """Return a suite's Release.

    SHA256 alone is listed, because apt asks for by-hash of the strongest that is listed and only SHA256 is served;
    `all` is no architecture of its own here, its packages are in each index. Valid-Until is there only where the suite
    asks for it: without somebody who signs again in time it would stop every client. Of `snapshots/NAME` apt wants to read
    that its Suite or Codename is `snapshots`.
    """
    options = suite.options
    fields = {
        "Origin": identity.origin,
        "Label": identity.label,
        "Suite": suite.name.partition("/")[0],
        "Codename": suite.name.rpartition("/")[2],
        "Date": written(date),
        "Valid-Until": written(date + options.valid_for) if options.valid_for else "",
        "NotAutomatic": "yes" if options.not_automatic else "",
        "ButAutomaticUpgrades": "yes" if options.but_automatic_upgrades else "",
        "Acquire-By-Hash": "yes",
        "No-Support-for-Architecture-all": "Packages",
        "Architectures": " ".join(suite.architectures),
        "Components": COMPONENT,
        "Description": f"{identity.label} {suite.name}",
        GENERATION_FIELD: str(generation),
        SNAPSHOT_FIELD: snapshot,
    }
    head = "".join(f"{name}: {value}\n" for name, value in fields.items() if value)
    rows = "".join(f" {digest.sha256} {digest.size:>12} {path}\n" for path, digest in sorted(listed.items()))
    return f"{head}SHA256:\n{rows}"
