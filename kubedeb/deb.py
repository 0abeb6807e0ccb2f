"""The one reader of `.deb` files: size, sha256, control fields and, on demand, every file, in a single pass over a stream.

A `.deb` is an ar archive of `debian-binary`, `control.tar[.gz|.xz|.zst]` and `data.tar[…]` (deb(5)). What is read may be
hostile: every length is bounded, and everything that is wrong with the file is a `DebError`.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import lzma
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Protocol, cast

from kubedeb.plaintar import entries
from kubedeb.records import frozen
from kubedeb.stanza import MAX_CONTROL, Stanza, StanzaError, one
from kubedeb.xzblocks import Readable, unpacked

BLOCK = 256 * 1024
MAGIC = b"!<arch>\n"
HEADER = re.compile(rb"([!-~]{1,16}) *([0-9]*) *([0-9]*) *([0-9]*) *([0-7]*) *([0-9]+) *`\n", re.DOTALL)
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
# As `kubedeb.versions.DEBIAN`, but strict on the epoch and free of catastrophic cases; this one reads hostile input.
VERSION = re.compile(r"(?:[0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]*")
ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")
CONTROL = frozenset({"control"})
SCRIPTS = frozenset({"preinst", "postinst", "prerm", "postrm", "config"})
MAX_FIELD = 128
MAX_CONTROL_TAR = 64 * 1024 * 1024
MAX_DATA_TAR = 64 * 1024 * 1024 * 1024
MAX_MEMORY = 256 * 1024 * 1024
# What unpacks to more than 1 GiB and to more than 200 times its size is taken for a bomb.
LEAST_BOMB = 1024 * 1024 * 1024
MOST_PACKED = 200
DAMAGED = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError, OverflowError, RecursionError, OSError)


class DebError(ValueError):
    """A file is not a Debian package that dpkg and apt would take."""


@frozen
class Deb:
    """What one pass over a `.deb` says: size in bytes, sha256 in hex, the control stanza."""

    size: int
    sha256: str
    control: Stanza

    @property
    def name(self) -> str:
        """Return the package's name."""
        return self.control["Package"]

    @property
    def version(self) -> str:
        """Return the package's version, with epoch and revision."""
        return self.control["Version"]

    @property
    def architecture(self) -> str:
        """Return the package's architecture: `amd64`, `all`."""
        return self.control["Architecture"]


@frozen
class Entry:
    """One entry of the package's data: absolute path, kind, permission bits, size in bytes, target of a link.

    `owner` is uid:gid; `sha256` is that of a regular file's content ("" of all others, and in `list_files`, which hashes none).
    """

    path: str
    kind: str
    mode: int
    size: int
    target: str = ""
    owner: str = "0:0"
    sha256: str = ""


@frozen
class Contents:
    """All that a package says and unpacks: `scripts` by name, `conffiles` as written, the content of the files asked for."""

    deb: Deb
    entries: tuple[Entry, ...]
    scripts: dict[str, str]
    conffiles: tuple[str, ...]
    texts: dict[str, str]


Look = Callable[[tarfile.TarInfo], None]


def read_deb(path: Path, look: Look | None = None) -> Deb:
    """Read a `.deb` from end to end, once. Raises `DebError`, and `OSError` when the file cannot be read.

    With `look` the data is unpacked too, in memory, to its very end, and `look` is shown every entry.
    """
    with _opened(path) as stream:
        return read_stream(stream, look)


def read_stream(stream: IO[bytes], look: Look | None = None) -> Deb:
    """Read a `.deb` from a stream to its end, as `read_deb`."""
    hashed = _Hashed(stream)
    archive = _Archive(hashed)
    control: Stanza | None = None
    for name, member in archive.members():
        if name.startswith("control.tar"):
            control = _stanza(_control_files(member, name, CONTROL))
        elif look is not None:
            _look_through(member, name, look)
    if control is None:
        raise DebError("it has no control.tar")
    return Deb(hashed.count, hashed.digest.hexdigest(), control)


def read_control(path: Path) -> Stanza:
    """Return the control stanza of a `.deb`, whose data is not read. Raises `DebError`, `OSError`."""
    with _opened(path) as stream:
        for name, member in _Archive(_Hashed(stream)).members():
            if name.startswith("control.tar"):
                return _stanza(_control_files(member, name, CONTROL))
    raise DebError("it has no control.tar")


