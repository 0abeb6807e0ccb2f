"""What `recipe.yaml` says: a header, the packages, and a flat list of versions with pinned sources.

Plain values, which take no pydantic: `recipeform.py` says how they are written, and reads them.
"""

from __future__ import annotations

import datetime
from dataclasses import field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from kubedeb.records import Strict, frozen
from pkgbuild.sources import ArchiveSource, WheelSource

if TYPE_CHECKING:
    from typing import Annotated

    from pydantic import Field

    from kubedeb.yamlfile import Quoted
    from pkgbuild.recipeform import AbsolutePath, Name, NotEmpty, PackageName, RelativePath, SourcePath
    from pkgbuild.sources import Source, UpstreamFiles


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

    GO = "go"
    """Compiled by Go from vendored sources, the version stamped in when it is linked."""
    DEBIAN = "debian"
    """Debian's source package, with our patches and a revision of our own."""


BUILD_ARCHITECTURE = Architecture.AMD64
"""What every build runs on; packages for another architecture are cross-built there, without emulation."""


class GoMode(StrEnum):
    """How Go finds packages: by go.mod, or by their place below GOPATH."""

    MODULE = "module"
    GOPATH = "gopath"


@frozen
class Generate(Strict):
    """Source files that a `go` recipe makes before it compiles; kept with what is compiled, by what they are made from."""

    script: Annotated[
        RelativePath,
        Field(
            description="A file of debian/, run by sh in the sources' folder; "
            "$GO is the toolchain, $SCRATCH a folder of its own."
        ),
    ]
    makes: Annotated[
        tuple[RelativePath, ...],
        NotEmpty,
        Field(description="Every file that it makes and the build needs, below the sources' folder."),
    ]


@frozen
class Go(Strict):
    """How a `go` recipe is compiled; the variables and the target for it are generated into debian/kubedeb.mk."""

    source: Annotated[
        Name, Field(description="The source that is the tree: an archive (its single top folder is left out) or a dsc.")
    ]
    toolchain: Annotated[
        Name, Field(description="golang-X.Y-go or golang-go of `build_depends`, or an archive among the sources.")
    ]
    mode: GoMode = GoMode.MODULE
    import_path: Annotated[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~/-]*$")] | None,
        Field(description="Where the tree lies below GOPATH/src; for mode gopath."),
    ] = None
    stamps: Annotated[
        dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9._~/-]+$")], Annotated[str, Field(pattern=r"^[^'\"\s$\\`#]*$")]],
        Field(
            description="Variables that the linker sets (-X); `{version}`, `{major}`, `{series}` and `{date}` are filled in."
        ),
    ] = field(default_factory=dict)
    generate: Annotated[Generate | None, Field(description="For sources that are not whole without generated files.")] = None
    tags: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]+$")], ...] = ()
    cgo: bool = False

    def __post_init__(self) -> None:
        """Refuse an import path where none is wanted, a lack of one, and one that leads elsewhere."""
        if (self.mode is GoMode.GOPATH) != (self.import_path is not None):
            raise ValueError("import_path is for mode gopath, and needed there")
        if self.import_path and ".." in self.import_path.split("/"):
            raise ValueError("import_path leaves GOPATH")


def as_upstream(version: str) -> str:
    """Return a version as upstream writes it: 1.11.0-rc.1, where Debian's is 1.11.0~rc.1, which sorts before 1.11.0; pure."""
    return version.replace("~", "-")


@frozen
class Row(Strict):
    """One version: what is built, from which bytes, with which date."""

    version: Annotated[
        Quoted,
        Field(pattern=r"^[0-9][A-Za-z0-9.+~]*$", description="The upstream version, in quotes; a candidate is 1.11.0~rc.1."),
    ]
    revision: Annotated[int, Field(ge=1, description="Of the packaging; the suite's suffix is added: 1 → 1~deb12u1.")]
    date: Annotated[
        datetime.date, Field(description="The changelog's date: every timestamp in the packages is 12:00 UTC of it.")
    ]
    changes: Annotated[tuple[str, ...], NotEmpty, Field(description="The changelog's lines.")]
    sources: Annotated[dict[Architecture, tuple[Annotated[Source, Field(discriminator="kind")], ...]], NotEmpty]
    build_options: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9=_-]*$")], ...],
        Field(description="Words of DEB_BUILD_OPTIONS for this version: nocheck, nodoc, …"),
    ] = ()
    build_profiles: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]*$")], ...],
        Field(description="Words of DEB_BUILD_PROFILES for this version; they decide which of a .dsc's needs apply."),
    ] = ()
    without: Annotated[
        tuple[PackageName, ...], Field(description="Packages of the recipe that this version does not have.")
    ] = ()
    suites: Annotated[
        tuple[Suite, ...],
        NotEmpty,
        Field(description="What it can be built for, where the build needs what only these suites have."),
    ] = tuple(Suite)
    parts: Annotated[
        dict[Name, Quoted],
        Field(description="Versions of sources and packages that have their own: `{version}` in what concerns them is that."),
    ] = field(default_factory=dict)

    def package_version(self, suite: Suite) -> str:
        """Return the version of the row's packages in a suite: `3.5.16-1~deb12u1`."""
        return f"{self.version}-{self.revision}{suite.version_suffix}"

    @property
    def series(self) -> str:
        """Return the first two numbers of the version: 3.4 for 3.4.23."""
        return ".".join(self.version.split(".")[:2])

    @property
    def upstream(self) -> str:
        """Return the version as upstream writes it."""
        return as_upstream(self.version)

    def part(self, name: str) -> str:
        """Return upstream's version of a source or a package of the recipe: its own, where `parts` has one, else the row's."""
        return self.parts.get(name, self.upstream)

    def unpinned(self) -> list[tuple[Architecture, int, ArchiveSource | WheelSource]]:
        """Return (architecture, place in its list, source) of what has no digest yet."""
        return [
            (architecture, place, source)
            for architecture, sources in self.sources.items()
            for place, source in enumerate(sources)
            if isinstance(source, ArchiveSource | WheelSource) and source.unpinned is not None
        ]

    def fill(self, text: str) -> str:
        """Return a text of the recipe with `{series}` filled in."""
        return text.replace("{series}", self.series)


