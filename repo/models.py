"""What the repository is made of: packages, suites, snapshots, drafts, generations. Values only."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from kubedeb.records import frozen

if TYPE_CHECKING:
    from kubedeb.deb import Deb

COMPONENT = "main"
# The architecture of a row that is a source package.
SOURCE = "source"
# How an index may be compressed (`repo.compression` has a packer for each).
FORMS = (".gz", ".xz", ".zst")
# What apt and dpkg know a package by: one content only, ever, may have this name, version and architecture.
Key = tuple[str, str, str]
# What the repository itself says about a package; a package that brings its own would contradict it.
OWN_FIELDS = ("Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512", "Description-md5",
              "Kubedeb-Beside", "Phased-Update-Percentage")  # fmt: skip
OWN_NAMES = frozenset(name.lower() for name in OWN_FIELDS)


class Named:
    """What has a name, a version and an architecture."""

    __slots__ = ()
    name: str
    version: str
    architecture: str

    @property
    def key(self) -> Key:
        """Return name, version and architecture."""
        return self.name, self.version, self.architecture

    @property
    def label(self) -> str:
        """Return `name version architecture`, for people."""
        return " ".join(self.key)


class _PackageFields(NamedTuple):
    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    stanza: str


class Package(_PackageFields, Named):
    """A package in the pool, known by the sha256 of its bytes; `stanza` is its part of an index.

    A source package has the architecture `source`, the sha256 and size of its `.dsc`, and its stanza of Sources. It is a tuple,
    because a suite may have a hundred thousand of them.
    """

    __slots__ = ()

    @property
    def member(self) -> Member:
        """Return the package as drafts and diffs name it."""
        return Member(*self[:4])


def pool_folder(sha256: str) -> str:
    """Return the folder of a package in the store: by content. What belongs to the package lies in it too."""
    return f"pool/{sha256[:2]}/{sha256}"


def file_name(name: str, version: str, architecture: str) -> str:
    """Return the file name that apt and dpkg users expect; a source package is its `.dsc`."""
    without_epoch = version.rpartition(":")[2]
    return f"{name}_{without_epoch}.dsc" if architecture == SOURCE else f"{name}_{without_epoch}_{architecture}.deb"


def pool_name(name: str, version: str, architecture: str, sha256: str) -> str:
    """Return where a package lies in the store."""
    return f"{pool_folder(sha256)}/{file_name(name, version, architecture)}"


def package_of(deb: Deb) -> Package:
    """Return the package that a `.deb` is. Raises `ValueError` when it carries a field that the repository writes."""
    if not deb.control.names.keys().isdisjoint(OWN_NAMES):
        name = next(name for name in OWN_FIELDS if name in deb.control)
        raise ValueError(f"its control file has the field {name}, which only a repository may write")
    if deb.architecture == SOURCE:
        raise ValueError("its architecture is source, and it is a binary package")
    filename = pool_name(deb.name, deb.version, deb.architecture, deb.sha256)
    stanza = f"{deb.control.text()}Filename: {filename}\nSize: {deb.size}\nSHA256: {deb.sha256}\n"
    return Package(deb.name, deb.version, deb.architecture, deb.sha256, deb.size, stanza)


@frozen
class SuiteOptions:
    """How a suite is published. `not_automatic` and `but_automatic_upgrades` are frozen when it is made: apt refuses a change.

    `valid_for`: seconds until a Release expires, 0: never. `forms`: how indices are compressed. `retention`: seconds for
    which the indices of a generation stay after another took its place. `keep`: so many versions of a package stay when gc
    runs, 0: all. `keep_generations`: so many generations can be rolled back to, however old. `changes_keyring`: a folder of
    public keys; where it is set the suite takes nothing but `.changes` files that one of them has signed. `contents`: what
    packages lay down is listed, for apt-file. `translations`: long descriptions stand in Translation-en. `page`: the suite's
    web page is made anew with each generation.
    `gates`: what must have been stated about what comes (`lint`, `reproduced=2`); `gate_keys`: a folder of keys that count.
    `unlisted`: no host is told of the suite, as of staging. `default`: hosts are told of it before all others.
    `installable`: what changes must be installable, with the suites or `.sources` files in `background` behind it.
    """

    valid_for: int = 0
    not_automatic: bool = False
    but_automatic_upgrades: bool = False
    forms: tuple[str, ...] = (".gz", ".xz")
    retention: int = 7 * 24 * 3600
    keep: int = 0
    keep_generations: int = 10
    changes_keyring: str = ""
    contents: bool = False
    translations: bool = False
    page: bool = False
    unlisted: bool = False
    default: bool = False
    gates: tuple[str, ...] = ()
    gate_keys: str = ""
    installable: bool = False
    background: tuple[str, ...] = ()


@frozen
class Suite:
    """A suite: its name (also its codename), the architectures it has indices for, and how it is published."""

    name: str
    architectures: tuple[str, ...]
    options: SuiteOptions = SuiteOptions()


@frozen
class Identity:
    """Who the repository is. Origin and label are frozen at `init`: apt refuses a repository that changes them.

    `storage` is where the published bytes lie: `s3://BUCKET/PREFIX`, or empty for the folder `public/`.
    """

    origin: str
    label: str
    url: str
    fingerprint: str
    suites: tuple[Suite, ...]
    storage: str = ""
    endpoint_url: str = ""

    def suite(self, name: str) -> Suite | None:
        """Return the suite called `name`, if there is one."""
        return next((suite for suite in self.suites if suite.name == name), None)

    def only(self, names: Collection[str]) -> Identity:
        """Return the repository as somebody sees it who knows these suites alone."""
        return replace(self, suites=tuple(suite for suite in self.suites if suite.name in names))

    @property
    def listed(self) -> tuple[Suite, ...]:
        """Return the suites that hosts are told of, the one that a host follows by default first.

        While there are none but unlisted ones it is those: apt takes no `.sources` without a suite.
        """
        listed = [suite for suite in self.suites if not suite.options.unlisted]
        return tuple(sorted(listed or self.suites, key=lambda suite: not suite.options.default))

    @property
    def file_name(self) -> str:
        """Return the origin as file names carry it."""
        return self.origin.lower()


class _MemberFields(NamedTuple):
    name: str
    version: str
    architecture: str
    sha256: str


class Member(_MemberFields, Named):
    """A package without its stanza, as drafts and diffs name it."""

    __slots__ = ()

    @property
    def pool_name(self) -> str:
        """Return where its bytes lie in the store."""
        return pool_name(self.name, self.version, self.architecture, self.sha256)


class Action(Enum):
    """What a draft does with a package when it is published."""

    ADD = "add"
    REMOVE = "remove"


@frozen
class Change:
    """One change of a draft. A draft is changes, not a set, so that it can be applied to a newer generation too."""

    action: Action
    member: Member


def contradictions(members: Iterable[Member], elsewhere: Iterable[Member] = ()) -> list[tuple[Member, Member]]:
    """Return the pairs of one name, version and architecture with two contents, in `members` or of it and `elsewhere`."""
    first: dict[Key, Member] = {}
    wanted = sorted(set(members))
    within = [(seen, member) for member in wanted if (seen := first.setdefault(member.key, member)) != member]
    across = [(first[member.key], member) for member in sorted(set(elsewhere) - set(wanted)) if member.key in first]
    return within + across
