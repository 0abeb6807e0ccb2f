"""Relations between packages as dpkg writes them (deb-control(5)): read, checked, and asked of a package; pure.

`name[:arch] [(op version)] [[arch…]]`, `|` between alternatives, `,` between what must all hold. A query is the same with
globs in name and version, and `NAME=VERSION` as apt writes it.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache

from kubedeb.deb import PACKAGE
from kubedeb.records import frozen
from kubedeb.versions import DebianVersion, compare_debian

TERM = re.compile(
    r"\s*(?P<name>[^\s:()\[\]<>=|,]+)(?::(?P<qualifier>[a-z0-9*-]+))?\s*"
    r"(?:\(\s*(?P<operator><<|<=|>=|>>|=|<|>)\s*(?P<version>[^\s()]+)\s*\)|=(?P<exact>[^\s()]+))?\s*"
    r"(?:\[(?P<only>[a-z0-9!\s-]+)\])?\s*"
)
# dpkg reads the old < and > as <= and >=.
SIGNS = {"<<": (-1,), "<=": (-1, 0), "<": (-1, 0), "=": (0,), ">=": (0, 1), ">": (0, 1), ">>": (1,)}


@frozen
class Term:
    """One relation: a name (with globs in a query), what the version must be, which architectures it is about."""

    name: str
    operator: str = ""
    version: str = ""
    qualifier: str = ""
    only: tuple[str, ...] = ()

    def matches(self, name: str, version: str, architecture: str) -> bool:
        """Return whether a package is what the term asks for."""
        return fnmatchcase(name, self.name) and self._at(architecture) and self._of(version)

    def _at(self, architecture: str) -> bool:
        if self.qualifier not in ("", "any") and not fnmatchcase(architecture, self.qualifier):
            return False
        refused = [item[1:] for item in self.only if item.startswith("!")]
        return architecture not in refused and (bool(refused) or not self.only or architecture in self.only)

    def _of(self, version: str) -> bool:
        if not self.operator:
            return True
        if self.operator == "=" and is_glob(self.version):
            return fnmatchcase(version, self.version)
        return compare_debian(version, self.version) in SIGNS[self.operator]


@frozen
class Query:
    """What must all hold of a package, each as any of its alternatives."""

    groups: tuple[tuple[Term, ...], ...]

    def matches(self, name: str, version: str, architecture: str) -> bool:
        """Return whether a package is what the query asks for."""
        return all(any(term.matches(name, version, architecture) for term in group) for group in self.groups)


def is_glob(text: str) -> bool:
    """Return whether a text has a glob in it."""
    return any(letter in text for letter in "*?")


def plain(query: str) -> bool:
    """Return whether a query is `NAME` or `NAME=VERSION`, for which one can say what there is instead."""
    return not any(letter in query for letter in "*?,|()[]: ") or (
        query.count("=") == 1 and not any(c in query for c in "*?,|()[] ")
    )


def parse_query(text: str) -> Query:
    """Return the query written as `text`. Raises `ValueError` with the part that is none."""
    return Query(tuple(tuple(_term(part) for part in group.split("|")) for group in text.split(",")))


def _term(text: str) -> Term:
    match = TERM.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text.strip()!r} is not a package as dpkg writes a dependency: NAME, NAME (>= VERSION), NAME=VERSION"
        )
    operator, version = ("=", match["exact"]) if match["exact"] else (match["operator"] or "", match["version"] or "")
    if version and not (operator == "=" and is_glob(version)):
        DebianVersion(version)
    return Term(match["name"], operator, version, match["qualifier"] or "", tuple((match["only"] or "").split()))


# The fields by which dpkg and apt decide what may be installed beside what.
FIELDS = ("Pre-Depends", "Depends", "Recommends", "Suggests", "Enhances", "Breaks", "Conflicts", "Replaces", "Provides")
ALTERNATIVES = frozenset({"Pre-Depends", "Depends", "Recommends", "Suggests", "Enhances"})


# The packages of an archive say the same again and again.
@lru_cache(maxsize=4096)
def wrong_relation(field: str, value: str) -> str:
    """Return what dpkg or apt would not read in a relation field of a binary package, empty when all is well."""
    for part in re.split(r"[,|]" if field in ALTERNATIVES else ",", value.replace("\n", " ")):
        try:
            term = _term(part)
        except ValueError:
            return f"its field {field} has {part.strip()[:80]!r}, which is no relation"
        if PACKAGE.fullmatch(term.name) is None or term.only or is_glob(term.version) or "*" in term.qualifier:
            return f"its field {field} has {part.strip()[:80]!r}, which is no relation of a binary package"
        if field == "Provides" and term.operator not in ("", "="):
            return f"its field Provides has {part.strip()[:80]!r}: only = is possible there"
    return ""
