"""What people write in `recipe.yaml`: a header, the packages, and a flat list of versions with pinned sources."""

from __future__ import annotations

import datetime
import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from kubedeb.yamlfile import Quoted, StrictModel
from pkgbuild.sources import ArchiveSource, Name, Source, UpstreamFiles, WheelSource


def _not_empty(value: Any) -> Any:
    """Refuse an empty list; as a validator of its own it stays silent when the list is empty for being wrong inside."""
    if not value:
        raise ValueError("at least one is needed")
    return value


NotEmpty = AfterValidator(_not_empty)
AbsolutePath = Annotated[
    str,
    Field(
        pattern=r"^(/([A-Za-z0-9+_.@:~-]|\{series\})*([A-Za-z0-9+_@:~-]|\{series\}))+$",
        description="A path in the package; `{series}` is filled in: 3.4 for version 3.4.23.",
    ),
]
PackageName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9+.-]|\{series\})+$",
        description="A binary package; `{series}` is filled in: 3.4 for version 3.4.23.",
    ),
]
SourcePath = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9+.-]+(/([A-Za-z0-9+_.@:~-]|\{version\}|\{architecture\})*([A-Za-z0-9+_@:~-]|\{version\}|\{architecture\}))+$",
        description="SOURCE/path/in/it, where SOURCE is the source's name; `{version}` and `{architecture}` are filled in.",
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


RelativePath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9+_.-]*(/[A-Za-z0-9_][A-Za-z0-9+_.-]*)*$")]


class Generate(StrictModel):
    """Source files that a `go` recipe makes before it compiles; kept with what is compiled, by what they are made from."""

    script: RelativePath = Field(
        description="A file of debian/, run by sh in the sources' folder; $GO is the toolchain, $SCRATCH a folder of its own."
    )
    makes: Annotated[tuple[RelativePath, ...], NotEmpty] = Field(
        description="Every file that it makes and the build needs, below the sources' folder."
    )


class Go(StrictModel):
    """How a `go` recipe is compiled; the variables and the target for it are generated into debian/kubedeb.mk."""

    source: Name = Field(description="The source that is the tree: an archive (its single top folder is left out) or a dsc.")
    mode: GoMode = GoMode.MODULE
    import_path: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~/-]*$")] | None = Field(
        default=None, description="Where the tree lies below GOPATH/src; for mode gopath."
    )
    toolchain: Name = Field(description="golang-X.Y-go or golang-go of `build_depends`, or an archive among the sources.")
    stamps: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9._~/-]+$")], Annotated[str, Field(pattern=r"^[^'\"\s$\\`#]*$")]] = (
        Field(
            default_factory=dict,
            description="Variables that the linker sets (-X); `{version}`, `{major}`, `{series}` and `{date}` are filled in.",
        )
    )
    generate: Generate | None = Field(default=None, description="For sources that are not whole without generated files.")
    tags: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]+$")], ...] = ()
    cgo: bool = False

    @model_validator(mode="after")
    def _placed(self) -> Go:
        if (self.mode is GoMode.GOPATH) != (self.import_path is not None):
            raise ValueError("import_path is for mode gopath, and needed there")
        if self.import_path and ".." in self.import_path.split("/"):
            raise ValueError("import_path leaves GOPATH")
        return self


def as_upstream(version: str) -> str:
    """Return a version as upstream writes it: 1.11.0-rc.1, where Debian's is 1.11.0~rc.1, which sorts before 1.11.0; pure."""
    return version.replace("~", "-")


class Row(StrictModel):
    """One version: what is built, from which bytes, with which date."""

    version: Annotated[
        Quoted,
        Field(pattern=r"^[0-9][A-Za-z0-9.+~]*$", description="The upstream version, in quotes; a candidate is 1.11.0~rc.1."),
    ]
    revision: Annotated[int, Field(ge=1, description="Of the packaging; the suite's suffix is added: 1 → 1~deb12u1.")]
    date: datetime.date = Field(description="The changelog's date: every timestamp in the packages is 12:00 UTC of it.")
    changes: Annotated[tuple[str, ...], NotEmpty, Field(description="The changelog's lines.")]
    build_options: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9=_-]*$")], ...] = Field(
        default=(), description="Words of DEB_BUILD_OPTIONS for this version: nocheck, nodoc, …"
    )
    build_profiles: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]*$")], ...] = Field(
        default=(), description="Words of DEB_BUILD_PROFILES for this version; they decide which of a .dsc's needs apply."
    )
    without: tuple[PackageName, ...] = Field(default=(), description="Packages of the recipe that this version does not have.")
    suites: Annotated[tuple[Suite, ...], NotEmpty] = Field(
        default=tuple(Suite), description="What it can be built for, where the build needs what only these suites have."
    )
    parts: dict[Name, Quoted] = Field(
        default_factory=dict,
        description="Versions of sources and packages that have their own: `{version}` in what concerns them is that.",
    )
    sources: Annotated[dict[Architecture, tuple[Source, ...]], NotEmpty]

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


