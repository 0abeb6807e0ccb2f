"""In which order recipes are built: after what they build-depend on, and after the version that they upgrade; pure."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import canonical_json, sha256_bytes
from kubedeb.records import ordered
from kubedeb.versions import DebianVersion
from pkgbuild.builddeps import names, without
from pkgbuild.jobs import waits
from pkgbuild.spec import BuildSpec, Locked

Needs = Mapping[int, Mapping[str, int]]
"""By a spec's place in the list: its build dependencies that another spec of the list makes, and that one's place."""


@ordered
class OwnPackage:
    """A package of our own that a build depends on, by its bytes."""

    name: str
    version: str
    sha256: str


def needs(specs: Sequence[BuildSpec]) -> Needs:
    """Return what each spec needs of the others. Of several versions of a recipe the highest is what others get.

    Raises `KubedebError` (RECIPE) with the cycle where recipes need each other.
    """
    makers: dict[str, int] = {}
    for place, spec in sorted(enumerate(specs), key=lambda pair: DebianVersion(pair[1].package_version)):
        makers.update({package.name: place for package in spec.packages})
    found = {
        place: {
            name: makers[name]
            for relation in spec.build_depends
            for name in names(relation)
            if name in makers and specs[makers[name]].recipe != spec.recipe
        }
        for place, spec in enumerate(specs)
    }
    try:
        graphlib.TopologicalSorter({place: set(of.values()) for place, of in found.items()}).prepare()
    except graphlib.CycleError as error:
        _raise_cycle(specs, list(error.args[1]))
    return found


def upgrades(specs: Sequence[BuildSpec], needs: Needs) -> dict[int, int]:
    """Return the place of the version that each spec is upgraded from: the newest older one of its recipe or with its packages.

    It is none of its needs: a build whose older version failed is made all the same. Where this order and build dependencies
    would go in a circle, there are no upgrades.
    """
    versions = [DebianVersion(spec.package_version) for spec in specs]
    found = {place: older for place in range(len(specs)) if (older := _older(specs, versions, place)) is not None}
    try:
        graphlib.TopologicalSorter(waits({place: of.values() for place, of in needs.items()}, found)).prepare()
    except graphlib.CycleError:
        return {}
    return found


def _older(specs: Sequence[BuildSpec], versions: Sequence[DebianVersion], place: int) -> int | None:
    """Return the place of the newest older spec of the same recipe or with one of the same packages, None without one."""
    recipe, made = specs[place].recipe, {package.name for package in specs[place].packages}
    older = (
        at for at, other in enumerate(specs)
        if versions[at] < versions[place]
        and (other.recipe == recipe or made & {package.name for package in other.packages})
    )  # fmt: skip
    return max(older, key=versions.__getitem__, default=None)


def _raise_cycle(specs: Sequence[BuildSpec], cycle: Sequence[int]) -> None:
    raise KubedebError(
        "recipes build-depend on each other in a circle",
        details=" → ".join(specs[place].recipe for place in reversed(cycle)),
        hint="Take one of them from an apt repository instead: build it alone first, then give --sources.",
        code=ExitCode.RECIPE,
    )


def with_own(locked: Locked, build_depends: Sequence[str], own: Sequence[OwnPackage]) -> Locked:
    """Return the lock for a recipe whose layer holds packages of our own too: other bytes of one, another digest."""
    if not own:
        return locked
    ours = {package.name for package in own}
    rest = locked.layer(without(build_depends, ours))
    content = [rest, *([package.name, package.version, package.sha256] for package in sorted(own))]
    layer = sha256_bytes(canonical_json(content).encode())
    return replace(locked, layers={**locked.layers, tuple(sorted(build_depends)): layer})
