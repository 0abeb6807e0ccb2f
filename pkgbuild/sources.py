"""What a recipe is made from, as people write it: Debian's packages, upstream's archives, Python's wheels, each pinned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.yamlfile import Quoted, StrictModel
from pkgbuild.checksum import Algorithm, Checksum

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$", description="A Debian package or source name.")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="The file's sha256: 64 lower-case hex digits.")]
Sha512 = Annotated[str, Field(pattern=r"^[0-9a-f]{128}$", description="The file's sha512: 128 lower-case hex digits.")]


class _Packaged(StrictModel):
    """A source that a package index names, by package and version."""

    package: Name
    version: Quoted

    @property
    def name(self) -> str:
        """Return what paths into the source begin with."""
        return self.package


class _Pinned(_Packaged):
    """One that is pinned by sha256, always."""

    sha256: Sha256

    @property
    def checksum(self) -> Checksum:
        """Return the pin."""
        return Checksum.sha256(self.sha256)


class DebSource(_Pinned):
    """A binary Debian package that is re-used. It names no host: the machine's own apt sources know where Debian is."""

    kind: Literal["deb"]
    suite: Name = Field(description="The Debian suite whose signed index lists the package.")


class DscSource(_Pinned):
    """A Debian source package. The `.dsc` is pinned, and names its other files by sha256."""

    kind: Literal["dsc"]
    suite: Name = Field(description="The Debian suite whose signed index lists the source package.")
    sha256: Sha256 = Field(description="Of the .dsc file.")


class Signature(StrictModel):
    """A detached signature by upstream."""

    url: str = Field(description="Where it lies; `{version}` and `{architecture}` are filled in.")
    keyring: str = Field(description="The file of the recipe's `keyring/` folder that holds upstream's keys.")


class UpstreamFiles(StrictModel):
    """What upstream publishes beside its releases; `kubedeb recipe bump` takes digests from it."""

    checksums: str = Field(
        description="A checksum file; `{version}`, `{architecture}`, `{url}` (the archive's), `{file}` (its name) filled in."
    )


class ArchiveSource(StrictModel):
    """An upstream release: a tar or zip archive, or a single file."""

    kind: Literal["archive"]
    name: Name = Field(description="What paths into it begin with.")
    url: str = Field(pattern=r"^https?://", description="Where it lies; `{version}` and `{architecture}` are filled in.")
    sha256: Sha256 | None = None
    sha512: Sha512 | None = None
    unpinned: str | None = Field(
        default=None, min_length=1, description="Why it has no digest yet. It is listed by lint and never built."
    )
    signature: Signature | None = None

    @model_validator(mode="after")
    def _pinned(self) -> ArchiveSource:
        if sum(pin is not None for pin in (self.sha256, self.sha512, self.unpinned)) != 1:
            raise ValueError("an archive is pinned by sha256 or by sha512, by one of them (or `unpinned: REASON`, for now)")
        return self

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


class WheelSource(_Packaged):
    """A Python wheel. It names no host: the machine's own pip knows where its index is."""

    kind: Literal["wheel"]
    package: Name = Field(description="The distribution's name, as its index normalises it.")
    file: str = Field(pattern=r"^[A-Za-z0-9._+-]+\.whl$", description="The wheel's file name: tags decide which one it is.")
    sha256: Sha256 | None = None
    unpinned: str | None = Field(default=None, min_length=1, description="Why it has no digest: it is never built then.")

    @model_validator(mode="after")
    def _pinned(self) -> WheelSource:
        if (self.sha256 is None) != (self.unpinned is not None):
            raise ValueError("a wheel is pinned by sha256 (or `unpinned: REASON`)")
        return self

    @property
    def checksum(self) -> Checksum:
        """Return the pin. Raises `KubedebError` (RECIPE) when there is none."""
        if self.sha256 is None:
            raise KubedebError(
                f"source {self.name} is not pinned: {self.unpinned}", details=self.file, code=ExitCode.RECIPE
            )  # fmt: skip
        return Checksum.sha256(self.sha256)


Source = Annotated[DebSource | DscSource | ArchiveSource | WheelSource, Field(discriminator="kind")]
