"""What a Debian source package's `.dsc` names: its files, by sha256."""

from __future__ import annotations

from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from pkgbuild.checksum import Checksum


@frozen
class NamedFile:
    """A file that a `.dsc` names: plain name, size in bytes, digest."""

    name: str
    size: int
    checksum: Checksum


def named_files(dsc: Path) -> tuple[NamedFile, ...]:
    """Return the files of a source package. Raises `KubedebError` (SOURCE_REFUSED) when it is no `.dsc` or names a path."""
    from debian.deb822 import Dsc

    try:
        with dsc.open("rb") as stream:
            listed = Dsc(stream).get("Checksums-Sha256") or []
        files = tuple(NamedFile(entry["name"], int(entry["size"]), Checksum.sha256(entry["sha256"])) for entry in listed)
    except (ValueError, KeyError) as error:
        raise _refused(dsc, f"it cannot be read: {error}") from error
    if not files:
        raise _refused(dsc, "it names no file by sha256")
    if bad := [file.name for file in files if "/" in file.name or file.name.startswith(".")]:
        raise _refused(dsc, f"it names {bad[0]!r}, which is no plain file name")
    return files


def _refused(dsc: Path, why: str) -> KubedebError:
    return KubedebError(f"{dsc} is not a source package's .dsc: {why}", code=ExitCode.SOURCE_REFUSED)
