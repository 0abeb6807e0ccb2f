"""The tar stream that goes into the sandbox: the rendered tree, and the files copied from sources, bit for bit."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import field
from pathlib import Path
from typing import IO, Any, cast

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import CHUNK
from kubedeb.records import frozen
from pkgbuild.gomake import TOOLCHAIN, tree_folder
from pkgbuild.recipe import Kind
from pkgbuild.render import COPYRIGHT, LAID_OUT, TreeFile
from pkgbuild.sandbox import PLAIN
from pkgbuild.spec import BuildSpec, SourcePin
from pkgbuild.unpack import Member, MemberKind, members
from pkgbuild.wheeltree import place, refuse_twice

OVERLAY = "overlay"
"""Where the rendered tree waits until dpkg-source has unpacked the package that it goes over."""
KINDS = {
    MemberKind.FOLDER: tarfile.DIRTYPE,
    MemberKind.SYMLINK: tarfile.SYMTYPE,
    MemberKind.HARDLINK: tarfile.LNKTYPE,
}


@frozen
class Stamp:
    """What every member of the stream carries: owner (uid and gid) and time."""

    owner: int
    epoch: int


def folder_name(spec: BuildSpec) -> str:
    """Return the source tree's folder below the build root: the same in every build, because compilers write it down."""
    return f"{spec.recipe}-{spec.version}"


def places(spec: BuildSpec) -> dict[tuple[str, str], list[str]]:
    """Return where each file of a source goes: {(source, path in it): [paths in the tree]}; a dsc is unpacked in the build."""
    unpacked_later = {pin.name for pin in spec.sources if pin.kind == "dsc"}
    wanted: dict[tuple[str, str], list[str]] = {}
    copies = [(f"{LAID_OUT}/{package.name}{path}", origin) for package in spec.packages for path, origin in package.copies]
    given = [(COPYRIGHT, spec.copyright)] if spec.copyright else []
    for path, origin in [*given, *copies]:
        source, _, inside = origin.partition("/")
        if source in unpacked_later:
            continue
        wanted.setdefault((source, inside), []).append(path)
    return wanted


def tree_root(spec: BuildSpec) -> str:
    """Return the folder below the build root that the rendered tree goes to: beside what dpkg-source is to unpack."""
    return OVERLAY if spec.kind == Kind.DEBIAN else folder_name(spec)


@frozen
class Files:
    """What fetched sources are laid out from: their files by name, and those that a .dsc names, itself too, by file name."""

    sources: Mapping[str, Path]
    beside: Mapping[str, Path] = field(default_factory=dict)

    @property
    def dsc(self) -> str:
        """Return the file name of the .dsc, "" where there is none."""
        return next((name for name in self.beside if name.endswith(".dsc")), "")


def write_tree(
    out: IO[bytes], spec: BuildSpec, tree: Mapping[str, TreeFile], files: Files, owner: int = PLAIN.user
) -> dict[str, str]:
    """Write the whole source tree as a tar stream and return {path in the tree: sha256} of what was copied from sources.

    Every member is `owner`'s (uid and gid), dated with the spec's epoch, and the order is that of the paths. Raises
    `KubedebError`: RECIPE when a source lacks a file, and what `unpack.members` raises for a hostile one.
    """
    stamp = Stamp(owner, spec.epoch)
    root = tree_root(spec)
    copied: dict[str, str] = {}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.copybufsize = CHUNK  # type: ignore[attr-defined]  # its own 16 KiB make of a large program a loop of many steps
        made = [f"{LAID_OUT}/{package.name}{path}" for package in spec.packages for path, _ in package.programs]
        laid = [path for paths in places(spec).values() for path in paths]
        whole = dict(_whole_trees(spec))
        above = [tree_folder(spec.go)] if spec.go else []  # dpkg-source insists on making the last folder itself
        first = _folders([*tree, *laid, *made, *above, *(f"{folder}/" for folder in whole.values())])
        folders = set(first)
        for folder in first:
            tar.addfile(_member(stamp, f"{root}/{folder}".rstrip("/"), 0, tarfile.DIRTYPE, 0o755))
        for path, file in sorted(tree.items()):
            mode = 0o755 if file.executable else 0o644
            tar.addfile(_member(stamp, f"{root}/{path}", len(file.data), tarfile.REGTYPE, mode), io.BytesIO(file.data))
        for name, beside in sorted(files.beside.items()):
            with beside.open("rb") as stream:
                tar.addfile(_member(stamp, name, beside.stat().st_size, tarfile.REGTYPE, 0o644), stream)
        wheels: dict[str, str] = {}
        for pin in spec.sources:
            if pin.kind != "dsc":
                given = _Source(tar, spec, stamp, pin, whole.get(pin.name, ""), folders)
                copied.update(given.copy(files.sources[pin.name]))
                if pin.kind == "wheel":
                    copied.update(given.lay_wheel(files.sources[pin.name], wheels))
    for (source, inside), paths in places(spec).items():
        if missing := [path for path in paths if path not in copied]:
            raise KubedebError(
                f"source {source} has no file {inside}", details=f"{spec.title} wants it as {', '.join(missing)}.",
                hint="Mend the path in the recipe; tar, dpkg-deb --contents or unzip -l lists what the source holds.",
                code=ExitCode.RECIPE,
            )  # fmt: skip
    return copied


