"""What the repository is made of: packages, suites, snapshots, drafts, generations. Values only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from kubedeb.deb import Deb
from kubedeb.files import sha256_bytes

COMPONENT = "main"
# What the repository itself says about a package; a package that brings its own would contradict it.
OWN_FIELDS = ("Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512", "Description-md5")


@dataclass(frozen=True, order=True)
class Package:
    """A binary package in the pool, known by the sha256 of its bytes; `stanza` is its part of a Packages index."""

    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    stanza: str

    @property
    def label(self) -> str:
        """Return `name version architecture`, for people."""
        return f"{self.name} {self.version} {self.architecture}"


def pool_name(name: str, version: str, architecture: str, sha256: str) -> str:
    """Return where a package lies in the store: by content, under the file name that apt and dpkg users expect."""
    without_epoch = version.rpartition(":")[2]
    return f"pool/{sha256[:2]}/{sha256}/{name}_{without_epoch}_{architecture}.deb"


def package_of(deb: Deb) -> Package:
    """Return the package that a `.deb` is. Raises `ValueError` when it carries a field that the repository writes."""
    for name in OWN_FIELDS:
        if name in deb.control:
            raise ValueError(f"its control file has the field {name}, which only a repository may write")
    filename = pool_name(deb.name, deb.version, deb.architecture, deb.sha256)
    stanza = f"{deb.control.text()}Filename: {filename}\nSize: {deb.size}\nSHA256: {deb.sha256}\n"
    return Package(deb.name, deb.version, deb.architecture, deb.sha256, deb.size, stanza)


@dataclass(frozen=True)
class Suite:
    """A suite: its name (also its codename) and the architectures it has indices for."""

    name: str
    architectures: tuple[str, ...]


@dataclass(frozen=True)
class Identity:
    """Who the repository is. Origin and label are frozen at `init`: apt refuses a repository that changes them."""

    origin: str
    label: str
    url: str
    fingerprint: str
    suites: tuple[Suite, ...]

    def suite(self, name: str) -> Suite | None:
        """Return the suite called `name`, if there is one."""
        return next((suite for suite in self.suites if suite.name == name), None)

    @property
    def file_name(self) -> str:
        """Return the origin as file names carry it."""
        return self.origin.lower()


@dataclass(frozen=True, order=True)
class Member:
    """A package as a snapshot names it."""

    name: str
    version: str
    architecture: str
    sha256: str

    @property
    def pool_name(self) -> str:
        """Return where its bytes lie in the store."""
        return pool_name(self.name, self.version, self.architecture, self.sha256)

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what apt and dpkg know it by: one content only, ever, may have this name, version and architecture."""
        return self.name, self.version, self.architecture

    @property
    def label(self) -> str:
        """Return `name version architecture`, for people."""
        return " ".join(self.key)


@dataclass(frozen=True)
class Snapshot:
    """An immutable set of packages; its id is the sha256 of its own text, which is an object in the store."""

    members: tuple[Member, ...]

    @classmethod
    def of(cls, members: Iterable[Member]) -> Snapshot:
        """Return the snapshot of `members`, whatever their order."""
        return cls(tuple(sorted(set(members))))

    def text(self) -> str:
        """Return the object's text: JSON, one package a line."""
        rows = ",\n".join(
            json.dumps([member.name, member.version, member.architecture, member.sha256]) for member in self.members
        )
        return f'{{"format": 1, "packages": [\n{rows}\n]}}\n'

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Return the snapshot written as `text`: the inverse of `text()`. Raises `ValueError` when it is none."""
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("format") != 1:
            raise ValueError("not a snapshot of format 1")
        try:
            return cls.of(Member(*map(str, row)) for row in document["packages"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a snapshot: {error!r}") from error

    @property
    def id(self) -> str:
        """Return the sha256 of the text, in hex."""
        return sha256_bytes(self.text().encode())


class Action(Enum):
    """What a draft does with a package when it is published."""

    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True)
class Change:
    """One change of a draft. A draft is changes, not a set, so that it can be applied to a newer generation too."""

    action: Action
    member: Member


def apply_draft(base: Snapshot, draft: Iterable[Change]) -> Snapshot:
    """Return the snapshot that publishing `draft` over `base` makes; what is removed leaves with every content it has."""
    changes = list(draft)
    leaving = {change.member.key for change in changes if change.action is Action.REMOVE}
    added = {change.member for change in changes if change.action is Action.ADD}
    return Snapshot.of({member for member in base.members if member.key not in leaving} | added)


def contradictions(members: Iterable[Member], elsewhere: Iterable[Member] = ()) -> list[tuple[Member, Member]]:
    """Return the pairs of one name, version and architecture with two contents, in `members` or of it and `elsewhere`."""
    first: dict[tuple[str, str, str], Member] = {}
    wanted = sorted(set(members))
    within = [(seen, member) for member in wanted if (seen := first.setdefault(member.key, member)) != member]
    across = [(first[member.key], member) for member in sorted(set(elsewhere) - set(wanted)) if member.key in first]
    return within + across
