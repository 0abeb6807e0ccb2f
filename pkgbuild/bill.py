"""A bill of materials: what a package holds, what it was made from, what it needs; one model, written in two formats."""

from __future__ import annotations

import hashlib
import mmap
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kubedeb.deb import read_contents
from pkgbuild import purl
from pkgbuild.goinfo import GoBuild, read_go
from pkgbuild.spec import BuildSpec
from pkgbuild.statement import Material, materials

NEEDED = ("Pre-Depends", "Depends", "Recommends")
NAME = re.compile(r"^\s*(?P<name>[a-z0-9][a-z0-9+.-]+)(?::[a-z0-9-]+)?\s*(?:\((?P<range>[^)]*)\))?\s*$")


@dataclass(frozen=True, order=True)
class BillFile:
    """A regular file of the package: absolute path, digests in hex. SPDX wants sha1 of all files."""

    path: str
    sha256: str
    sha1: str


@dataclass(frozen=True, order=True)
class Need:
    """A Debian package that is needed: the relation's name, and its range of versions as written (empty: any)."""

    name: str
    range: str


@dataclass(frozen=True)
class Bill:
    """All that a package's bill says; `programs` are (path, what it says of its Go build). `epoch` in seconds."""

    name: str
    version: str
    architecture: str
    suite: str
    file: str
    sha256: str
    summary: str
    epoch: int
    files: tuple[BillFile, ...]
    sources: tuple[Material, ...]
    needs: tuple[Need, ...]
    programs: tuple[tuple[str, GoBuild], ...]

    @property
    def purl(self) -> str:
        """Return the package's own purl."""
        return purl.debian(self.name, self.version, self.architecture, self.suite)

    @property
    def modules(self) -> tuple[tuple[str, str], ...]:
        """Return (path, version) of every Go module in any program, the toolchain's standard library too, sorted."""
        found = {(module.path, module.version) for _, go in self.programs for module in go.modules}
        found |= {(go.main.path, go.main.version) for _, go in self.programs if go.main}
        found |= {("std", go.toolchain.removeprefix("go")) for _, go in self.programs}
        return tuple(sorted(found))


def needs(fields: Sequence[str]) -> tuple[Need, ...]:
    """Return the packages that relation fields name, each alternative for itself, sorted; pure."""
    items = [item for field in fields for group in field.split(",") for item in group.split("|")]
    return tuple(sorted({Need(m["name"], m["range"] or "") for item in items if (m := NAME.match(item))}))


def bill_of(package: Path, spec: BuildSpec) -> Bill:
    """Read a package once, from end to end, and return its bill. Raises `DebError`, `OSError`."""
    with _Reader() as reader:
        found = read_contents(package, watcher=reader)
    control = found.deb.control
    files = [BillFile(entry.path, entry.sha256, reader.sha1[entry.path]) for entry in found.entries if entry.kind == "file"]
    return Bill(
        name=found.deb.name, version=found.deb.version, architecture=found.deb.architecture, suite=spec.suite,
        file=package.name, sha256=found.deb.sha256, summary=control.get("Description", "").partition("\n")[0],
        epoch=spec.epoch, files=tuple(sorted(files)), sources=tuple(materials(spec, None)[: len(spec.sources)]),
        needs=needs([control.get(field, "") for field in NEEDED]), programs=tuple(sorted(reader.programs.items())),
    )  # fmt: skip


class _Reader:
    """Takes the sha1 of every file, and reads programs through a file on disk: they are large, and memory is not for them."""

    def __init__(self) -> None:
        self.sha1: dict[str, str] = {}
        self.programs: dict[str, GoBuild] = {}
        self._digest = hashlib.sha1(usedforsecurity=False)
        self._begun = False
        self._spool: IO[bytes] | None = None

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._spool is not None:
            self._spool.close()

    def block(self, path: str, data: bytes) -> None:  # noqa: ARG002 - the Protocol's signature
        if not self._begun and data[:4] == b"\x7fELF":
            self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end` or `__exit__`
        self._begun = True
        self._digest.update(data)
        if self._spool is not None:
            self._spool.write(data)

    def end(self, path: str) -> None:
        self.sha1[path] = self._digest.hexdigest()
        self._digest, self._begun = hashlib.sha1(usedforsecurity=False), False
        if self._spool is not None:
            with self._spool as spool:
                spool.flush()
                with mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    go = read_go(data)
            self._spool = None
            if go is not None:
                self.programs[path] = go
