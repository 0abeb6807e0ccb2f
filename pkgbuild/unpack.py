"""The one reader of fetched sources: tar (plain, gz, xz, bz2, zst), zip, wheel, `.deb`, or a single file.

What would write outside of the folder that it is unpacked in, make a device or a setuid file, or fill the disk is refused by an
error that names the member and the source. Nothing is written here: whoever asks gets paths, modes and streams.
"""

from __future__ import annotations

import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import IO, cast

from kubedeb.deb import DebError, data_entries, inflate, tar_entries
from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.spec import SourcePin

MAX_MEMBERS = 250_000
MAX_BYTES = 16 * 1024**3
MAX_RATIO = 200
SMALL = 64 * 1024**2
"""What any archive may unpack to, whatever its size: a tar of zeros for a test is no bomb."""
MAX_NAME = 4096
TAR_SUFFIXES = {
    ".tar": "", ".tar.gz": ".gz", ".tgz": ".gz", ".tar.xz": ".xz", ".txz": ".xz",
    ".tar.bz2": ".bz2", ".tbz2": ".bz2", ".tar.zst": ".zst", ".tzst": ".zst",
}  # fmt: skip
EXECUTABLE = (b"\x7fELF", b"#!")
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, tarfile.TarError, EOFError, NotImplementedError, RuntimeError, ValueError,
    OverflowError, OSError,
)  # fmt: skip