class Says(StrictModel):
    """A command of the package that is run after the build, and what its output must hold: is the right version inside?"""

    command: Annotated[tuple[str, ...], NotEmpty, Field(description="The first word is a path in the package.")]
    environment: dict[str, str] = Field(default_factory=dict)
    output: str = Field(description="`{version}` stands for the version of the source that the command is from.")


class Environment(StrictModel):
    """A Python environment: every wheel of a version, laid out whole, bit for bit."""

    prefix: AbsolutePath = Field(description="The folder of the environment: modules lie in lib/pythonX.Y/site-packages below.")
    python: Annotated[Quoted, Field(pattern=r"^3\.[0-9]+$", description="The Python that runs it, in quotes.")]


class Package(StrictModel):
    """One binary package: exactly these files, from there."""

    name: PackageName
    copies: dict[AbsolutePath, SourcePath] = Field(
        default_factory=dict, description="Path in the package: file in a source, bit for bit."
    )
    programs: dict[AbsolutePath, Annotated[str, Field(pattern=r"^\.?[A-Za-z0-9._~/-]*$")]] = Field(
        default_factory=dict, description="Path in the package: the Go package that is compiled to it, ./cmd/hello."
    )
    environment: Environment | None = Field(default=None, description="Of the version's wheels, for kind prebuilt.")
    contents: tuple[AbsolutePath, ...] = Field(
        default=(), description="Every other file in it; changelog and copyright go without saying."
    )
    conffiles: tuple[AbsolutePath, ...] = Field(
        default=(), description="Those of `contents` that dpkg treats as configuration. None that operators tune."
    )
    unit: str | None = Field(default=None, description="Its systemd unit: never started or stopped but by a removal.")
    says: Says | None = None

    def of(self, row: Row) -> Package:
        """Return the package of one version: `{series}` filled in."""
        says = self.says and self.says.model_copy(update={"command": tuple(row.fill(word) for word in self.says.command)})
        return self.model_copy(
            update={
                "name": row.fill(self.name),
                "copies": {row.fill(path): origin for path, origin in self.copies.items()},
                "programs": {row.fill(path): program for path, program in self.programs.items()},
                "contents": tuple(row.fill(path) for path in self.contents),
                "conffiles": tuple(row.fill(path) for path in self.conffiles),
                "says": says,
            }
        )


