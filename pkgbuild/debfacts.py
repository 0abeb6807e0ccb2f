"""What a built .deb really holds, read with python-debian."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kubedeb.files import CHUNK


@dataclass(frozen=True)
class FileFact:
    """A file in a package: path from /, permission bits, owner as uid:gid, sha256 ("" when it is no regular file)."""

    path: str
    mode: int
    owner: str
    sha256: str


@dataclass(frozen=True)
class DebFacts:
    """A package: control fields, files (folders left out), conffiles and maintainer scripts."""

    name: str
    version: str
    architecture: str
    files: tuple[FileFact, ...]
    conffiles: tuple[str, ...]
    scripts: dict[str, str]


def read(path: Path) -> DebFacts:
    """Return the facts of a .deb file."""
    from debian.debfile import DebFile

    with DebFile(path) as deb:
        control = deb.debcontrol()
        tar = deb.data.tgz()
        files = [
            FileFact(_merged("/" + member.name.removeprefix("./")), member.mode & 0o7777, f"{member.uid}:{member.gid}",
                     _digest(tar.extractfile(member)) if member.isreg() else "")
            for member in tar if not member.isdir()
        ]  # fmt: skip
        conffiles = bytes(deb.control.get_content("conffiles") or b"").decode() if deb.control.has_file("conffiles") else ""
        scripts = {name: bytes(text).decode(errors="replace") for name, text in deb.scripts().items() if text}
        return DebFacts(
            control["Package"], control["Version"], control["Architecture"],
            tuple(files), tuple(conffiles.split("\n")[:-1]), scripts,
        )  # fmt: skip


def _merged(path: str) -> str:
    """Return the path on a merged-/usr system: older debhelper puts units below /lib, newer below /usr/lib."""
    return f"/usr{path}" if path.startswith("/lib/") else path


def _digest(stream: IO[bytes] | None) -> str:
    digest = hashlib.sha256()
    while stream is not None and (block := stream.read(CHUNK)):
        digest.update(block)
    return digest.hexdigest()
