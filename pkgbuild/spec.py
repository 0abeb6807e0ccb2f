"""A recipe's row, expanded: everything that decides the bytes of its packages, in one frozen value with a digest."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import asdict, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import canonical_json, sha256_bytes
from kubedeb.records import frozen, ordered
from pkgbuild.checksum import Checksum
from pkgbuild.gomake import GENERATOR, MAKEFILE, GenerateSpec, GoSpec, makefile
from pkgbuild.library import Chosen
from pkgbuild.recipe import Architecture, Go, Package, Recipe, Row, Suite
from pkgbuild.render import Pages, Rendered, TreeFile, pages, render
from pkgbuild.sources import ArchiveSource, DscSource, Source, WheelSource

FORMAT = 3
"""Raised by hand when kubedeb itself begins to build differently, so that every package is built anew."""


@ordered
class SignaturePin:
    """Where upstream's detached signature lies, and the keyring of the recipe (its text, armoured) that must have made it."""

    url: str
    keyring: str


@ordered
class SourcePin:
    """A source of one architecture, by digest.

    `name` is what the recipe calls it; `suite` is a Debian suite (deb, dsc), `file` the name that a wheel or archive has,
    `url` where an archive lies. Where it comes from does not decide what is built, only the checksum does.
    """

    kind: str
    name: str
    version: str
    checksum: Checksum
    architecture: str
    suite: str = ""
    file: str = ""
    url: str = ""
    signature: SignaturePin | None = None

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.suite, self.architecture) if part)
        return f"{self.name} {self.version} ({where})"

    def deciding(self) -> dict[str, Any]:
        """Return what of it decides the result of a build."""
        return {"kind": self.kind, "name": self.name, "checksum": str(self.checksum)}


@frozen
class SaysSpec:
    """A command of a package, (name, value) pairs of its environment, and what its output must hold."""

    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    output: str


@frozen
class PackageSpec:
    """What one package must be: `copies` are (path in it, path in a source), `programs` (path in it, Go package).

    `contents` are all other files, the programs among them; `environment` is (prefix, Python) of one made of all wheels.
    """

    name: str
    copies: tuple[tuple[str, str], ...]
    contents: tuple[str, ...]
    conffiles: tuple[str, ...]
    unit: str | None
    says: SaysSpec | None
    programs: tuple[tuple[str, str], ...] = ()
    environment: tuple[str, str] | None = None


@frozen
class BuildSpec:
    """Everything that decides a build's result; equal specs give equal packages.

    `epoch` is in seconds (SOURCE_DATE_EPOCH); `tree` holds (path, sha256) of every rendered file; `base` is the digest of
    the base root's lock, empty when there is none yet, `sandbox` that of the Dockerfile's stage on it, `layer` that of the
    locked packages that `build_depends` adds to the root. `patches` are named in their order, their bytes are in the tree.
    """

    recipe: str
    version: str
    package_version: str
    suite: str
    architecture: str
    kind: str
    epoch: int
    copyright: str | None
    sources: tuple[SourcePin, ...]
    packages: tuple[PackageSpec, ...]
    tree: tuple[tuple[str, str], ...]
    build_depends: tuple[str, ...]
    base: str
    layer: str
    sandbox: str
    compression: str = "xz-1"
    build_options: tuple[str, ...] = ()
    patches: tuple[str, ...] = ()
    go: GoSpec | None = None
    build_profiles: tuple[str, ...] = ()
    format: int = FORMAT

    @cached_property
    def digest(self) -> str:
        """Return the sha256 that names the build in the store; it is asked for ten times a build."""
        deciding = {**asdict(self), "sources": [pin.deciding() for pin in self.sources]}
        if not self.build_profiles:  # what was built before there were any keeps its name
            del deciding["build_profiles"]
        for package in deciding["packages"]:
            if package["environment"] is None:
                del package["environment"]
        return sha256_bytes(canonical_json(deciding).encode())

    @property
    def title(self) -> str:
        """Return what messages call the build."""
        return f"{self.recipe} {self.package_version} ({self.architecture})"

    def as_dict(self) -> dict[str, Any]:
        """Return the spec as JSON-able data, its digest with it."""
        return {"digest": self.digest, **asdict(self)}


