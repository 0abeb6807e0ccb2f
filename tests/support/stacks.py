"""The shipped recipes of what upstream builds, built from stand-in releases: every version, both architectures."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import releases

from kubedeb.cli import run
from kubedeb.deb import read_contents, read_deb
from kubedeb.errors import ExitCode
from pkgbuild.library import choose, find
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.spec import PackageSpec, expand

NAMES = ("kubernetes", "helm")
NODES = (
    "etcd-upstream", "calico", "calico-upgrade", "containernetworking-plugins", "containernetworking-plugins-0799f573",
)  # fmt: skip
"""What runs beside Kubernetes."""
ARM64 = 183
"""The ELF machine of arm64 (elf.h, EM_AARCH64)."""
Key = tuple[str, str]
"""A package's name and upstream version."""


@dataclass(frozen=True)
class Origin:
    """A file of upstream's: its sha256, and its ELF machine where it is a program."""

    sha256: str
    machine: int


@dataclass(frozen=True)
class Expected:
    """What a package must be, and {name: file} of the sources that it is made of."""

    package: PackageSpec
    sources: Mapping[str, Path]

    def origins(self) -> dict[str, Origin]:
        """Return {path in the package: upstream's file}."""
        parts = {path: origin.partition("/") for path, origin in self.package.copies}
        return {path: inside(self.sources[source], member) for path, (source, _, member) in parts.items()}


@dataclass(frozen=True)
class Stack:
    """What was built: release files by URL path, recipes pinned to them, cache, store, packages by architecture.

    `builds`: by architecture, what `kubedeb build --json` says of each build.
    """

    names: tuple[str, ...]
    recipes: Path
    cache: Path
    store: Path
    files: dict[str, bytes]
    out: Path
    builds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def debs(self, architecture: str = "amd64") -> list[Path]:
        """Return the packages of an architecture."""
        return sorted((self.out / architecture).glob("*.deb"))

    def packages(self, architecture: str = "amd64") -> dict[Key, Path]:
        """Return the packages of an architecture by name and upstream version."""
        return {key(read_deb(path).control): path for path in self.debs(architecture)}

    def expected(self, architecture: str = "amd64") -> dict[Key, Expected]:
        """Return what the recipes say of an architecture's packages."""
        found = {}
        for one in choose(find([self.recipes]), self.names):
            if Architecture(architecture) in one.row.sources:
                spec = expand(one, Suite.BOOKWORM, Architecture(architecture)).spec
                sources = {pin.name: self.cache / "sha256" / pin.checksum.value for pin in spec.sources}
                found.update({(package.name, one.row.version): Expected(package, sources) for package in spec.packages})
        return found

    def where(self, architecture: str = "amd64") -> list[str]:
        """Return the options of `kubedeb build` for its recipes, cache, store and an architecture."""
        where = ["--recipes", str(self.recipes), "--cache", str(self.cache), "--store", str(self.store)]
        return [*where, "--arch", architecture]

    def wanted(self, architecture: str) -> list[str]:
        """Return RECIPE@VERSION of every row that upstream has an architecture for."""
        rows = choose(find([self.recipes]), self.names)
        return [f"{one.loaded.recipe.name}@{one.row.version}" for one in rows if Architecture(architecture) in one.row.sources]


def key(stanza: Mapping[str, str]) -> Key:
    """Return a package's name and upstream version."""
    return stanza["Package"], stanza["Version"].rpartition("-")[0]


def files(package: Path) -> dict[str, str]:
    """Return {path: sha256} of a package's files."""
    return {entry.path: entry.sha256 for entry in read_contents(package).entries if entry.sha256}


def scripts(package: Path) -> dict[str, bytes]:
    """Return the maintainer scripts and lists of a package, but its sums."""
    data = subprocess.run(["dpkg-deb", "--ctrl-tarfile", package], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        held = {member.name: stream.read() for member in tar if (stream := tar.extractfile(member))}
    return {name: data for name, data in held.items() if name not in ("./control", "./md5sums")}


def unlike(one: Path, other: Path) -> set[str]:
    """Return the control fields in which two packages differ."""
    ours, theirs = read_deb(one).control, read_deb(other).control
    return {field for field in ours.keys() | theirs.keys() if ours.get(field) != theirs.get(field)}


def inside(source: Path, path: str) -> Origin:
    """Return a file of a source: a member of an archive, or the source itself where it is a single file."""
    held = _members(source)
    return held.get(path) or held[""]


@cache
def _members(source: Path) -> dict[str, Origin]:
    """Return an archive's files by path, or a single file by the empty one; each source is read once."""
    data = source.read_bytes()
    if not data.startswith(b"\x1f\x8b"):
        return {"": _origin(data)}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {
            member.name.removeprefix("./"): _origin(stream.read()) for member in tar if (stream := tar.extractfile(member))
        }  # fmt: skip


def _origin(data: bytes) -> Origin:
    return Origin(hashlib.sha256(data).hexdigest(), int.from_bytes(data[18:20], "little") if data[:4] == b"\x7fELF" else 0)


def build(folder: Path, store: Path, names: tuple[str, ...] = (*NAMES, *NODES)) -> Stack:
    """Compile the stand-in, lay out the releases, build every version for each architecture that upstream has it for.

    lintian is a test's to ask: most of its time is its start, and a test asks it of many builds at once.
    """
    recipes, cache, out = folder / "recipes", folder / "cache", folder / "out"
    released = releases.stand_in(names, releases.program(folder), recipes, cache)
    made = Stack(names, recipes, cache, store, released, out)
    for architecture in releases.ARCHITECTURES:
        where = [*made.where(architecture), "--no-lintian", "-o", str(out / architecture)]
        made.builds[architecture] = run_build(*made.wanted(architecture), "--offline", *where)["builds"]
    return made


def run_build(*words: str) -> dict[str, Any]:
    """Run `kubedeb build`, two builds at once, which must succeed; return what it says as JSON."""
    said = io.StringIO()
    with redirect_stdout(said):
        assert run(["build", *words, "--jobs", "2", "--json"]) == ExitCode.DONE
    about: dict[str, Any] = json.loads(said.getvalue())
    return about