def _look_through(member: _Member, name: str, look: Look) -> None:
    """Show every entry of the data; what follows the archive's end is unpacked too: dpkg wants the compression whole."""
    limit = max(LEAST_BOMB, MOST_PACKED * member.left)
    inflated = inflate(member, name.removeprefix("data.tar"), min(limit, MAX_DATA_TAR))
    for item, _ in tar_entries(inflated, name):
        look(item)
    try:
        while inflated.read(BLOCK):
            pass
    except DebError:
        raise
    except DAMAGED as error:
        raise DebError(f"its {name} is damaged: {error}") from error


def list_files(path: Path) -> tuple[Entry, ...]:
    """Return what the package unpacks, in the order of the archive. Raises `DebError`, `OSError`."""
    entries: list[Entry] = []
    with _opened(path) as stream:
        for name, member in _Archive(_Hashed(stream)).members():
            if name.startswith("data.tar"):
                inflated = inflate(member, name.removeprefix("data.tar"), MAX_DATA_TAR)
                entries += [_entry(item) for item, _ in tar_entries(inflated, name)]
    return tuple(entries)


def data_entries(stream: IO[bytes], limit: int) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Yield what a `.deb` unpacks, as `tar_entries`; at most `limit` bytes of it. Raises `DebError`."""
    for name, member in _Archive(_Hashed(stream)).members():
        if name.startswith("data.tar"):
            yield from tar_entries(inflate(member, name.removeprefix("data.tar"), limit), name)


class Watcher(Protocol):
    """Is given the content of every regular file while it is hashed."""

    def block(self, path: str, data: bytes) -> None:
        """Take the next block of the file at `path`."""

    def end(self, path: str) -> None:
        """Know that the file at `path` is whole."""


def read_contents(path: Path, keep: Callable[[str], bool] = lambda _: False, watcher: Watcher | None = None) -> Contents:
    """Read a `.deb` from end to end, once, and hash every file in it; `watcher` sees their content go by.

    `keep` chooses by absolute path the regular files whose content is wanted as text, each at most 1 MiB. Memory is a few
    blocks, the list of entries and what is kept, whatever the size of the package. Raises `DebError`, `OSError`.
    """
    with _opened(path) as stream:
        return contents_of(stream, keep, watcher)


def contents_of(stream: IO[bytes], keep: Callable[[str], bool] = lambda _: False, watcher: Watcher | None = None) -> Contents:
    """Read a `.deb` from a stream to its end, as `read_contents`."""
    hashed = _Hashed(stream)
    about: dict[str, bytes] = {}
    entries: list[Entry] = []
    texts: dict[str, str] = {}
    for name, member in _Archive(hashed).members():
        if name.startswith("control.tar"):
            about = _control_files(member, name, CONTROL | SCRIPTS | {"conffiles"})
        else:
            inflated = inflate(member, name.removeprefix("data.tar"), MAX_DATA_TAR)
            for item, content in tar_entries(inflated, name):
                entry, text = _read_entry(item, content, keep, watcher)
                entries.append(entry)
                texts.update({entry.path: text} if text is not None else {})
    deb = Deb(hashed.count, hashed.digest.hexdigest(), _stanza(about))
    scripts = {name: about[name].decode(errors="replace") for name in sorted(SCRIPTS & about.keys())}
    conffiles = about.get("conffiles", b"").decode(errors="replace").splitlines()
    return Contents(deb, tuple(entries), scripts, tuple(line for line in conffiles if line), texts)


def _read_entry(
    item: tarfile.TarInfo, content: IO[bytes] | None, keep: Callable[[str], bool], watcher: Watcher | None
) -> tuple[Entry, str | None]:
    """Return the entry with its digest, and its text when that is wanted."""
    entry = _entry(item)
    if item.issparse():
        raise DebError(f"its {entry.path} is a sparse file, which dpkg does not unpack")
    if content is None:
        return entry, None
    kept = bytearray() if keep(entry.path) else None
    if kept is not None and entry.size > MAX_CONTROL:
        raise DebError(f"its {entry.path} is larger than 1 MiB")
    digest = hashlib.sha256()
    while block := content.read(BLOCK):
        digest.update(block)
        if watcher is not None:
            watcher.block(entry.path, block)
        if kept is not None:
            kept += block
    if watcher is not None:
        watcher.end(entry.path)
    return replace(entry, sha256=digest.hexdigest()), None if kept is None else kept.decode(errors="replace")


def _entry(item: tarfile.TarInfo) -> Entry:
    kinds: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("file", item.isreg), ("folder", item.isdir), ("symlink", item.issym), ("hardlink", item.islnk),
    )  # fmt: skip
    kind = next((name for name, is_it in kinds if is_it()), "special")
    name = item.name.removeprefix("./").strip("/")
    path = "/" if name == "." else f"/{name}"
    size = item.size if item.isreg() else 0
    return Entry(path, kind, item.mode & 0o7777, size, item.linkname, f"{item.uid}:{item.gid}")


def _opened(path: Path) -> io.FileIO:
    # Whole blocks are asked for, so a buffer would only be copied.
    return io.FileIO(path)


class _Hashed:
    """Counts and hashes a stream, block by block, and hands out what is asked of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._block = b""
        self._at = 0
        self.digest = hashlib.sha256()
        self.count = 0

    def read(self, size: int) -> bytes:
        at = self._at
        data = self._block[at : at + size]
        self._at = at + len(data)
        while len(data) < size and self._fill():
            self._at = size - len(data)
            data += self._block[: self._at]
        return data

    def _fill(self) -> bool:
        self._block, self._at = self._stream.read(BLOCK), 0
        self.digest.update(self._block)
        self.count += len(self._block)
        return bool(self._block)


