"""What people write in `recipe.yaml`: a header, the packages, and a flat list of versions with pinned sources."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from kubedeb.yamlfile import Quoted, StrictModel
from pkgbuild.sources import Name, Source


def _not_empty(value: Any) -> Any:
    """Refuse an empty list; as a validator of its own it stays silent when the list is empty for being wrong inside."""
    if not value:
        raise ValueError("at least one is needed")
    return value


NotEmpty = AfterValidator(_not_empty)
AbsolutePath = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9+_.@:~-]*[A-Za-z0-9+_@:~-])+$")]
SourcePath = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9+.-]+(/[A-Za-z0-9+_.@:~-]*[A-Za-z0-9+_@:~-])+$",
        description="A file in a source: SOURCE/path/in/it, where SOURCE is the source's name.",
    ),
]


class Architecture(StrEnum):
    """The Debian architectures that packages are made for."""

    AMD64 = "amd64"
    ARM64 = "arm64"


class Suite(StrEnum):
    """The Debian suites that packages are made for, the oldest first."""

    BULLSEYE = "bullseye"
    BOOKWORM = "bookworm"
    TRIXIE = "trixie"

    @property
    def version_suffix(self) -> str:
        """Return what a package version ends in, `~deb12u1`: one upstream version sorts by suite, below a plain revision."""
        return f"~deb{11 + list(Suite).index(self)}u1"


class Kind(StrEnum):
    """How sources become packages."""

    PREBUILT = "prebuilt"
    """Laid out as they are: a binary in the package is bit for bit the source's."""


class Row(StrictModel):
    """One version: what is built, from which bytes, with which date."""

    version: Annotated[Quoted, Field(pattern=r"^[0-9][A-Za-z0-9.+~]*$", description="The upstream version, in quotes.")]
    revision: Annotated[int, Field(ge=1, description="Of the packaging; the suite's suffix is added: 1 → 1~deb12u1.")]
    date: datetime.date = Field(description="The changelog's date: every timestamp in the packages is 12:00 UTC of it.")
    changes: Annotated[tuple[str, ...], NotEmpty, Field(description="The changelog's lines.")]
    sources: Annotated[dict[Architecture, tuple[Source, ...]], NotEmpty]


class Says(StrictModel):
    """A command of the package that is run after the build, and what its output must hold: is the right version inside?"""

    command: Annotated[tuple[str, ...], NotEmpty, Field(description="The first word is a path in the package.")]
    environment: dict[str, str] = Field(default_factory=dict)
    output: str = Field(description="`{version}` stands for the upstream version.")


class Package(StrictModel):
    """One binary package: exactly these files, from there."""

    name: Name
    copies: dict[AbsolutePath, SourcePath] = Field(description="Path in the package: file in a source, bit for bit.")
    contents: tuple[AbsolutePath, ...] = Field(
        default=(), description="Every other file in it; changelog and copyright go without saying."
    )
    conffiles: tuple[AbsolutePath, ...] = Field(
        default=(), description="Those of `contents` that dpkg treats as configuration. None that operators tune."
    )
    unit: str | None = Field(default=None, description="Its systemd unit: never started or stopped but by a removal.")
    says: Says | None = None


class Recipe(StrictModel):
    """A component: what it is, its packages, its versions."""

    name: Name
    summary: str
    licence: str = Field(description="SPDX expression.")
    homepage: str
    maintainer: Annotated[str, Field(pattern=r"^[^<>]+ <[^<>@ ]+@[^<>@ ]+>$", description="Name <address>")]
    kind: Kind
    copyright: SourcePath = Field(description="The copyright file that every package ships.")
    build_depends: tuple[Name, ...] = Field(
        default=(), description="Debian packages that the build needs beside debhelper; locked by `kubedeb base update`."
    )
    packages: Annotated[tuple[Package, ...], NotEmpty]
    versions: Annotated[tuple[Row, ...], NotEmpty]

    @model_validator(mode="after")
    def _whole(self) -> Recipe:
        """Refuse what no single field shows: a version twice, a file from a source that is not there."""
        known: set[str] = set()
        for row in self.versions:
            if row.version in known:
                raise ValueError(f"version {row.version} is listed twice")
            known.add(row.version)
            for architecture, sources in row.sources.items():
                self._check_sources(row, architecture, [source.name for source in sources])
        names = [package.name for package in self.packages]
        if len(set(names)) < len(names):
            raise ValueError("a package is listed twice")
        for package in self.packages:
            if unlisted := set(package.conffiles) - set(package.contents):
                raise ValueError(f"conffiles of {package.name} that are not in its contents: {', '.join(sorted(unlisted))}")
        return self

    def _check_sources(self, row: Row, architecture: Architecture, given: list[str]) -> None:
        if len(set(given)) < len(given):
            raise ValueError(f"version {row.version}, {architecture}: a source is listed twice")
        wanted = [self.copyright, *(path for package in self.packages for path in package.copies.values())]
        for path in wanted:
            source = path.partition("/")[0]
            if source not in given:
                raise ValueError(
                    f"version {row.version}, {architecture}: {path} is from source {source!r}, "
                    f"but its sources are {', '.join(given) or 'none'}"
                )
