"""The tar stream that goes into the sandbox: the rendered tree, and the files copied from sources, bit for bit."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import CHUNK
from pkgbuild.render import LAID_OUT, TreeFile
from pkgbuild.sandbox import PLAIN
from pkgbuild.spec import BuildSpec

COPYRIGHT = "debian/copyright"


@dataclass(frozen=True)
class Stamp:
    """What every member of the stream carries: owner (uid and gid) and time."""

    owner: int
    epoch: int


def folder_name(spec: BuildSpec) -> str:
    """Return the source tree's folder below the build root: the same in every build, because compilers write it down."""
    return f"{spec.recipe}-{spec.version}"


def places(spec: BuildSpec) -> dict[tuple[str, str], list[str]]:
    """Return where each file of a source goes: {(source, path in it): [paths in the tree]}."""
    wanted: dict[tuple[str, str], list[str]] = {}
    copies = [(f"{LAID_OUT}/{package.name}{path}", origin) for package in spec.packages for path, origin in package.copies]
    for path, origin in [(COPYRIGHT, spec.copyright), *copies]:
        source, _, inside = origin.partition("/")
        wanted.setdefault((source, f"/{inside}"), []).append(path)
    return wanted


def write_tree(
    out: IO[bytes], spec: BuildSpec, tree: Mapping[str, TreeFile], sources: Mapping[str, Path], owner: int = PLAIN.user
) -> dict[str, str]:
    """Write the whole source tree as a tar stream and return {path in the tree: sha256} of what was copied from sources.

    `sources` are the fetched files by source name. Every member is `owner`'s (uid and gid), dated with the spec's epoch, and
    the order is that of the paths. Raises `KubedebError` (RECIPE) when a source lacks a file.
    """
    stamp = Stamp(owner, spec.epoch)
    root = folder_name(spec)
    copied: dict[str, str] = {}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        laid = [path for paths in places(spec).values() for path in paths]
        for folder in _folders([*tree, *laid]):
            tar.addfile(_member(stamp, f"{root}/{folder}".rstrip("/"), 0, tarfile.DIRTYPE, 0o755))
        for path, file in sorted(tree.items()):
            mode = 0o755 if file.executable else 0o644
            tar.addfile(_member(stamp, f"{root}/{path}", len(file.data), tarfile.REGTYPE, mode), io.BytesIO(file.data))
        for name, archive in sources.items():
            wanted = {inside: paths for (source, inside), paths in places(spec).items() if source == name}
            copied.update(_copy(tar, spec, stamp, archive, wanted))
    for (source, inside), paths in places(spec).items():
        if missing := [path for path in paths if path not in copied]:
            raise KubedebError(
                f"source {source} has no file {inside}", details=f"{spec.title} wants it as {', '.join(missing)}.",
                hint="Mend the path in the recipe; dpkg-deb --contents lists what the source holds.", code=ExitCode.RECIPE,
            )  # fmt: skip
    return copied


def _copy(
    tar: tarfile.TarFile, spec: BuildSpec, stamp: Stamp, archive: Path, wanted: Mapping[str, list[str]]
) -> dict[str, str]:
    from debian.debfile import DebFile

    copied: dict[str, str] = {}
    with DebFile(archive) as deb:
        for member in deb.data.tgz():
            paths = wanted.get("/" + member.name.removeprefix("./"), [])
            if not paths or not member.isreg():
                continue
            mode = 0o755 if member.mode & 0o100 else 0o644
            for path in paths:
                stream = _Hashing(deb.data.tgz().extractfile(member))
                tar.addfile(_member(stamp, f"{folder_name(spec)}/{path}", member.size, tarfile.REGTYPE, mode), stream)
                copied[path] = stream.digest.hexdigest()
    return copied


def _member(stamp: Stamp, name: str, size: int, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.mode, member.mtime = size, kind, mode, stamp.epoch
    member.uid = member.gid = stamp.owner
    return member


def _folders(paths: Iterable[str]) -> list[str]:
    """Return every folder above the paths, the root ("") first, parents before children."""
    found = {""}
    for path in paths:
        parts = path.split("/")[:-1]
        found.update("/".join(parts[:end]) for end in range(1, len(parts) + 1))
    return sorted(found)


class _Hashing(io.RawIOBase):
    """A stream that is hashed while it is read."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int = CHUNK) -> bytes:
        block: bytes = self._stream.read(size)
        self.digest.update(block)
        return block