class _Member:
    """One member of the archive, readable until its end."""

    # No io.RawIOBase: to make one, and to see it closed, takes as long as to read a small member.
    __slots__ = ("_padding", "_source", "left")

    def __init__(self, source: _Hashed, size: int) -> None:
        self._source = source
        self._padding = size % 2
        self.left = size

    def read(self, size: int = -1, /) -> bytes:
        wanted = self.left if size < 0 or size > self.left else size
        data = self._source.read(wanted) if wanted else b""
        if len(data) < wanted:
            raise DebError("it is truncated")
        self.left -= len(data)
        return data

    def drain(self) -> None:
        """Read to the member's end, and past the byte that makes its length even."""
        while self.left:
            self.read(BLOCK)
        if self._padding:
            self._source.read(1)


class _Archive:
    """The ar archive of a package: checks the order of the members that deb(5) demands."""

    def __init__(self, source: _Hashed) -> None:
        self._source = source

    def members(self) -> Iterator[tuple[str, _Member]]:
        """Yield `control.tar…` and `data.tar…`; what the caller leaves unread is read past."""
        magic = self._source.read(len(MAGIC))
        if magic != MAGIC:
            raise DebError("it is empty" if not magic else "it is not an ar archive")
        expected = ["debian-binary", "control.tar", "data.tar"]
        while (found := self._next()) is not None:
            name, member = found
            # deb(5): names that begin with _ may stand between the members, anything may follow the last.
            if expected and not name.startswith("_"):
                self._check_order(name, expected.pop(0))
                if name == "debian-binary":
                    self._check_format(member)
                else:
                    yield name, member
            member.drain()
        if expected:
            raise DebError(f"it has no {expected[0]}: it is truncated or not a Debian package")

    def _next(self) -> tuple[str, _Member] | None:
        header = self._source.read(60)
        if not header:
            return None
        match = HEADER.fullmatch(header)
        if match is None:
            raise DebError("it is truncated or damaged: an ar header is broken")
        size = int(header[48:58])
        return header[:16].rstrip().removesuffix(b"/").decode("ascii"), _Member(self._source, size)

    @staticmethod
    def _check_order(name: str, expected: str) -> None:
        fits = name == expected or (expected.endswith(".tar") and name.startswith(expected))
        if not fits:
            raise DebError(f"its member {name!r} stands where {expected} belongs")

    @staticmethod
    def _check_format(member: _Member) -> None:
        version = member.read(min(member.left, 16))
        if not re.match(rb"2\.[0-9]+\n", version):
            raise DebError(f"its format is {version[:8]!r}, not 2.0")


