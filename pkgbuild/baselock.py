"""The lock of a base root: every package in it by version and sha256; its digest is part of each build's."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from kubedeb.files import canonical_json, sha256_bytes
from kubedeb.records import frozen
from pkgbuild.indexentry import IndexEntry

INCLUDE = ("debhelper", "dpkg-dev")
"""What a build root holds beside Debian's minimal system."""


@frozen
class BaseLock:
    """A base root of one suite and architecture, package by package in order of name."""

    suite: str
    architecture: str
    include: tuple[str, ...]
    packages: tuple[IndexEntry, ...]

    @cached_property
    def digest(self) -> str:
        """Return the sha256 that names the base."""
        return sha256_bytes(self.as_json().encode())

    @property
    def tag(self) -> str:
        """Return the name of the docker image that the root is imported as."""
        return f"kubedeb/base:{self.suite}-{self.architecture}-{self.digest[:12]}"

    def as_json(self) -> str:
        """Return the lock as the store keeps it."""
        packages = [vars(package) for package in self.packages]  # `asdict` copies deeply, which every command would wait for
        about = {"suite": self.suite, "architecture": self.architecture, "include": self.include}
        return canonical_json({**about, "packages": packages})

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> BaseLock:
        """Return the lock that `as_json` wrote. Raises `KeyError` or `TypeError` when the data are not a lock."""
        packages = tuple(IndexEntry(**entry) for entry in data["packages"])
        return cls(data["suite"], data["architecture"], tuple(data["include"]), packages)


def changed(lock: BaseLock, newest: Iterable[IndexEntry]) -> list[str]:
    """Return what a root made now would hold instead, one line each; the same versions have the same dependencies."""
    return packages_changed(lock.packages, newest)


def packages_changed(locked: Iterable[IndexEntry], newest: Iterable[IndexEntry]) -> list[str]:
    """Return which of the locked packages are gone or others in `newest`, one line each; pure."""
    now = {entry.name: entry for entry in newest}
    lines = []
    for package in locked:
        entry = now.get(package.name)
        if entry is None:
            lines.append(f"{package.name} {package.version} is gone")
        elif (entry.version, entry.sha256) != (package.version, package.sha256):
            lines.append(f"{package.name} {package.version} → {entry.version}")
    return lines


def installed(status: str) -> dict[str, str]:
    """Return {name: version} of the installed packages in dpkg's status file."""
    from debian.deb822 import Deb822

    return {
        entry["Package"]: entry["Version"]
        for entry in Deb822.iter_paragraphs(status, use_apt_pkg=False)
        if entry.get("Status") == "install ok installed"
    }