SourceNeeds = tuple[str, str, tuple[str, ...]]
"""A .dsc by its sha256, the architecture that is built for, build profiles."""


@frozen
class Locked:
    """What the builds of one suite and architecture stand on, by digest: the base, the Dockerfile's stage, and the layer of
    each set of build dependencies (sorted). All empty as long as there is no base. `needs` is what source packages build-depend
    on beyond the base, as far as their .dsc is known.
    """

    base: str = ""
    sandbox: str = ""
    layers: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    needs: Mapping[SourceNeeds, tuple[str, ...]] = field(default_factory=dict)

    def layer(self, build_depends: Iterable[str]) -> str:
        """Return the digest of the layer with these packages, empty when none is wanted or it is not locked yet."""
        return self.layers.get(tuple(sorted(build_depends)), "")


NOTHING_LOCKED = Locked()


def build_depends_of(
    chosen: Chosen, architecture: Architecture, needs: Mapping[SourceNeeds, tuple[str, ...]]
) -> tuple[str, ...]:
    """Return what a row's build needs beyond the base, sorted: what the recipe says, and what its .dsc does; pure."""
    recipe, row = chosen.loaded.recipe, chosen.row
    sources = row.sources.get(architecture, ()) if recipe.takes_source_needs else ()
    keys = [(source.sha256, architecture.value, row.build_profiles) for source in sources if isinstance(source, DscSource)]
    return tuple(sorted({*recipe.build_depends, *(one for key in keys for one in needs.get(key, ()))}))


@frozen
class Expanded:
    """A spec and the rendered files that its `tree` names by digest."""

    spec: BuildSpec
    tree: dict[str, TreeFile]


def expand(
    chosen: Chosen, suite: Suite, architecture: Architecture, room: Locked = NOTHING_LOCKED, pages: Pages = pages
) -> Expanded:
    """Return the whole build of one row for one suite and architecture; pure. Raises `KubedebError` (RECIPE)."""
    recipe, row = chosen.loaded.recipe, chosen.row
    sources = row.sources.get(architecture)
    if sources is None:
        raise KubedebError(
            f"{recipe.name} {row.version} has no sources for {architecture}",
            hint=f"It is built for: {', '.join(row.sources)}.", code=ExitCode.RECIPE,
        )  # fmt: skip
    if suite not in row.suites:
        raise KubedebError(
            f"{recipe.name} {row.version} is not built for {suite.value}",
            hint=f"It is built for: {', '.join(row.suites)}.", code=ExitCode.RECIPE,
        )  # fmt: skip
    depends = build_depends_of(chosen, architecture, room.needs)
    package_version = row.package_version(suite)
    noon = datetime.datetime.combine(row.date, datetime.time(12), datetime.UTC)
    go = _go(recipe, recipe.go, row) if recipe.go else None
    rendered = Rendered(package_version, suite, architecture, noon)
    tree = render(chosen, rendered, pages)
    if go:
        tree[MAKEFILE] = TreeFile(_makefile(go, chosen, architecture).encode())
        tree.update(_generator(go, tree, recipe.name))
    spec = BuildSpec(
        recipe=recipe.name,
        version=row.version,
        package_version=package_version,
        suite=suite.value,
        architecture=architecture.value,
        kind=recipe.kind.value,
        epoch=int(noon.timestamp()),
        copyright=_origin(recipe.copyright, row, architecture) if recipe.copyright else None,
        sources=tuple(_pin(source, row, architecture, chosen.loaded.keyring) for source in sources),
        packages=tuple(_package(package, row, architecture) for package in recipe.packages_of(row)),
        tree=tuple((path, file.digest) for path, file in sorted(tree.items())),
        build_depends=depends,
        base=room.base,
        layer=room.layer(depends),
        sandbox=room.sandbox,
        compression=recipe.compression,
        build_options=tuple(sorted({*row.build_options, "noautodbgsym"})),
        build_profiles=tuple(sorted(row.build_profiles)),
        patches=tuple(name for name, _ in chosen.loaded.patches.get(row.version, ())),
        go=go,
    )
    return Expanded(spec, tree)


