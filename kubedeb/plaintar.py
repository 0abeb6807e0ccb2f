"""The entries of a tar stream, as `tarfile` reads them, which needs six times as long for what a package is made of.

Only the plain header is read here, as dpkg-deb, tar and tarfile write it for files, folders and links with short names. From
the first header on that is anything else the archive is left to `tarfile`, which knows old, long and damaged ones.
"""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, Protocol, cast

CHUNK = 256 * 1024
BLOCK = tarfile.BLOCKSIZE
END = bytes(BLOCK)
# Name, mode, uid, gid, size, mtime, checksum, kind, target, magic (POSIX or GNU), user, group, no device, no prefix of a name.
PLAIN = re.compile(
    rb"(.{100})([0-7]{7})\0([0-7]{7})\0([0-7]{7})\0([0-7]{11})[\0 ]([0-7]{11})[\0 ]([0-7]{6})\0 ([0125])(.{100})"
    rb"ustar(?:\x0000|  \0)(.{32})(.{32})(?:0{7}\0|\0{8}){2}\0{155}.{12}",
    re.DOTALL,
)


class Source(Protocol):
    """What is read from its beginning to its end."""

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, fewer only at the end."""


def entries(stream: Source) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Yield the entries of a tar archive, and the content of each regular file, to be read before the next is asked for.

    Raises what `tarfile` raises in its mode `r|`: `tarfile.TarError`, `ValueError`, `RecursionError` and more.
    """
    chunk, at = _first(stream), 0
    # What is in memory whole, as most packages are, needs no reader of its own.
    while (item := plain(chunk[at : at + BLOCK])) is not None:
        begin = at + BLOCK
        end = begin + -(-item.size // BLOCK) * BLOCK
        if end > len(chunk):
            break
        yield item, io.BytesIO(chunk[begin : begin + item.size]) if item.type == tarfile.REGTYPE else None
        at = end
    if chunk[at : at + BLOCK] == END:
        return
    forward = _Forward(stream, chunk, at)
    while (item := plain(header := _header(forward))) is not None:
        end = forward.position + -(-item.size // BLOCK) * BLOCK
        yield item, cast("IO[bytes]", _Content(forward, item.size)) if item.type == tarfile.REGTYPE else None
        forward.pass_over(end)
    if header == END:
        return
    forward.give_back(header)
    # It believes the position, and so knows that this is not the archive's beginning.
    archive: Any  # its list of members has no type
    with tarfile.TarFile(fileobj=cast("IO[bytes]", forward)) as archive:
        rest = archive.next() if archive.members else None  # making it has read the first, or has found the end
        while rest is not None:
            yield rest, archive.extractfile(rest) if rest.isreg() else None
            archive.members.clear()  # tarfile would remember every entry until the end
            rest = archive.next()


def plain(header: bytes) -> tarfile.TarInfo | None:
    """Return the entry that a header says; None when it is not plain, also when its checksum is wrong."""
    match = PLAIN.fullmatch(header)
    if match is None:
        return None
    name, mode, uid, gid, size, mtime, checksum, kind, target, user, group = match.groups()
    item = tarfile.TarInfo(_text(name))
    item.size, item.chksum, item.type = int(size, 8), int(checksum, 8), kind
    # The checksum is taken with blanks in its own place. What is no file has no content, whatever else it says.
    if item.chksum != total(header) - sum(header[148:156]) + 8 * ord(" ") or (item.size and kind != tarfile.REGTYPE):
        return None
    if kind == tarfile.DIRTYPE:
        item.name = item.name.rstrip("/")
    item.mode, item.uid, item.gid, item.mtime = int(mode, 8), int(uid, 8), int(gid, 8), int(mtime, 8)
    item.linkname, item.uname, item.gname = _text(target), _text(user), _text(group)
    return item


def total(block: bytes) -> int:
    """Return the sum of a block's bytes: by zlib, which is ten times as fast, where it is less than zlib's modulus 65521."""
    return zlib.adler32(block, 0) & 0xFFFF if block.count(0) >= BLOCK // 2 else sum(block)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(tarfile.ENCODING, "surrogateescape")


def _first(stream: Source) -> bytes:
    try:
        return stream.read(CHUNK)
    except zlib.error as error:
        raise _damaged(error) from None


def _header(forward: _Forward) -> bytes:
    try:
        return forward.read(BLOCK)
    except zlib.error as error:
        raise _damaged(error) from None


def _damaged(error: zlib.error) -> tarfile.ReadError:
    """Return what `tarfile` raises where zlib finds no header's bytes."""
    return tarfile.ReadError(f"zlib error: {error}")


class _Forward:
    """A stream that knows its position, read in large chunks; it may be told to go on, not to go back."""

    def __init__(self, stream: Source, chunk: bytes, at: int) -> None:
        self._stream = stream
        self._chunk = chunk
        self._at = at
        self.position = at

    def read(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._chunk):
            self._fill(size)
            end = size
        data = self._chunk[self._at : end]
        self._at += len(data)
        self.position += len(data)
        return data

    def _fill(self, size: int) -> None:
        parts = [self._chunk[self._at :]]
        there = len(parts[0])
        while there < size and (chunk := self._stream.read(CHUNK)):
            parts.append(chunk)
            there += len(chunk)
        self._chunk, self._at = b"".join(parts), 0

    def tell(self) -> int:
        return self.position

    def seek(self, position: int) -> None:
        if position < self.position:
            raise tarfile.StreamError("seeking backwards is not allowed")
        while position > self.position and self.read(min(position - self.position, CHUNK)):
            pass

    def give_back(self, data: bytes) -> None:
        """Let what was read last be read again."""
        self._chunk, self._at = data + self._chunk[self._at :], 0
        self.position -= len(data)

    def pass_over(self, end: int) -> None:
        """Go to a position that must be there."""
        left = end - self.position
        if 0 <= left <= len(self._chunk) - self._at:
            self._at += left
            self.position = end
        else:
            self.seek(end - 1)
            if not self.read(1):
                raise tarfile.ReadError("unexpected end of data")


class _Content(io.RawIOBase):
    """The content of one file, readable until its end."""

    def __init__(self, forward: _Forward, size: int) -> None:
        self._forward = forward
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        data = self._forward.read(wanted)
        if len(data) != wanted:
            raise tarfile.ReadError("unexpected end of data")
        self._left -= wanted
        return data
