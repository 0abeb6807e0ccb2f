"""The blocks of an `.xz` stream, unpacked side by side: to unpack is what reading a package costs, and lzma holds no lock.

xz and dpkg-deb, where they compress on all cores, write blocks that say their sizes, so that each can be unpacked by itself.
Format: https://tukaani.org/xz/xz-file-format.txt, sections 2 to 4.
"""

from __future__ import annotations

import lzma
import os
import tempfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Future

BLOCK = 256 * 1024
MAGIC = b"\xfd7zXZ\x00"
HEAD = 12
CHECKS = {lzma.CHECK_NONE: 0, lzma.CHECK_CRC32: 4, lzma.CHECK_CRC64: 8, lzma.CHECK_SHA256: 32}
LEAST, MOST = 1 << 20, 32 << 20
"""Bytes that the first block unpacks to: in smaller ones there is nothing to gain, larger ones would fill the memory."""
IN_MEMORY = 4 << 20
MEMORY = 256 << 20
WORKERS = min(4, os.cpu_count() or 1)


class Readable(Protocol):
    """What can be read block by block."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, all that is left when it is negative."""


Serially = Callable[[Readable], Iterator[bytes]]


def unpacked(member: Readable, serially: Serially) -> Iterator[bytes]:
    """Yield the content of an `.xz` file; what does not consist of blocks with sizes is left to `serially`, from its start.

    Raises `ValueError`, `EOFError` or `lzma.LZMAError` when it is damaged, and for a stream that begins with such blocks
    and goes on with others, which no program writes.
    """
    begin = member.read(HEAD + 1024)
    source = _Again(begin, member)
    sizes = _sizes(begin[HEAD:]) if begin.startswith(MAGIC) and begin[7:8] in map(_byte, CHECKS) else None
    if sizes is None or not LEAST <= sizes[1] <= MOST or WORKERS == 1:
        yield from serially(source)
        return
    records: list[tuple[int, int]] = []
    head = _exactly(source, HEAD)
    yield from _side_by_side(source, head, records)
    end = _index(records)
    if _exactly(source, len(end) - 1 + HEAD) != end[1:] + _footer(head, end):
        raise ValueError("its index does not fit its blocks")
    yield from serially(source)  # several streams one after the other are one


def _side_by_side(source: _Again, head: bytes, records: list[tuple[int, int]]) -> Iterator[bytes]:
    """Yield what the blocks unpack to, up to the index's first byte, and note their sizes as the index has them."""
    from concurrent.futures import ThreadPoolExecutor

    waiting: deque[Future[IO[bytes]]] = deque()
    with ThreadPoolExecutor(WORKERS, "unpack") as pool:
        try:
            while (first := _exactly(source, 1)) != b"\0":
                header = first + _exactly(source, first[0] * 4 + 3)
                sizes = _sizes(header)
                if sizes is None or sizes[1] > MOST:
                    raise ValueError("it has blocks of several kinds")
                packed = len(header) + sizes[0]
                body = _exactly(source, sizes[0] + -packed % 4 + CHECKS[head[7]])
                records.append((packed + CHECKS[head[7]], sizes[1]))
                waiting.append(pool.submit(_unpack, head + header + body, sizes[1]))
                if len(waiting) > WORKERS:
                    yield from _content(waiting.popleft().result())
            while waiting:
                yield from _content(waiting.popleft().result())
        finally:
            for future in waiting:
                if not future.cancel() and future.exception() is None:
                    future.result().close()


def _unpack(packed: bytes, size: int) -> IO[bytes]:
    """Return what one block, behind its stream's head, unpacks to; large ones wait on disk."""
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)
    content = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed by who reads it
    try:
        while content.tell() < size and (block := decoder.decompress(packed, BLOCK)):
            packed = b""
            content.write(block)
        if content.tell() != size or decoder.decompress(packed, 1) or not decoder.needs_input:  # this reads the checksum
            raise ValueError("a block is not as long as it says")
    except BaseException:
        content.close()
        raise
    content.seek(0)
    return content


def _content(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(BLOCK):
            yield block


def _byte(value: int) -> bytes:
    return bytes([value])


def _sizes(header: bytes) -> tuple[int, int] | None:
    """Return the sizes, packed and unpacked, that a block's header says; None when it does not say both."""
    if len(header) < 2 or not header[0] or header[1] & 0xC0 != 0xC0:
        return None
    packed, at = _number(header, 2)
    unpacked_to, _ = _number(header, at)
    return packed, unpacked_to


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return the integer at an offset, seven bits a byte, the lowest first, and the offset behind it."""
    value = 0
    for shift in range(0, 63, 7):
        byte = data[at] if at < len(data) else 0x80
        value, at = value | (byte & 0x7F) << shift, at + 1
        if byte < 0x80:
            return value, at
    raise ValueError("a number in a block's header does not end")


def _packed_number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _index(records: list[tuple[int, int]]) -> bytes:
    """Return the index of a stream with these blocks, as there can be only one."""
    data = b"\0" + _packed_number(len(records)) + b"".join(_packed_number(size) for record in records for size in record)
    data += bytes(-len(data) % 4)
    return data + zlib.crc32(data).to_bytes(4, "little")


def _footer(head: bytes, index: bytes) -> bytes:
    about = (len(index) // 4 - 1).to_bytes(4, "little") + head[6:8]
    return zlib.crc32(about).to_bytes(4, "little") + about + b"YZ"


def _exactly(source: _Again, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        block = source.read(size - len(data))
        if not block:
            raise EOFError("its compressed data is truncated")
        data += block
    return bytes(data)


class _Again:
    """A stream whose beginning was read already, from its beginning."""

    def __init__(self, begin: bytes, rest: Readable) -> None:
        self._begin, self._rest = begin, rest

    def read(self, size: int = -1, /) -> bytes:
        """Read on; see `Readable`."""
        if not self._begin:
            return self._rest.read(size)
        if size < 0:
            data, self._begin = self._begin + self._rest.read(), b""
            return data
        data, self._begin = self._begin[:size], self._begin[size:]
        return data
