"""Which of the machine's own apt sources serve Debian, and the same sources for another suite; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen

RELEASES = frozenset(
    {"bullseye", "bookworm", "trixie", "forky", "sid", "stable", "oldstable", "oldoldstable", "testing", "unstable"}
)
ROLLING = frozenset({"sid", "unstable"})
POCKETS = ("", "-updates", "-security")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
"""Debian's own keys: what is not signed with them is not Debian, wherever it comes from."""
OPTIONS = ("Acquire::http", "Acquire::https", "Acquire::Retries", "Acquire::Check-Valid-Until", "Acquire::Check-Date")
"""The host's apt settings that decide whether its mirror can be reached and believed."""


@frozen
class AptEntry:
    """One line of apt's sources: where, and which release."""

    uri: str
    release: str

    def line(self, architecture: str, *, source: bool = False) -> str:
        """Return the entry as a one-line apt source, trusted by Debian's own keys alone; `source`: of its source packages."""
        return f"{'deb-src' if source else 'deb'} [arch={architecture} signed-by={KEYRING}] {self.uri} {self.release} main\n"


def pocket_of(release: str) -> str | None:
    """Return the pocket (`""`, `-updates`, `-security`) of a Debian release name, None when it is no such name."""
    for pocket in POCKETS:
        if release.removesuffix(pocket) in RELEASES and release.endswith(pocket):
            return pocket
    return None


def debian_entries(targets: Iterable[Mapping[str, str]]) -> list[AptEntry]:
    """Return the entries that serve Debian's main, from the stanzas of `apt-get indextargets`.

    Other archives may name their suites as Debian does. Where the Release file is known its Origin decides; else, when
    several claim one release, the address does (Debian's archive lies in a folder `debian` on every mirror).
    """
    found: dict[AptEntry, bool] = {}
    for target in targets:
        release = target.get("Release", "")
        if (target.get("Created-By"), target.get("Component")) != ("Packages", "main") or pocket_of(release) is None:
            continue
        if target.get("Origin", "Debian") == "Debian":
            uri = target["Repo-URI"]
            found.setdefault(AptEntry(uri, release), _looks_like_debian(uri))
    sure = {entry.release for entry, likely in found.items() if likely}
    return [entry for entry, likely in found.items() if likely or entry.release not in sure]


def _looks_like_debian(uri: str) -> bool:
    return any(part.startswith("debian") for part in PurePosixPath(urlsplit(uri).path).parts)


def retarget(entries: Iterable[AptEntry], suite: str, *, pockets: bool) -> list[AptEntry]:
    """Return the entries that serve `suite` from the same places; with `pockets`, its updates and security too.

    Raises `KubedebError` (FETCH) when none of the host's sources serves Debian.
    """
    wanted = POCKETS if pockets and suite not in ROLLING else ("",)
    made = {
        AptEntry(entry.uri, suite + pocket): None
        for entry in entries
        if (pocket := pocket_of(entry.release)) is not None and pocket in wanted
    }
    if not any(entry.release == suite for entry in made):
        raise KubedebError(
            "none of this machine's apt sources serves Debian",
            details="apt-get indextargets names no Packages file of a Debian release's main component.",
            hint="Set a mirror: KUBEDEB_MIRROR=http://…/debian, or `mirror` in config.yaml.",
            code=ExitCode.FETCH,
        )
    return list(made)


def from_mirror(mirror: str, suite: str) -> list[AptEntry]:
    """Return the entry for a mirror that the settings name; a mirror of one archive has no security pocket."""
    return [AptEntry(mirror, suite)]


def kept_options(dump: str) -> list[str]:
    """Return the lines of `apt-config dump` that a root made for this machine needs to reach the same mirror."""
    lines = (line.strip() for line in dump.splitlines())
    return [line for line in lines if line.startswith(OPTIONS) and not line.endswith('"";')]