class Recipe(StrictModel):
    """A component: what it is, its packages, its versions."""

    name: Name
    product: Name | None = Field(
        default=None, description="What kubedeb's rules call it; lint refuses versions that they block (default: name)."
    )
    summary: str
    licence: str = Field(description="SPDX expression.")
    homepage: str
    maintainer: Annotated[str, Field(pattern=r"^[^<>]+ <[^<>@ ]+@[^<>@ ]+>$", description="Name <address>")]
    kind: Kind
    copyright: SourcePath | None = Field(
        default=None,
        description="The copyright file that every package ships, where `debian/copyright` of the recipe is none; "
        "a `debian` recipe's is its source's own.",
    )
    go: Go | None = Field(default=None, description="For kind go.")
    compression: Annotated[str, Field(pattern=r"^(xz|gzip)-[0-9]$")] = Field(
        default="xz-1", description="Of the packages: compressor and level."
    )
    build_depends: tuple[Name, ...] = Field(
        default=(), description="Debian packages that the build needs beside debhelper; locked by `kubedeb base update`."
    )
    source_build_depends: bool | None = Field(
        default=None,
        description="Take what the .dsc build-depends on as well (default: for kind debian; a go recipe may ask for it).",
    )
    upstream: UpstreamFiles | None = None
    common: Name | None = Field(
        default=None,
        description="A folder beside the recipe's, whose `debian/` and `files/` are shared; the recipe's own files come first.",
    )
    packages: Annotated[tuple[Package, ...], NotEmpty]
    versions: Annotated[tuple[Row, ...], NotEmpty]

    @property
    def takes_source_needs(self) -> bool:
        """Say whether what its .dsc build-depends on is needed too."""
        return self.kind is Kind.DEBIAN if self.source_build_depends is None else self.source_build_depends

    def packages_of(self, row: Row) -> tuple[Package, ...]:
        """Return the packages that one version is built into."""
        return tuple(package.of(row) for package in self.packages if package.name not in row.without)

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
            if unknown := set(row.without) - {package.name for package in self.packages}:
                raise ValueError(
                    f"version {row.version} is without {', '.join(sorted(unknown))}, which the recipe does not have"
                )
            if not self.packages_of(row):
                raise ValueError(f"version {row.version} is without every package")
            self._check_parts(row)
        if wrong := wrong_for_kind(self):
            raise ValueError(wrong)
        names = [package.name for package in self.packages]
        if len(set(names)) < len(names):
            raise ValueError("a package is listed twice")
        for package in self.packages:
            if unlisted := set(package.conffiles) - set(package.contents):
                raise ValueError(f"conffiles of {package.name} that are not in its contents: {', '.join(sorted(unlisted))}")
        return self

    def _check_parts(self, row: Row) -> None:
        named = {source.name for sources in row.sources.values() for source in sources}
        if unknown := set(row.parts) - named - {package.name for package in self.packages_of(row)}:
            raise ValueError(
                f"version {row.version} has parts that are neither a source nor a package: {', '.join(sorted(unknown))}"
            )

    def _check_sources(self, row: Row, architecture: Architecture, given: list[str]) -> None:
        if len(set(given)) < len(given):
            raise ValueError(f"version {row.version}, {architecture}: a source is listed twice")
        given_away = [self.copyright] if self.copyright else []
        wanted = [*given_away, *(path for package in self.packages_of(row) for path in package.copies.values())]
        for path in wanted:
            source = path.partition("/")[0]
            if source not in given:
                raise ValueError(
                    f"version {row.version}, {architecture}: {path} is from source {source!r}, "
                    f"but its sources are {', '.join(given) or 'none'}"
                )


def wrong_for_kind(recipe: Recipe) -> str:
    """Return what a recipe's kind forbids or lacks, empty when all is well; pure."""
    if (recipe.kind is Kind.GO) != (recipe.go is not None):
        return "the key go is for kind go, and needed there"
    if recipe.kind is not Kind.GO and any(package.programs for package in recipe.packages):
        return "programs are compiled by recipes of kind go only"
    if recipe.kind is not Kind.PREBUILT and any(package.environment for package in recipe.packages):
        return "an environment of wheels is laid out by recipes of kind prebuilt only"
    if recipe.kind is Kind.DEBIAN:
        return _wrong_for_debian(recipe)
    return _wrong_for_go(recipe, recipe.go) if recipe.go else ""


def _wrong_for_debian(recipe: Recipe) -> str:
    if recipe.copyright or any(package.copies for package in recipe.packages):
        return "a debian recipe copies nothing from sources: its source package says what is in its packages"
    for row in recipe.versions:
        for architecture, sources in row.sources.items():
            if [(source.kind, source.name) for source in sources] != [("dsc", recipe.name)]:
                return f"version {row.version}, {architecture}: a debian recipe has one source, the dsc of {recipe.name}"
            if architecture is not BUILD_ARCHITECTURE:
                return f"version {row.version}: a debian recipe is built for {BUILD_ARCHITECTURE}, not for {architecture}"
    return ""


def _wrong_for_go(recipe: Recipe, go: Go) -> str:
    for row in recipe.versions:
        for architecture, sources in row.sources.items():
            kinds = {source.name: source.kind for source in sources}
            where = f"version {row.version}, {architecture}"
            origins = [origin for package in recipe.packages for origin in package.copies.values()]
            if unread := [origin for origin in origins if kinds.get(origin.partition("/")[0]) == "dsc"]:
                return f"{where}: {unread[0]} is from a dsc, which is compiled, not copied from"
            if kinds.get(go.source) not in ("archive", "dsc"):
                return f"{where}: go.source {go.source!r} is no archive or dsc of its sources"
            if go.toolchain not in recipe.build_depends and kinds.get(go.toolchain) != "archive":
                return f"{where}: go.toolchain {go.toolchain!r} is neither in build_depends nor an archive"
    if not re.fullmatch(r"golang-([0-9]+\.[0-9]+-)?go", go.toolchain) and go.toolchain in recipe.build_depends:
        return f"go.toolchain {go.toolchain!r} is not golang-X.Y-go or golang-go"
    return ""
