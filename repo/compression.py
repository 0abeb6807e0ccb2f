"""Compressed indices that are put together from pieces, so that a change compresses one piece and copies the rest.

gzip takes several members and zstd several frames, one after the other. apt stops after the first stream of an `.xz`, so
there the pieces become the blocks of one stream, whose index and footer are written anew. Format of `.xz`:
https://tukaani.org/xz/xz-file-format.txt, sections 2 to 4.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable, Sequence

from kubedeb.records import frozen

XZ_HEADER = b"\xfd7zXZ\x00"
XZ_FLAGS = bytes((0, lzma.CHECK_CRC64))
XZ_END = 12
# A piece is smaller than the dictionary; a larger one, or a search deeper than that of preset 4, takes twice as long and
# saves half a percent.
XZ_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 4, "dict_size": 1 << 18}]


@frozen
class Form:
    """A way to compress an index: `pack` one piece by itself, `join` packed pieces into one file."""

    suffix: str
    pack: Callable[[bytes], bytes]
    join: Callable[[Sequence[bytes]], bytes]


def _gz(data: bytes) -> bytes:
    return gzip.compress(data, compresslevel=9, mtime=0)


def _xz(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC64, filters=XZ_FILTERS)


def _zst(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=19).compress(data)


def _one_after_the_other(empty: Callable[[bytes], bytes]) -> Callable[[Sequence[bytes]], bytes]:
    return lambda pieces: b"".join(pieces) if pieces else empty(b"")


def number(value: int) -> bytes:
    """Return an integer as `.xz` writes it: seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """Return the integer at an offset and the offset behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _taken_apart(stream: bytes) -> tuple[bytes, list[bytes]]:
    """Return the blocks of one stream and its index records."""
    footer = stream[-XZ_END:]
    index_size = (int.from_bytes(footer[4:8], "little") + 1) * 4
    start = len(stream) - XZ_END - index_size
    index = stream[start : start + index_size]
    if stream[:6] != XZ_HEADER or footer[8:] != XZ_FLAGS + b"YZ" or index[:1] != b"\x00":
        raise ValueError("not an .xz stream of ours")
    count, at = read_number(index, 1)
    records = []
    for _ in range(count):
        begin = at
        for _ in range(2):
            _, at = read_number(index, at)
        records.append(index[begin:at])
    return stream[XZ_END:start], records


def join_xz(streams: Iterable[bytes]) -> bytes:
    """Return one `.xz` stream that holds the blocks of all `streams`. Raises `ValueError` when one is none of `pack`'s."""
    blocks: list[bytes] = []
    records: list[bytes] = []
    for stream in streams:
        found, listed = _taken_apart(stream)
        blocks.append(found)
        records += listed
    index = b"\x00" + number(len(records)) + b"".join(records)
    index += b"\x00" * (-len(index) % 4)
    index += zlib.crc32(index).to_bytes(4, "little")
    about = (len(index) // 4 - 1).to_bytes(4, "little") + XZ_FLAGS
    head = XZ_HEADER + XZ_FLAGS + zlib.crc32(XZ_FLAGS).to_bytes(4, "little")
    return b"".join((head, *blocks, index, zlib.crc32(about).to_bytes(4, "little"), about, b"YZ"))


FORMS = {
    ".gz": Form(".gz", _gz, _one_after_the_other(_gz)),
    ".xz": Form(".xz", _xz, join_xz),
    ".zst": Form(".zst", _zst, _one_after_the_other(_zst)),
}
