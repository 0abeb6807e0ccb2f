"""A recipe's row, expanded: everything that decides the bytes of its packages, in one frozen value with a digest."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from typing import Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import canonical_json, sha256_bytes
from pkgbuild.library import Chosen
from pkgbuild.recipe import Architecture, DebSource, Package, Suite
from pkgbuild.render import Rendered, TreeFile, render

FORMAT = 1
"""Raised by hand when kubedeb itself begins to build differently, so that every package is built anew."""


@dataclass(frozen=True)
class SourcePin:
    """A source of one architecture, by digest."""

    suite: str
    package: str
    version: str
    sha256: str
    architecture: str

    def __str__(self) -> str:
        return f"{self.package} {self.version} ({self.suite}, {self.architecture})"


@dataclass(frozen=True)
class SaysSpec:
    """A command of a package, (name, value) pairs of its environment, and what its output must hold."""

    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    output: str


@dataclass(frozen=True)
class PackageSpec:
    """What one package must be: `copies` are (path in it, path in a source)."""

    name: str
    copies: tuple[tuple[str, str], ...]
    contents: tuple[str, ...]
    conffiles: tuple[str, ...]
    unit: str | None
    says: SaysSpec | None


@dataclass(frozen=True)
class BuildSpec:
    """Everything that decides a build's result; equal specs give equal packages.

    `epoch` is in seconds (SOURCE_DATE_EPOCH); `tree` holds (path, sha256) of every rendered file; `base` is the digest of
    the base root's lock, empty when there is none yet, `sandbox` that of the Dockerfile's stage on it.
    """

    recipe: str
    version: str
    package_version: str
    suite: str
    architecture: str
    kind: str
    epoch: int
    copyright: str
    sources: tuple[SourcePin, ...]
    packages: tuple[PackageSpec, ...]
    tree: tuple[tuple[str, str], ...]
    base: str
    sandbox: str
    format: int = FORMAT

    @property
    def digest(self) -> str:
        """Return the sha256 that names the build in the store."""
        return sha256_bytes(canonical_json(asdict(self)).encode())

    @property
    def title(self) -> str:
        """Return what messages call the build."""
        return f"{self.recipe} {self.package_version} ({self.architecture})"

    def as_dict(self) -> dict[str, Any]:
        """Return the spec as JSON-able data, its digest with it."""
        return {"digest": self.digest, **asdict(self)}


@dataclass(frozen=True)
class Expanded:
    """A spec and the rendered files that its `tree` names by digest."""

    spec: BuildSpec
    tree: dict[str, TreeFile]


def expand(chosen: Chosen, suite: Suite, architecture: Architecture, base: str, sandbox: str) -> Expanded:
    """Return the whole build of one row for one suite and architecture; pure. Raises `KubedebError` (RECIPE)."""
    recipe, row = chosen.loaded.recipe, chosen.row
    sources = row.sources.get(architecture)
    if sources is None:
        raise KubedebError(
            f"{recipe.name} {row.version} has no sources for {architecture}",
            hint=f"It is built for: {', '.join(row.sources)}.", code=ExitCode.RECIPE,
        )  # fmt: skip
    package_version = f"{row.version}-{row.revision}{suite.version_suffix}"
    noon = datetime.datetime.combine(row.date, datetime.time(12), datetime.UTC)
    rendered = Rendered(package_version, suite, architecture, noon)
    tree = render(chosen, rendered)
    spec = BuildSpec(
        recipe=recipe.name,
        version=row.version,
        package_version=package_version,
        suite=suite.value,
        architecture=architecture.value,
        kind=recipe.kind.value,
        epoch=int(noon.timestamp()),
        copyright=recipe.copyright,
        sources=tuple(_pin(source, architecture) for source in sources),
        packages=tuple(_package(package, row.version) for package in recipe.packages),
        tree=tuple((path, file.digest) for path, file in sorted(tree.items())),
        base=base,
        sandbox=sandbox,
    )
    return Expanded(spec, tree)


def _pin(source: DebSource, architecture: Architecture) -> SourcePin:
    return SourcePin(source.suite, source.package, str(source.version), source.sha256, architecture.value)


def _package(package: Package, version: str) -> PackageSpec:
    says = package.says
    return PackageSpec(
        name=package.name,
        copies=tuple(sorted(package.copies.items())),
        contents=tuple(sorted(package.contents)),
        conffiles=tuple(sorted(package.conffiles)),
        unit=package.unit,
        says=SaysSpec(tuple(says.command), tuple(sorted(says.environment.items())), says.output.replace("{version}", version))
        if says
        else None,
    )