@frozen
class Says(Strict):
    """A command of the package that is run after the build, and what its output must hold: is the right version inside?"""

    command: Annotated[tuple[str, ...], NotEmpty, Field(description="The first word is a path in the package.")]
    output: Annotated[str, Field(description="`{version}` stands for the version of the source that the command is from.")]
    environment: dict[str, str] = field(default_factory=dict)


@frozen
class Environment(Strict):
    """A Python environment: every wheel of a version, laid out whole, bit for bit."""

    prefix: Annotated[
        AbsolutePath,
        Field(description="The folder of the environment: modules lie in lib/pythonX.Y/site-packages below."),
    ]
    python: Annotated[Quoted, Field(pattern=r"^3\.[0-9]+$", description="The Python that runs it, in quotes.")]


@frozen
class Package(Strict):
    """One binary package: exactly these files, from there."""

    name: PackageName
    copies: Annotated[
        dict[AbsolutePath, SourcePath], Field(description="Path in the package: file in a source, bit for bit.")
    ] = field(default_factory=dict)
    programs: Annotated[
        dict[AbsolutePath, Annotated[str, Field(pattern=r"^\.?[A-Za-z0-9._~/-]*$")]],
        Field(description="Path in the package: the Go package that is compiled to it, ./cmd/hello."),
    ] = field(default_factory=dict)
    environment: Annotated[Environment | None, Field(description="Of the version's wheels, for kind prebuilt.")] = None
    contents: Annotated[
        tuple[AbsolutePath, ...], Field(description="Every other file in it; changelog and copyright go without saying.")
    ] = ()
    conffiles: Annotated[
        tuple[AbsolutePath, ...],
        Field(description="Those of `contents` that dpkg treats as configuration. None that operators tune."),
    ] = ()
    unit: Annotated[str | None, Field(description="Its systemd unit: never started or stopped but by a removal.")] = None
    says: Says | None = None

    def of(self, row: Row) -> Package:
        """Return the package of one version: `{series}` filled in."""
        says = self.says and replace(self.says, command=tuple(row.fill(word) for word in self.says.command))
        return replace(
            self,
            name=row.fill(self.name),
            copies={row.fill(path): origin for path, origin in self.copies.items()},
            programs={row.fill(path): program for path, program in self.programs.items()},
            contents=tuple(row.fill(path) for path in self.contents),
            conffiles=tuple(row.fill(path) for path in self.conffiles),
            says=says,
        )


@frozen
class Recipe(Strict):
    """A component: what it is, its packages, its versions."""

    name: Name
    summary: str
    licence: Annotated[str, Field(description="SPDX expression.")]
    homepage: str
    maintainer: Annotated[str, Field(pattern=r"^[^<>]+ <[^<>@ ]+@[^<>@ ]+>$", description="Name <address>")]
    kind: Kind
    packages: Annotated[tuple[Package, ...], NotEmpty]
    versions: Annotated[tuple[Row, ...], NotEmpty]
    product: Annotated[
        Name | None,
        Field(description="What kubedeb's rules call it; lint refuses versions that they block (default: name)."),
    ] = None
    copyright: Annotated[
        SourcePath | None,
        Field(
            description="The copyright file that every package ships, where `debian/copyright` of the recipe is none; "
            "a `debian` recipe's is its source's own."
        ),
    ] = None
    go: Annotated[Go | None, Field(description="For kind go.")] = None
    compression: Annotated[str, Field(pattern=r"^(xz|gzip)-[0-9]$", description="Of the packages: compressor and level.")] = (
        "xz-1"
    )
    build_depends: Annotated[
        tuple[Name, ...],
        Field(description="Debian packages that the build needs beside debhelper; locked by `kubedeb base update`."),
    ] = ()
    source_build_depends: Annotated[
        bool | None,
        Field(
            description="Take what the .dsc build-depends on as well (default: for kind debian; a go recipe may ask for it)."
        ),
    ] = None
    upstream: UpstreamFiles | None = None
    common: Annotated[
        Name | None,
        Field(
            description="A folder beside the recipe's, whose `debian/` and `files/` are shared; "
            "the recipe's own files come first."
        ),
    ] = None

    @property
    def takes_source_needs(self) -> bool:
        """Say whether what its .dsc build-depends on is needed too."""
        return self.kind is Kind.DEBIAN if self.source_build_depends is None else self.source_build_depends

    def packages_of(self, row: Row) -> tuple[Package, ...]:
        """Return the packages that one version is built into."""
        return tuple(package.of(row) for package in self.packages if package.name not in row.without)
