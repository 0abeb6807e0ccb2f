"""A bill of materials: what a package holds, what it was made from, what it needs; one model, written in two formats."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from kubedeb.records import frozen, ordered
from pkgbuild import purl
from pkgbuild.goinfo import GoBuild
from pkgbuild.reading import Reading, read_package
from pkgbuild.spec import BuildSpec
from pkgbuild.statement import Material, materials

NEEDED = ("Pre-Depends", "Depends", "Recommends")
NAME = re.compile(r"^\s*(?P<name>[a-z0-9][a-z0-9+.-]+)(?::[a-z0-9-]+)?\s*(?:\((?P<range>[^)]*)\))?\s*$")


@ordered
class BillFile:
    """A regular file of the package: absolute path, digests in hex. SPDX wants sha1 of all files."""

    path: str
    sha256: str
    sha1: str


@ordered
class Need:
    """A Debian package that is needed: the relation's name, and its range of versions as written (empty: any)."""

    name: str
    range: str


@frozen
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


def bill_of(package: Path, spec: BuildSpec, read: Callable[[Path], Reading] = read_package) -> Bill:
    """Return the bill of a package, from a reading of it from end to end. Raises `DebError`, `OSError`."""
    reading = read(package)
    found = reading.contents
    control = found.deb.control
    files = [BillFile(entry.path, entry.sha256, reading.sha1[entry.path]) for entry in found.entries if entry.kind == "file"]
    return Bill(
        name=found.deb.name, version=found.deb.version, architecture=found.deb.architecture, suite=spec.suite,
        file=package.name, sha256=found.deb.sha256, summary=control.get("Description", "").partition("\n")[0],
        epoch=spec.epoch, files=tuple(sorted(files)), sources=tuple(materials(spec, None)[: len(spec.sources)]),
        needs=needs([control.get(field, "") for field in NEEDED]), programs=tuple(sorted(reading.programs.items())),
    )  # fmt: skip
