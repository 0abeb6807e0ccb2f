"""The objects that a row of the repository consists of: the package, a source's files, and what was said about it.

All lie in the package's own folder of the pool, so that they go with it. What lies beside a package is linked from its
stanza by the field `Kubedeb-Beside`, one file a line: sha256, size, name; the names are relative to the folder of Filename.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.stanza import one
from repo.models import SOURCE, Member, Package, pool_folder

FIELD = "Kubedeb-Beside"
# Build record, bills of materials and statements: what `kubedeb build` writes beside NAME_VERSION_ARCH.deb.
STATEMENTS = (".intoto.jsonl", ".cdx.json", ".spdx.json")
BUILDINFO = ".buildinfo"


class PoolFile(NamedTuple):
    """A file in a package's folder of the pool: plain name, sha256 in hex, size in bytes."""

    name: str
    sha256: str
    size: int


def parse_files(text: str) -> tuple[PoolFile, ...]:
    """Return the files of a field that lists digest, size and name on each line. Raises `ValueError` for a path or no list."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if any(len(row) != 3 for row in rows):
        raise ValueError("it is not a list of digest, size and name")
    files = tuple(PoolFile(name, digest, _number(size)) for digest, size, name in rows)
    if bad := [file.name for file in files if "/" in file.name or file.name.startswith(".")]:
        raise ValueError(f"it lists {bad[0][:80]!r}, which is not a plain file name")
    if len({file.name for file in files}) < len(files):
        raise ValueError("it lists a file twice")
    return files


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise ValueError(f"{text[:80]!r} is not a size")
    return int(text)


def files_text(files: Iterable[PoolFile]) -> str:
    """Return the lines of such a field: the inverse of `parse_files`."""
    return "".join(f" {file.sha256} {file.size} {file.name}\n" for file in sorted(files))


def beside(package: Package) -> tuple[PoolFile, ...]:
    """Return what lies beside a package."""
    return parse_files(one(package.stanza)[FIELD]) if f"\n{FIELD}:\n" in package.stanza else ()


def with_beside(package: Package, files: Iterable[PoolFile]) -> Package:
    """Return the package with these files beside it too; a file takes the place of one of the same name."""
    merged = {file.name: file for file in (*beside(package), *files)}
    head = package.stanza.partition(f"\n{FIELD}:\n")[0].removesuffix("\n")
    return package._replace(stanza=f"{head}\n{FIELD}:\n{files_text(merged.values())}") if merged else package


def objects(package: Package) -> dict[str, PoolFile]:
    """Return every object of a package by its name in the store, the package itself first."""
    folder = pool_folder(package.sha256)
    own = package.member.pool_name
    found = {own: PoolFile(own.rpartition("/")[2], package.sha256, package.size)}
    listed = parse_files(one(package.stanza)["Checksums-Sha256"]) if package.architecture == SOURCE else ()
    return found | {f"{folder}/{file.name}": file for file in (*listed, *beside(package))}


def damaged(member: Member) -> KubedebError:
    """Return the error for a package of which the pool has not the right bytes."""
    return KubedebError(
        f"the bytes of {member.label} are missing or damaged in the pool",
        details=f"public/{member.pool_name}", hint="Put the file back (kubedeb repo add FILE does it), then publish.",
        code=ExitCode.REPOSITORY,
    )  # fmt: skip
