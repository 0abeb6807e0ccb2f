"""Packages indices and the Release that names them. Pure: packages in, bytes out; equal packages, equal bytes."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from kubedeb.aptrepo import Digest
from kubedeb.files import sha256_bytes
from repo.models import COMPONENT, Identity, Package, Suite

GENERATION_FIELD = "Kubedeb-Generation"
SNAPSHOT_FIELD = "Kubedeb-Snapshot"
FORMS = (".gz", ".xz")


@dataclass(frozen=True)
class Indices:
    """A suite's indices: what Release lists, and the bytes of those that are new.

    The uncompressed form is listed though it is not served: apt ignores, without a word, an index that lacks it.
    """

    listed: dict[str, Digest]
    new: dict[str, bytes]


def packages_text(packages: Iterable[Package], architecture: str) -> str:
    """Return the Packages index of one architecture; `all` is in each."""
    chosen = (package for package in packages if package.architecture in (architecture, "all"))
    return "".join(f"{package.stanza}\n" for package in chosen)


def make_indices(packages: Sequence[Package], suite: Suite, known: Mapping[str, Digest]) -> Indices:
    """Return the indices of `packages`. An index that `known` (the live Release's) has already is not compressed again."""
    listed: dict[str, Digest] = {}
    new: dict[str, bytes] = {}
    for architecture in suite.architectures:
        path = f"{COMPONENT}/binary-{architecture}/Packages"
        text = packages_text(packages, architecture).encode()
        listed[path] = Digest(len(text), sha256_bytes(text))
        for form in FORMS:
            if known.get(path) == listed[path] and path + form in known:
                listed[path + form] = known[path + form]
            else:
                data = compress(text, form)
                new[path + form] = data
                listed[path + form] = Digest(len(data), sha256_bytes(data))
    return Indices(listed, new)


def compress(data: bytes, form: str) -> bytes:
    """Return `data` as `.gz` or `.xz`; neither holds a time or a name."""
    if form == ".gz":
        return gzip.compress(data, compresslevel=9, mtime=0)
    return lzma.compress(data, preset=6)


def by_hash(path: str, digest: Digest) -> str:
    """Return the by-hash name of an index."""
    return f"{path.rpartition('/')[0]}/by-hash/SHA256/{digest.sha256}"


def release_text(
    identity: Identity, suite: Suite, generation: int, snapshot: str, date: int, listed: Mapping[str, Digest]
) -> str:
    """Return a suite's Release.

    SHA256 alone is listed, because apt asks for by-hash of the strongest that is listed and only SHA256 is served;
    `all` is no architecture of its own here, its packages are in each index. There is no Valid-Until: without somebody
    who signs again in time it would stop every client.
    """
    fields = {
        "Origin": identity.origin,
        "Label": identity.label,
        "Suite": suite.name,
        "Codename": suite.name,
        "Date": format_datetime(datetime.fromtimestamp(date, UTC)),
        "Acquire-By-Hash": "yes",
        "No-Support-for-Architecture-all": "Packages",
        "Architectures": " ".join(suite.architectures),
        "Components": COMPONENT,
        "Description": f"{identity.label} {suite.name}",
        GENERATION_FIELD: str(generation),
        SNAPSHOT_FIELD: snapshot,
    }
    head = "".join(f"{name}: {value}\n" for name, value in fields.items())
    rows = "".join(f" {digest.sha256} {digest.size:>12} {path}\n" for path, digest in sorted(listed.items()))
    return f"{head}SHA256:\n{rows}"