class _Decompressor(Protocol):
    """What lzma's and bz2's decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {
    ".xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_MEMORY),
    ".lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=MAX_MEMORY),
    ".bz2": bz2.BZ2Decompressor,
}


class _Inflated:
    """Decompresses a stream block by block, and stops a bomb at `limit` bytes."""

    def __init__(self, chunks: Iterator[bytes], limit: int) -> None:
        self._chunks = chunks
        self._rest = b""
        self._left = limit

    def read(self, size: int) -> bytes:
        # What is read is mostly a whole block, or all that there is: blocks are joined and cut only where they must be.
        data, self._rest = self._rest, b""
        if len(data) < size:
            blocks, there = [data], len(data)
            while there < size and (block := next(self._chunks, b"")):
                self._left -= len(block)
                if self._left < 0:
                    raise DebError("it unpacks to more than any package may (a decompression bomb)")
                blocks.append(block)
                there += len(block)
            data = b"".join(blocks)
        if len(data) > size:
            data, self._rest = data[:size], data[size:]
        return data


def inflate(member: Readable, suffix: str, limit: int) -> _Inflated:
    """Return a stream compressed as `suffix` says (`""`, `.gz`, `.xz`, `.bz2`, `.zst`), decompressed while it is read.

    Reading it raises `DebError` when it is damaged or unpacks to more than `limit` bytes.
    """
    if suffix == "":
        return _Inflated(iter(lambda: member.read(BLOCK), b""), limit)
    if suffix == ".gz":
        return _Inflated(_gz_blocks(member), limit)
    if suffix == ".zst":
        return _Inflated(_zstd_blocks(member), limit)
    if suffix not in DECOMPRESSORS:
        raise DebError(f"it is compressed as {suffix!r}, which is not known")
    if suffix == ".xz":
        return _Inflated(unpacked(member, lambda source: _blocks(source, DECOMPRESSORS[suffix])), limit)
    return _Inflated(_blocks(member, DECOMPRESSORS[suffix]), limit)


def _zstd_blocks(member: Readable) -> Iterator[bytes]:
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=MAX_MEMORY).stream_reader(
        cast("IO[bytes]", member), read_across_frames=True
    )
    try:
        while block := reader.read(BLOCK):
            yield block
    except zstandard.ZstdError as error:
        raise DebError(f"its zstd data is damaged: {error}") from error


def _gz_blocks(member: Readable) -> Iterator[bytes]:
    """Yield decompressed blocks as `_blocks` does; zlib says in its own way what is left of its input."""
    data = member.read(BLOCK)
    while data:
        decompressor = zlib.decompressobj(wbits=31)
        while not decompressor.eof:
            if not data:
                data = member.read(BLOCK)
                if not data:
                    raise DebError("its compressed data is truncated")
            block = decompressor.decompress(data, BLOCK)
            data = decompressor.unconsumed_tail
            if block:
                yield block
        data = decompressor.unused_data or member.read(BLOCK)


def _blocks(member: Readable, make: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Yield decompressed blocks; several compressed streams one after the other are one, as for dpkg."""
    data = member.read(BLOCK)
    while data:
        decompressor = make()
        while not decompressor.eof:
            if decompressor.needs_input and not data:
                data = member.read(BLOCK)
                if not data:
                    raise DebError("its compressed data is truncated")
            block = decompressor.decompress(data, BLOCK)
            data = b""
            if block:
                yield block
        data = decompressor.unused_data or member.read(BLOCK)


def tar_entries(stream: _Inflated, name: str) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Yield the entries of a tar archive, and the content of each regular file, to be read before the next is asked for."""
    try:
        yield from entries(stream)
    except DebError:
        raise
    except DAMAGED as error:
        raise DebError(f"its {name} is damaged: {error}") from error


def _control_files(member: _Member, name: str, wanted: frozenset[str]) -> dict[str, bytes]:
    """Return the wanted files of the control archive; each at most once: readers differ in which of two they take."""
    found: dict[str, bytes] = {}
    for item, content in tar_entries(inflate(member, name.removeprefix("control.tar"), MAX_CONTROL_TAR), "control.tar"):
        file = item.name.removeprefix("./")
        if content is None or file not in wanted:
            continue
        if item.size > MAX_CONTROL:
            raise DebError(f"its {file} file is larger than 1 MiB")
        if file in found:
            raise DebError(f"it has 2 {file} files where there must be exactly one")
        found[file] = content.read()
    return found


def _stanza(files: Mapping[str, bytes]) -> Stanza:
    if "control" not in files:
        raise DebError("it has 0 control files where there must be exactly one")
    return parse_control(files["control"])


def parse_control(data: bytes) -> Stanza:
    """Return the stanza of a package's control file. Raises `DebError`: not one stanza, or a field that apt cannot take."""
    try:
        stanza = one(data.decode())
    except UnicodeDecodeError as error:
        raise DebError("its control file is not UTF-8") from error
    except StanzaError as error:
        raise DebError(f"its control file is not a stanza: {error}") from error
    for name, pattern in (("Package", PACKAGE), ("Version", VERSION), ("Architecture", ARCHITECTURE)):
        value = stanza.get(name)
        if value is None:
            raise DebError(f"its control file has no field {name}")
        if len(value) > MAX_FIELD or pattern.fullmatch(value) is None:
            raise DebError(f"its field {name} is not valid: {value[:MAX_FIELD]!r}")
    return stanza