def _whole_trees(spec: BuildSpec) -> list[tuple[str, str]]:
    """Return (source, folder) of the archives that are unpacked whole: the Go sources, and the toolchain."""
    if spec.go is None:
        return []
    given = [(spec.go.toolchain, TOOLCHAIN)] if spec.go.toolchain_is_source else []
    archives = {pin.name for pin in spec.sources if pin.kind == "archive"}
    return [(name, folder) for name, folder in [(spec.go.source, tree_folder(spec.go)), *given] if name in archives]


@frozen
class _Source:
    """One fetched source on its way into the stream; `whole` is the folder that all of it goes to, or empty.

    `folders` are those that the stream has already.
    """

    tar: tarfile.TarFile
    spec: BuildSpec
    stamp: Stamp
    pin: SourcePin
    whole: str
    folders: set[str]

    def copy(self, file: Path) -> dict[str, str]:
        """Write what is wanted of it and return {path in the tree: sha256} of the single files."""
        wanted = {inside: paths for (source, inside), paths in places(self.spec).items() if source == self.pin.name}
        copied: dict[str, str] = {}
        for member in members(file, self.pin) if wanted or self.whole else ():
            paths = wanted.get(member.path, [])
            if self.whole:
                below = member.path.partition("/")[2]
                self._unpack(member, f"{self.whole}/{below}" if below else "", paths, copied)
            elif paths and member.stream is not None:
                copied.update(self._lay(member.stream, member.mode, member.size, paths))
        return copied

    def lay_wheel(self, file: Path, before: dict[str, str]) -> dict[str, str]:
        """Write a wheel into every environment of the build, note in `before` what is where, and return {path: sha256}."""
        copied: dict[str, str] = {}
        homes = [(package.name, *package.environment) for package in self.spec.packages if package.environment]
        for member in members(file, self.pin) if homes else ():
            below = [(f"{LAID_OUT}/{name}{prefix}/", place(member.path, python)) for name, prefix, python in homes]
            paths = [top + path for top, path in below if path is not None]
            if paths and member.stream is not None:
                refuse_twice([(path, self.pin.file) for path in paths], before)
                before.update(dict.fromkeys(paths, self.pin.file))
                for path in paths:
                    self._make_folders(path)
                copied.update(self._lay(member.stream, member.mode, member.size, paths))
        return copied

    def _make_folders(self, path: str) -> None:
        """Write the folders above a path that are not there yet: made by tar they would not be the builder's."""
        for folder in _folders([path]):
            if folder and folder not in self.folders:
                self.folders.add(folder)
                self.tar.addfile(_member(self.stamp, f"{tree_root(self.spec)}/{folder}", 0, tarfile.DIRTYPE, 0o755))

    def _unpack(self, member: Member, path: str, also: list[str], copied: dict[str, str]) -> None:
        if not path:
            return  # the single top folder that a release has, or a file beside it
        self._make_folders(path)  # an archive need not list the folders above its files
        if member.stream is not None:
            copied.update(self._lay(member.stream, member.mode, member.size, [path, *also]))
            return
        kind = KINDS[member.kind]
        info = _member(self.stamp, f"{tree_root(self.spec)}/{path}", 0, kind, 0o755)
        if kind == tarfile.SYMTYPE:
            info.linkname = member.link
        elif kind == tarfile.LNKTYPE:
            info.linkname = f"{tree_root(self.spec)}/{self.whole}/{member.link.partition('/')[2]}"
        self.tar.addfile(info)

    def _lay(self, stream: IO[bytes], mode: int, size: int, paths: list[str]) -> dict[str, str]:
        """Write one file to each of its places; a stream can be read once, so a second place waits on disk."""
        mode = 0o755 if mode & 0o100 else 0o644
        hashing = _Hashing(stream)
        with tempfile.TemporaryFile() if len(paths) > 1 else nullcontext(hashing) as kept:
            if len(paths) > 1:
                shutil.copyfileobj(hashing, kept, CHUNK)
            for path in paths:
                if len(paths) > 1:
                    kept.seek(0)
                self.tar.addfile(
                    _member(self.stamp, f"{tree_root(self.spec)}/{path}", size, tarfile.REGTYPE, mode), cast("IO[bytes]", kept)
                )
        return dict.fromkeys(paths, hashing.digest.hexdigest())


class Forward(io.RawIOBase):
    """A pipe as a stream that `tarfile` writes: it asks where it is, and some writes are taken in parts."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe, self._at = pipe, 0

    def tell(self) -> int:
        """Return how much was written."""
        return self._at

    def write(self, data: Any) -> int:
        """Write all of it."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._pipe.write(rest) :]
        self._at += len(data)
        return len(data)


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
