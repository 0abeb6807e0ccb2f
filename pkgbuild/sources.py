"""What a recipe is made from, as people write it: Debian's packages, upstream's archives, Python's wheels, each pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import Strict, frozen
from pkgbuild.checksum import Algorithm, Checksum

if TYPE_CHECKING:
    from typing import Annotated, Literal

    from pydantic import Field

    from kubedeb.yamlfile import Quoted
    from pkgbuild.recipeform import Name, Sha256, Sha512


@frozen
class _Packaged(Strict):
    """A source that a package index names, by package and version."""

    package: Name
    version: Quoted

    @property
    def name(self) -> str:
        """Return what paths into the source begin with."""
        return self.package


@frozen
class _Pinned(_Packaged):
    """One that is pinned by sha256, always."""

    sha256: Sha256

    @property
    def checksum(self) -> Checksum:
        """Return the pin."""
        return Checksum.sha256(self.sha256)


@frozen
class DebSource(_Pinned):
    """A binary Debian package that is re-used. It names no host: the machine's own apt sources know where Debian is."""

    kind: Literal["deb"]
    suite: Annotated[Name, Field(description="The Debian suite whose signed index lists the package.")]


@frozen
class DscSource(_Pinned):
    """A Debian source package. The `.dsc` is pinned, and names its other files by sha256."""

    kind: Literal["dsc"]
    suite: Annotated[Name, Field(description="The Debian suite whose signed index lists the source package.")]
    sha256: Annotated[Sha256, Field(description="Of the .dsc file.")]


@frozen
class Signature(Strict):
    """A detached signature by upstream."""

    url: Annotated[str, Field(description="Where it lies; `{version}` and `{architecture}` are filled in.")]
    keyring: Annotated[str, Field(description="The file of the recipe's `keyring/` folder that holds upstream's keys.")]


@frozen
class UpstreamFiles(Strict):
    """What upstream publishes beside its releases; `kubedeb recipe bump` takes digests from it."""

    checksums: Annotated[
        str,
        Field(
            description="A checksum file; `{version}`, `{architecture}`, `{url}` (the archive's), `{file}` (its name) "
            "filled in."
        ),
    ]


@frozen
class ArchiveSource(Strict):
    """An upstream release: a tar or zip archive, or a single file."""

    kind: Literal["archive"]
    name: Annotated[Name, Field(description="What paths into it begin with.")]
    url: Annotated[
        str, Field(pattern=r"^https?://", description="Where it lies; `{version}` and `{architecture}` are filled in.")
    ]
    sha256: Sha256 | None = None
    sha512: Sha512 | None = None
    unpinned: Annotated[
        str | None, Field(min_length=1, description="Why it has no digest yet. It is listed by lint and never built.")
    ] = None
    signature: Signature | None = None

    def __post_init__(self) -> None:
        """Refuse more pins than one, and none."""
        if sum(pin is not None for pin in (self.sha256, self.sha512, self.unpinned)) != 1:
            raise ValueError("an archive is pinned by sha256 or by sha512, by one of them (or `unpinned: REASON`, for now)")

    @property
    def version(self) -> str:
        """Return its own version: it has none beside the row's."""
        return ""

    @property
    def checksum(self) -> Checksum:
        """Return the pin. Raises `KubedebError` (RECIPE) when there is none."""
        if self.unpinned is not None:
            raise KubedebError(
                f"source {self.name} is not pinned: {self.unpinned}", details=self.url,
                hint="kubedeb recipe bump RECIPE VERSION --accept pins what upstream sends now.", code=ExitCode.RECIPE,
            )  # fmt: skip
        return Checksum.sha256(self.sha256) if self.sha256 else Checksum(Algorithm.SHA512, self.sha512 or "")


@frozen
class WheelSource(_Packaged):
    """A Python wheel. It names no host: the machine's own pip knows where its index is."""

    kind: Literal["wheel"]
    package: Annotated[Name, Field(description="The distribution's name, as its index normalises it.")]
    file: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9._+-]+\.whl$", description="The wheel's file name: tags decide which one it is.")
    ]
    sha256: Sha256 | None = None
    unpinned: Annotated[str | None, Field(min_length=1, description="Why it has no digest: it is never built then.")] = None

    def __post_init__(self) -> None:
        """Refuse more pins than one, and none."""
        if (self.sha256 is None) != (self.unpinned is not None):
            raise ValueError("a wheel is pinned by sha256 (or `unpinned: REASON`)")

    @property
    def checksum(self) -> Checksum:
        """Return the pin. Raises `KubedebError` (RECIPE) when there is none."""
        if self.sha256 is None:
            raise KubedebError(
                f"source {self.name} is not pinned: {self.unpinned}", details=self.file, code=ExitCode.RECIPE
            )  # fmt: skip
        return Checksum.sha256(self.sha256)


Source = DebSource | DscSource | ArchiveSource | WheelSource
