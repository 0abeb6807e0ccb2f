"""Upstream versions (semantic) and Debian versions, both ordered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache, total_ordering
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import semver

UPSTREAM = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?")
DEBIAN = re.compile(r"(?:(?P<epoch>\d+):)?(?P<upstream>[0-9][A-Za-z0-9.+~:-]*?)(?:-(?P<revision>[A-Za-z0-9+.~]+))?")
PARTS = re.compile(r"(\D*)(\d*)")


@total_ordering
@dataclass(frozen=True, eq=True)
class Version:
    """An upstream version: `3.4.23`, `v1.10.0-beta.2`. Ordered as semver says; `3.4` means 3.4.0."""

    major: int
    minor: int
    patch: int = 0
    pre: str = ""

    def __hash__(self) -> int:
        """Return the numbers as one: versions are looked up a thousand times as often as they are made."""
        return self.major << 40 ^ self.minor << 20 ^ self.patch

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, text: str) -> Version:
        """Return the version written as `text`. Raises `ValueError` when it is none."""
        match = UPSTREAM.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a version (expected 1.10.13 or 1.10.0-rc.1)")
        major, minor, patch, pre = match.groups()
        return cls(int(major), int(minor), int(patch or 0), pre or "")

    @property
    def line(self) -> tuple[int, int]:
        """Return (major, minor): what the field calls the minor, 3.4 of 3.4.23."""
        return self.major, self.minor

    def __lt__(self, other: Version) -> bool:
        if not self.pre and not other.pre:
            return (self.major, self.minor, self.patch) < (other.major, other.minor, other.patch)
        return self._semver() < other._semver()

    def _semver(self) -> semver.Version:
        import semver

        return semver.Version(self.major, self.minor, self.patch, self.pre or None)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" + (f"-{self.pre}" if self.pre else "")


def is_version(text: str) -> bool:
    """Say whether `Version.parse` can read it."""
    try:
        Version.parse(text)
    except ValueError:
        return False
    return True


@total_ordering
@dataclass(frozen=True, eq=False)
class DebianVersion:
    """A Debian version `[epoch:]upstream[-revision]`, ordered as dpkg orders it (deb-version(7))."""

    text: str

    def __post_init__(self) -> None:
        if DEBIAN.fullmatch(self.text) is None or self.text.endswith("-"):
            raise ValueError(f"{self.text!r} is not a Debian version (see deb-version(7))")

    @property
    def upstream(self) -> str:
        """Return the upstream part, without epoch and revision."""
        return self._split()[1]

    def _split(self) -> tuple[int, str, str]:
        epoch, _, rest = self.text.partition(":") if re.match(r"\d+:", self.text) else ("", "", self.text)
        upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
        return int(epoch or 0), upstream, revision

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DebianVersion) and compare_debian(self.text, other.text) == 0

    def __hash__(self) -> int:
        epoch, upstream, revision = self._split()
        return hash((epoch, tuple(_parts(upstream)), tuple(_parts(revision))))

    def __lt__(self, other: DebianVersion) -> bool:
        return compare_debian(self.text, other.text) < 0

    def __str__(self) -> str:
        return self.text


def compare_debian(left: str, right: str) -> int:
    """Return -1, 0 or 1 as dpkg would order two Debian versions."""
    one, two = DebianVersion(left)._split(), DebianVersion(right)._split()
    if one[0] != two[0]:
        return -1 if one[0] < two[0] else 1
    return _compare(one[1], two[1]) or _compare(one[2], two[2])


def _compare(left: str, right: str) -> int:
    for one, two in zip_longest(_parts(left), _parts(right), fillvalue=((0,), 0)):
        if one != two:
            return -1 if one < two else 1
    return 0


def _parts(text: str) -> list[tuple[tuple[int, ...], int]]:
    """Split into (letters as weights, number) pairs; a shorter run of letters ends in 0, which only `~` sorts below."""
    found = [((*(_weight(letter) for letter in letters), 0), int(digits or 0)) for letters, digits in PARTS.findall(text)]
    while found and found[-1] == ((0,), 0):
        found.pop()
    return found


def _weight(letter: str) -> int:
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 256