def _makefile(go: GoSpec, chosen: Chosen, architecture: Architecture) -> str:
    recipe, row = chosen.loaded.recipe, chosen.row
    return makefile(go, architecture, recipe.packages_of(row), row.version, libraries=recipe.takes_source_needs)


def _origin(path: str, row: Row, architecture: Architecture) -> str:
    """Return a path into a source filled in with that source's own version."""
    return _filled(path, row.part(path.partition("/")[0]), architecture)


def _filled(text: str, version: str, architecture: Architecture) -> str:
    return text.replace("{version}", version).replace("{architecture}", architecture.value)


def _go(recipe: Recipe, go: Go, row: Row) -> GoSpec:
    stamps = tuple(sorted((name, _stamp(value, row)) for name, value in go.stamps.items()))
    given = go.toolchain not in recipe.build_depends
    made = GenerateSpec(f"debian/{go.generate.script}", go.generate.makes) if go.generate else None
    tags = tuple(sorted(go.tags))
    return GoSpec(go.source, go.mode.value, go.import_path or "", go.toolchain, given, stamps, tags, go.cgo, made)


def _stamp(value: str, row: Row) -> str:
    """Return a stamp filled in: `{major}` and `{minor}` are the version's first two numbers, `{date}` is 2026-11-23."""
    major, _, rest = row.version.partition(".")
    minor = rest.partition(".")[0]
    known = {"{version}": row.upstream, "{major}": major, "{minor}": minor, "{date}": row.date.isoformat()}
    for name, filled in known.items():
        value = value.replace(name, filled)
    return value


def _generator(go: GoSpec, tree: Mapping[str, TreeFile], recipe: str) -> dict[str, TreeFile]:
    """Return what runs the recipe's script, where it has one. Raises `KubedebError` (RECIPE) when the script is not there."""
    if go.generate is None:
        return {}
    if go.generate.script not in tree:
        raise KubedebError(
            f"recipe {recipe}: go.generate wants {go.generate.script}, which is not there",
            hint="Write it, or mend the name; a template's name there is without .j2.", code=ExitCode.RECIPE,
        )  # fmt: skip
    return {GENERATOR: TreeFile((Path(__file__).parent / "generate.sh").read_bytes())}


def _pin(source: Source, row: Row, architecture: Architecture, keyring: Mapping[str, str]) -> SourcePin:
    checksum, arch = source.checksum, architecture.value
    if isinstance(source, ArchiveSource):
        version = row.part(source.name)
        url = _filled(source.url, version, architecture)
        given = source.signature
        signed = SignaturePin(_filled(given.url, version, architecture), keyring[given.keyring]) if given else None
        file = PurePosixPath(url).name
        return SourcePin(source.kind, source.name, version, checksum, arch, file=file, url=url, signature=signed)
    if isinstance(source, WheelSource):
        return SourcePin(source.kind, source.name, source.version, checksum, arch, file=source.file)
    return SourcePin(source.kind, source.name, source.version, checksum, arch, suite=source.suite)


def _package(package: Package, row: Row, architecture: Architecture) -> PackageSpec:
    says = package.says
    asked = package.copies.get(says.command[0], package.name) if says else package.name
    version = row.part(asked.partition("/")[0])
    return PackageSpec(
        name=package.name,
        copies=tuple(sorted((path, _origin(origin, row, architecture)) for path, origin in package.copies.items())),
        contents=tuple(sorted({*package.contents, *package.programs})),
        conffiles=tuple(sorted(package.conffiles)),
        unit=package.unit,
        says=SaysSpec(tuple(says.command), tuple(sorted(says.environment.items())), says.output.replace("{version}", version))
        if says
        else None,
        programs=tuple(sorted(package.programs.items())),
        environment=(package.environment.prefix, package.environment.python) if package.environment else None,
    )
