"""A signed Release as a value: its fields, its dates, and the digest of every index that it lists. Pure.

Format: https://wiki.debian.org/DebianRepository/Format.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePosixPath

from kubedeb.dates import read_date
from kubedeb.records import frozen
from kubedeb.stanza import Stanza, one

CHECKSUM = re.compile(r"([0-9a-f]{64})\s+([0-9]+)\s+(\S+)")


@frozen
class Digest:
    """What a signed file says about another: size in bytes and sha256 in hex."""

    size: int
    sha256: str


@frozen
class Release:
    """A suite's signed Release: its text, its fields, and the digest of every index by path below `dists/SUITE/`."""

    suite: str
    text: str
    fields: Stanza
    indices: dict[str, Digest]

    @property
    def date(self) -> datetime:
        """Return when the release was made, in UTC."""
        return read_date(self.fields["Date"])

    @property
    def flat(self) -> bool:
        """Return whether the suite is a folder with packages and one index, as sources.list(5) writes it: `./`."""
        return self.suite.endswith("/")

    def path(self, name: str) -> str:
        """Return where one of the suite's own files lies in the repository."""
        return below(self.suite, name)

    def file(self, filename: str) -> str:
        """Return where a file of an index lies in the repository: a flat repository counts from its own folder."""
        return below(self.suite, filename.removeprefix("./")) if self.flat else filename

    @property
    def valid_until(self) -> datetime | None:
        """Return when it expires, in UTC, None when it never does. Raises `ValueError` when that is no date."""
        text = self.fields.get("Valid-Until")
        return read_date(text) if text else None

    @property
    def architectures(self) -> tuple[str, ...]:
        """Return the architectures it has indices for."""
        return tuple(self.fields.get("Architectures", "").split())

    @property
    def components(self) -> tuple[str, ...]:
        """Return its components; some archives write them with the suite's folder before."""
        return tuple(name.rpartition("/")[2] for name in self.fields.get("Components", "").split())


def below(suite: str, name: str) -> str:
    """Return where a file of a suite lies in its repository; a suite that ends in `/` is a folder."""
    parts = [part for part in suite.split("/") if part not in ("", ".")]
    return "/".join([*parts, name] if suite.endswith("/") else ["dists", suite, name])


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
    read_date(fields["Date"])
    return Release(suite, text, fields, indices)


def safe_path(path: str) -> str:
    """Return `path`, a relative one. Raises `ValueError` when it would lead out of the repository."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError(f"a path leads out of the repository: {path!r}")
    return path
