"""Layers: what a recipe build-depends on beside the base, resolved once into a lock, installed from .debs of the cache.

Only here and in `base` is apt's solver asked, both for `base.update`. A layer may hold newer versions of packages of the base,
where one is needed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import canonical_json, sha256_bytes
from kubedeb.output import counted
from kubedeb.progress import Progress
from kubedeb.records import frozen
from pkgbuild.baselock import BaseLock, packages_changed
from pkgbuild.builddeps import without
from pkgbuild.cache import Cache
from pkgbuild.checksum import Algorithm, Checksum
from pkgbuild.indexentry import IndexEntry
from pkgbuild.library import Chosen
from pkgbuild.recipe import BUILD_ARCHITECTURE, Architecture
from pkgbuild.spec import SourceNeeds, build_depends_of

if TYPE_CHECKING:
    from pkgbuild.apt import PrivateApt

INST = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) ", re.MULTILINE)
Wants = tuple[str, ...]
"""Debian packages, sorted: names as recipes give them, relations (`a (>= 1) | b`) as source packages do."""
NO_NEEDS: Mapping[SourceNeeds, tuple[str, ...]] = {}
SHOWN = 3
"""Names of a layer that people are shown when there are more of them."""


@frozen
class Layer:
    """The packages that `wants` adds to the base of this digest, in order of name."""

    base: str
    wants: Wants
    packages: tuple[IndexEntry, ...]

    @property
    def digest(self) -> str:
        """Return the sha256 that is part of each build's digest."""
        return sha256_bytes(self.as_json().encode())

    def as_json(self) -> str:
        """Return the layer as the store keeps it."""
        return canonical_json(asdict(self))

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Layer:
        """Return the layer that `as_json` wrote. Raises `KeyError` or `TypeError` when the data are not a layer."""
        return cls(data["base"], tuple(data["wants"]), tuple(IndexEntry(**entry) for entry in data["packages"]))


@frozen
class LayerUpdate:
    """The layer of one set of build dependencies as it is now, and the reason it was locked anew, empty when nothing was new.

    Where apt cannot install them, `error` says so and there is no layer.
    """

    wants: Wants
    layer: Layer | None
    reason: str = ""
    error: KubedebError | None = None


def wants_of(
    chosen: Sequence[Chosen], offered: Collection[str] = (), architecture: Architecture = BUILD_ARCHITECTURE,
    needs: Mapping[SourceNeeds, tuple[str, ...]] = NO_NEEDS,
) -> set[Wants]:  # fmt: skip
    """Return the sets of Debian's packages that recipes build-depend on; ours come from recipes, or are `offered`; pure.

    `needs` is what their source packages say themselves, for `architecture`.
    """
    ours = {package.name for one in chosen for package in one.loaded.recipe.packages_of(one.row)} | set(offered)
    return {without(build_depends_of(one, architecture, needs), ours) for one in chosen} - {()}


def news(old: Layer, new: Layer) -> list[str]:
    """Return what of a layer is new, one line each, none when it is the same; pure."""
    lines = packages_changed(old.packages, new.packages)
    had = {entry.name for entry in old.packages}
    return lines + [f"{entry.name} {entry.version} is new" for entry in new.packages if entry.name not in had]


def layer_name(base: str, wants: Wants) -> str:
    """Return the name that the store keeps a layer's lock under."""
    return sha256_bytes(canonical_json([base, wants]).encode())[:32]


def to_install(said: str) -> dict[str, str]:
    """Return {name: version} of what `apt-get --simulate install` would install; pure."""
    return dict(INST.findall(said))


def in_short(wants: Wants) -> str:
    """Return a layer's name for people: a source package may ask for dozens; pure."""
    more = len(wants) - SHOWN
    return ", ".join(wants) if more <= 1 else f"{', '.join(wants[:SHOWN])} and {more} more"


def resolve(lock: BaseLock, wants: Wants, apt: PrivateApt, progress: Progress) -> Layer:
    """Ask apt's solver what `wants` adds to a base; `apt` knows the base's packages as installed.

    Raises `KubedebError`: RECIPE when there is no such package, FETCH when the index changed meanwhile.
    """
    with progress.task(f"resolve the build dependencies {in_short(wants)}"):
        versions = to_install(apt.simulate(wants))
        listed = {entry.name: entry for entry in apt.show([f"{name}={version}" for name, version in versions.items()])}
    if missing := versions.keys() - listed.keys():
        raise KubedebError(
            "the index does not list what apt would install", details=", ".join(sorted(missing)),
            hint="Run the command again.", code=ExitCode.FETCH,
        )  # fmt: skip
    return Layer(lock.digest, wants, tuple(listed[name] for name in sorted(versions)))


def lacking(entries: Iterable[IndexEntry], cache: Cache) -> list[IndexEntry]:
    """Return the packages that the cache does not have, in order. Raises as `Cache.get`."""
    return sorted(entry for entry in set(entries) if cache.get(Checksum.sha256(entry.sha256)) is None)


def bring(missing: Sequence[IndexEntry], what: str, cache: Cache, apt: PrivateApt, progress: Progress) -> None:
    """Bring packages into the cache; `what` they are of, for people.

    Raises `KubedebError`: FETCH, SOURCE_GONE naming all that the mirror has no longer, SOURCE_MISMATCH when the archive has
    other bytes for one than are locked.
    """
    words = sorted(f"{entry.name}={entry.version}" for entry in missing)
    listed = {(entry.name, entry.version) for entry in apt.show(words)}
    if lost := [entry for entry in missing if (entry.name, entry.version) not in listed]:
        raise gone(lost, what, "so does the mirror by now")
    with progress.task(f"fetch {counted(len(missing), 'package')} of {what}"):
        files = apt.download_all(words)
    found = {Checksum(Algorithm.SHA256, "").of(file): file for file in files}
    for entry in missing:
        pinned = Checksum.sha256(entry.sha256)
        if pinned not in found:
            raise KubedebError(
                f"the archive sent other bytes for {entry.name} {entry.version} than are locked", details=str(pinned),
                hint="The archive changed since: kubedeb base update", code=ExitCode.SOURCE_MISMATCH,
            )  # fmt: skip
        cache.adopt(found[pinned], pinned)


def gone(lost: Iterable[IndexEntry], what: str, why: str) -> KubedebError:
    """Return the error for locked packages that cannot be had."""
    lines = sorted(f"{entry.name} {entry.version} sha256 {entry.sha256}" for entry in lost)
    return KubedebError(
        f"NOT RUN: the cache lacks {counted(len(lines), 'package')} of {what}, and {why}", details="\n".join(lines),
        hint="From a kit that has them: kubedeb recipe fetch --all --from KIT. To lock what there is now: kubedeb base update",
        code=ExitCode.SOURCE_GONE,
    )  # fmt: skip


def debs(layer: Layer, cache: Cache) -> Sequence[tuple[Path, str, str]]:
    """Return the layer's packages as (file in the cache, sha256, name of the .deb)."""
    return [
        (cache.path(Checksum.sha256(entry.sha256)), entry.sha256, f"{entry.name}_{entry.version}_{entry.architecture}.deb")
        for entry in layer.packages
    ]