class MemberKind(StrEnum):
    """What an archive may hold; everything else is refused."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"


@dataclass(frozen=True)
class Member:
    """One member: relative path without `.` and `..`, permission bits, size in bytes.

    `link` is the target as written of a symbolic link, the member's path of a hard link, else empty. `stream` is a regular
    file's content, to be read before the next member is asked for; None for all others.
    """

    path: str
    kind: MemberKind
    mode: int
    size: int
    link: str = ""
    stream: IO[bytes] | None = None


class _RefusedError(Exception):
    """The archive is hostile or damaged; the message is the predicate of a sentence about it."""


def members(file: Path, pin: SourcePin) -> Iterator[Member]:
    """Yield what a fetched source holds, in the order of the archive; a source that is no archive is its one member.

    Symbolic links stay inside of the archive (an absolute target in a `.deb` means the package's own root). Raises
    `KubedebError`: SOURCE_REFUSED for what is hostile or damaged, BUILD_STORAGE when the file cannot be read.
    """
    try:
        stream = file.open("rb")
    except OSError as error:
        raise KubedebError(f"cannot read {file}", details=str(error), code=ExitCode.BUILD_STORAGE) from error
    guard = _Guard(absolute_links=_format(pin) == ".deb")
    with stream, _refusals(pin):
        for member in _read(stream, pin, file.stat().st_size):
            passed = guard.passed(member)
            yield (
                replace(passed, stream=cast("IO[bytes]", _Content(passed.stream, pin, passed.path)))
                if passed.stream
                else passed
            )


def check(file: Path, pin: SourcePin) -> int:
    """Read a source from end to end, keep nothing, and return the number of its members. Raises as `members`."""
    count = 0
    for member in members(file, pin):
        count += 1
        while member.stream is not None and member.stream.read(1024 * 1024):
            pass
    return count


@contextmanager
def _refusals(pin: SourcePin) -> Iterator[None]:
    try:
        yield
    except _RefusedError as error:
        raise _refusal(pin, str(error)) from error
    except DebError as error:
        raise _refusal(pin, f"cannot be read: {error}") from error


def _refusal(pin: SourcePin, why: str) -> KubedebError:
    return KubedebError(
        f"source {pin} is refused: {pin.file or pin.name} {why}",
        details=str(pin.checksum),
        hint="The recipe pins exactly these bytes: look where they come from before you pin others.",
        code=ExitCode.SOURCE_REFUSED,
    )


def _format(pin: SourcePin) -> str:
    """Return how a source is packed: `.deb`, `.zip`, a suffix of `TAR_SUFFIXES`, or empty for a single file."""
    if pin.kind == "deb" or pin.file.endswith(".deb"):
        return ".deb"
    if pin.kind == "wheel" or pin.file.endswith((".zip", ".whl")):
        return ".zip"
    if pin.kind == "dsc":
        return ""
    return next((suffix for suffix in sorted(TAR_SUFFIXES, key=len, reverse=True) if pin.file.endswith(suffix)), "")


def _read(stream: IO[bytes], pin: SourcePin, packed: int) -> Iterator[Member]:
    packing, limit = _format(pin), min(MAX_BYTES, max(SMALL, MAX_RATIO * packed))
    if packing == ".deb":
        yield from (_from_tar(item, content) for item, content in data_entries(stream, limit))
    elif packing == ".zip":
        yield from _zip(stream, limit)
    elif packing:
        inflated = inflate(stream, TAR_SUFFIXES[packing], limit)
        yield from (_from_tar(item, content) for item, content in tar_entries(inflated, "tar archive"))
    else:
        first = stream.read(4)
        stream.seek(0)
        mode = 0o755 if first.startswith(EXECUTABLE) else 0o644
        yield Member(pin.file or pin.name, MemberKind.FILE, mode, packed, stream=stream)


def _from_tar(item: tarfile.TarInfo, content: IO[bytes] | None) -> Member:
    if item.issparse():
        raise _RefusedError(f"holds {item.name!r}, a sparse file")
    if item.isdir():
        return Member(item.name, MemberKind.FOLDER, item.mode, 0)
    if item.issym():
        return Member(item.name, MemberKind.SYMLINK, 0o777, 0, item.linkname)
    if item.islnk():
        return Member(item.name, MemberKind.HARDLINK, item.mode, 0, item.linkname)
    if not item.isreg():
        raise _RefusedError(f"holds {item.name!r}, a device, pipe or other special file")
    return Member(item.name, MemberKind.FILE, item.mode, item.size, stream=content)


def _zip(stream: IO[bytes], limit: int) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_MEMBERS:
                raise _RefusedError(f"holds {len(entries):,} members, more than {MAX_MEMBERS:,}")
            # The sizes are only what the archive says, but zipfile reads no byte more of a member.
            if (total := sum(entry.file_size for entry in entries)) > limit:
                raise _RefusedError(f"unpacks to {total:,} bytes, more than any source may (a decompression bomb)")
            for entry in entries:
                yield from _from_zip(archive, entry)
    except DAMAGED as error:
        raise _RefusedError(f"is damaged: {error}") from error


def _from_zip(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[Member]:
    # Only what was made on Unix (3) carries a mode.
    bits = entry.external_attr >> 16 if entry.create_system == 3 else 0
    kind = stat.S_IFMT(bits)
    name = entry.orig_filename if "\0" in entry.orig_filename else entry.filename
    mode = stat.S_IMODE(bits) or (0o755 if entry.is_dir() else 0o644)
    if entry.is_dir() and kind in (0, stat.S_IFDIR):
        yield Member(name, MemberKind.FOLDER, mode, 0)
    elif kind == stat.S_IFLNK:
        if entry.file_size > MAX_NAME:
            raise _RefusedError(f"holds {name!r}, a link whose target has {entry.file_size:,} bytes")
        yield Member(name, MemberKind.SYMLINK, 0o777, 0, archive.read(entry).decode(errors="surrogateescape"))
    elif kind in (0, stat.S_IFREG) and not entry.is_dir():
        with archive.open(entry) as content:
            yield Member(name, MemberKind.FILE, mode, entry.file_size, stream=content)
    else:
        raise _RefusedError(f"holds {name!r}, a device, pipe or other special file")


class _Content(io.RawIOBase):
    """A member's content; what is wrong with it is told as what is wrong with the archive."""

    def __init__(self, inner: IO[bytes], pin: SourcePin, path: str) -> None:
        self._inner, self._pin, self._path = inner, pin, path

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        with _refusals(self._pin):
            try:
                return self._inner.read(size)
            except DebError:
                raise
            except DAMAGED as error:
                raise _RefusedError(f"is damaged in {self._path!r}: {error}") from error


@dataclass
class _Guard:
    """Judges members one after the other: where each would be written, given those before it."""

    absolute_links: bool
    files: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=lambda: {"."})
    count: int = 0

    def passed(self, member: Member) -> Member:
        """Return the member with its path made plain. Raises `_RefusedError`."""
        self.count += 1
        if self.count > MAX_MEMBERS:
            raise _RefusedError(f"holds more than {MAX_MEMBERS:,} members")
        path = _plain_path(member.path, "holds")
        above = _above(path)
        for folder in above:
            if folder in self.links or folder in self.files:
                raise _RefusedError(f"holds {path!r} behind {folder!r}, which is no folder")
        if member.mode & (stat.S_ISUID | stat.S_ISGID) and member.kind is not MemberKind.FOLDER:
            raise _RefusedError(f"holds {path!r}, which is setuid or setgid")
        if path in self.files or path in self.links or (member.kind is not MemberKind.FOLDER and path in self.folders):
            raise _RefusedError(f"holds {path!r} twice")
        self._remember(member, path, above)
        return replace(member, path=path, link=self._link(member, path))

    def _remember(self, member: Member, path: str, above: list[str]) -> None:
        self.folders.update(above)
        if member.kind is MemberKind.FOLDER:
            self.folders.add(path)
        else:
            (self.links if member.kind is MemberKind.SYMLINK else self.files).add(path)

    def _link(self, member: Member, path: str) -> str:
        if member.kind is MemberKind.HARDLINK:
            target = _plain_path(member.link, f"holds {path!r}, a hard link to")
            if target not in self.files or target == path:
                raise _RefusedError(f"holds {path!r}, a hard link to {target!r}, which is no file before it")
            return target
        if member.kind is MemberKind.SYMLINK and not _stays(path, member.link, absolute=self.absolute_links):
            raise _RefusedError(f"holds {path!r}, a link that leaves it: {member.link!r}")
        return member.link


def _plain_path(name: str, holds: str) -> str:
    """Return a member's path without `.` and doubled slashes ("." for the archive's own root)."""
    if len(name) > MAX_NAME or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise _RefusedError(f"{holds} {name[:80]!r}, a name that is too long or has control characters")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/"):
        raise _RefusedError(f"{holds} {name!r}, an absolute path")
    if ".." in parts:
        raise _RefusedError(f"{holds} {name!r}, a path with ..")
    return "/".join(parts) or "."


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def _stays(path: str, target: str, *, absolute: bool) -> bool:
    """Say whether a link stays inside: `..` only at its start, and not above the root.

    A `..` behind a name would be taken from where that name leads, which may be a link to elsewhere. Because no member lies
    behind a link, the folders that leading `..` climb are real ones.
    """
    parts = [part for part in target.split("/") if part not in ("", ".")]
    if not target or "\0" in target or len(target) > MAX_NAME or (target.startswith("/") and not absolute):
        return False
    climbs = next((place for place, part in enumerate(parts) if part != ".."), len(parts))
    depth = 0 if target.startswith("/") else len(_above(path))
    return climbs <= depth and ".." not in parts[climbs:]
