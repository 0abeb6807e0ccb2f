"""What a .buildinfo asks of a rebuild: the suite, the recipe's row, the packages of its root, and what came of it; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from pkgbuild import purl
from pkgbuild.buildinfo import BuildInfo
from pkgbuild.dsse import payload
from pkgbuild.indexentry import IndexEntry
from pkgbuild.library import Chosen, LoadedRecipe
from pkgbuild.recipe import Suite
from pkgbuild.statement import PROVENANCE

DEB = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]+)_(?P<version>[^_/]+)_(?P<architecture>[a-z0-9-]+)\.deb")
Installed = tuple[str, str]
"""Name and version of a package in a root."""


def suite_of(version: str) -> Suite:
    """Return the suite that a package version is for, by its suffix. Raises `KubedebError` (RECIPE) for any other."""
    for suite in Suite:
        if version.endswith(suite.version_suffix):
            return suite
    endings = ", ".join(suite.version_suffix for suite in Suite)
    raise KubedebError(f"{version} is no version that kubedeb builds", details=f"Ours end in {endings}.", code=ExitCode.RECIPE)


def row_of(loaded: LoadedRecipe, info: BuildInfo, suite: Suite) -> Chosen:
    """Return the row of a recipe that gives the recorded version. Raises `KubedebError` (RECIPE) when none does."""
    versions = {row.package_version(suite): row for row in loaded.recipe.versions}
    if info.version not in versions:
        raise KubedebError(
            f"no row of the recipe {info.source} gives {info.version}", details=f"It has: {', '.join(versions)}",
            hint="A rebuild needs the recipe as it was: --recipes DIR names an older checkout's.", code=ExitCode.RECIPE,
        )  # fmt: skip
    return Chosen(loaded, versions[info.version])


def stated(statements: Iterable[Mapping[str, Any]]) -> dict[Installed, IndexEntry]:
    """Return the packages that provenance says a build was made with: Debian's by purl, those of a layer by file name."""
    found = {}
    for line in statements:
        said = payload(line)
        if said.get("predicateType") != PROVENANCE:
            continue
        for one in said["predicate"]["buildDefinition"]["resolvedDependencies"]:
            match = DEB.fullmatch(one.get("name", ""))
            about = purl.read_debian(one.get("uri", "")) or (
                (match["name"], match["version"], match["architecture"]) if match else None
            )
            sha256 = one["digest"].get("sha256")
            if about and sha256 and about[2] != "source":
                name, version, architecture = about
                found[name, version] = IndexEntry(name, version, architecture, sha256)
    return found


def pinned(info: BuildInfo, *sources: Iterable[IndexEntry]) -> tuple[dict[Installed, IndexEntry], list[Installed]]:
    """Return the recorded packages that some source knows the digest of, an earlier source before a later, and the others."""
    known: dict[Installed, IndexEntry] = {}
    for entries in reversed(sources):
        known.update({(entry.name, entry.version): entry for entry in entries})
    wanted = sorted(info.installed.items())
    return {one: known[one] for one in wanted if one in known}, [one for one in wanted if one not in known]


def other_settings(info: BuildInfo, now: Mapping[str, str]) -> list[str]:
    """Return how a build's recorded environment differs from that of the recipe as it is `now`, one line each."""
    lines = []
    for name in ("SOURCE_DATE_EPOCH", "DEB_BUILD_OPTIONS"):
        before, after = (_setting(one.get(name, "")) for one in (info.environment, now))
        if name in info.environment and before != after:
            lines.append(f"{name} was {before!r} and is {after!r} by the recipe now")
    return lines


def _setting(value: str) -> str:
    return " ".join(sorted(word for word in value.split() if not word.startswith("parallel=")))


@frozen
class FileVerdict:
    """One package: its sha256 as recorded, as rebuilt, and that of the file beside the .buildinfo; "" where there is none."""

    file: str
    recorded: str
    rebuilt: str
    beside: str = ""

    @property
    def same(self) -> bool:
        """Say whether whatever is there of it has the recorded bytes."""
        return self.recorded == self.rebuilt and self.beside in ("", self.recorded)

    def lines(self) -> list[str]:
        """Return what is wrong with it, for people."""
        said = []
        if not self.recorded:
            said.append(f"{self.file}: built now, not recorded")
        elif self.recorded != self.rebuilt:
            said.append(
                f"{self.file}: recorded {self.recorded}\n{' ' * len(self.file)}   rebuilt {self.rebuilt or 'not at all'}"
            )
        if self.beside not in ("", self.recorded):
            same = ", nor the rebuilt one" if self.beside != self.rebuilt else ", but the rebuilt one"
            said.append(f"{self.file} beside the .buildinfo is not the recorded file{same}: sha256 {self.beside}")
        return said


def compare(info: BuildInfo, rebuilt: Mapping[str, str], beside: Mapping[str, str]) -> tuple[FileVerdict, ...]:
    """Return the verdict on every package, recorded or rebuilt; the mappings are {file: sha256}."""
    names = sorted(info.debs.keys() | rebuilt.keys())
    return tuple(FileVerdict(name, info.debs.get(name, ""), rebuilt.get(name, ""), beside.get(name, "")) for name in names)
