"""Packages as an index of ours tells them: the inverse of the index, for when the package list itself is lost. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kubedeb.stanza import one
from repo.descriptions import together
from repo.models import SOURCE, Package
from repo.poolfiles import parse_files


def rows_of_index(text: str, long: Mapping[str, str], *, source: bool) -> Iterator[Package]:
    """Yield the packages of a Packages or Sources index that this repository wrote. Raises `ValueError` for any other.

    `long` has the descriptions that stand apart, by digest.
    """
    for stanza in text.split("\n\n"):
        if not stanza.strip():
            continue
        try:
            yield _row(together(stanza.strip("\n") + "\n", long), source=source)
        except KeyError as error:
            raise ValueError(f"a stanza without {error.args[0]}") from error


def _row(stanza: str, *, source: bool) -> Package:
    fields = one(stanza)
    name, version = fields["Package"], fields["Version"]
    if not source:
        return Package(name, version, fields["Architecture"], fields["SHA256"], int(fields["Size"]), stanza)
    digest = fields["Directory"].rpartition("/")[2]
    sizes = [file.size for file in parse_files(fields["Checksums-Sha256"]) if file.sha256 == digest]
    if not sizes:
        raise ValueError(f"{name} {version} names no .dsc")
    return Package(name, version, SOURCE, digest, sizes[0], stanza)
