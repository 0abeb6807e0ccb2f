"""What a Go program says about its making: toolchain and modules, read from its bytes (Go's debug/buildinfo, both formats)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Protocol

from kubedeb.records import frozen, ordered

MAGIC = b"\xff Go buildinf:"
ALIGNED = 16
HEADER = 32
INLINE, BIG_ENDIAN = 2, 1
GUARD = 16
"""The module text stands between two marks of 16 bytes each, by which Go finds it in a running process."""
LIMIT = 4 * 1024 * 1024
LOAD = 1


class Data(Protocol):
    """Bytes, or a file that is mapped into memory."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes: ...
    def find(self, needle: bytes, start: int = ..., /) -> int:
        """Return where `needle` begins at or after `start`, -1 when it is nowhere."""


@ordered
class GoModule:
    """A module in a program: `sum` is Go's own hash (`h1:…`), empty for the main module and for vendored ones."""

    path: str
    version: str
    sum: str = ""


@frozen
class GoBuild:
    """The toolchain (`go1.19.8`), the main module (None when the program was built without modules) and all others, sorted."""

    toolchain: str
    main: GoModule | None
    modules: tuple[GoModule, ...]


def read_go(data: Data) -> GoBuild | None:
    """Return what an ELF program says of its Go build, None when it says nothing; damaged data say nothing, too. Pure.

    Source of the formats: Go's src/debug/buildinfo/buildinfo.go: pointers to string headers before Go 1.18, inline after.
    """
    if data[0:4] != b"\x7fELF":
        return None
    for at in _marks(data):
        texts = _inline(data, at) if data[at + 15 : at + 16] and data[at + 15 : at + 16][0] & INLINE else _pointed(data, at)
        if texts is not None and texts[0].startswith((b"go", b"devel")):
            return _build(*texts)
    return None


def _marks(data: Data) -> Iterator[int]:
    at = data.find(MAGIC, 0)
    while at >= 0:
        if at % ALIGNED == 0 and at + HEADER <= len(data):
            yield at
        at = data.find(MAGIC, at + 1)


def _inline(data: Data, at: int) -> tuple[bytes, bytes] | None:
    version = _counted(data, at + HEADER)
    modules = _counted(data, version[1]) if version else None
    return (version[0], modules[0]) if version and modules else None


def _counted(data: Data, at: int) -> tuple[bytes, int] | None:
    """Return the text after a length (unsigned varint), and where it ends."""
    size = shift = 0
    for index, byte in enumerate(data[at : at + 5]):
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            begin = at + index + 1
            whole = size <= LIMIT and begin + size <= len(data)
            return (data[begin : begin + size], begin + size) if whole else None
    return None


def _pointed(data: Data, at: int) -> tuple[bytes, bytes] | None:
    size, flags = data[at + 14 : at + 16]
    if size not in (4, 8):
        return None
    word = (">" if flags & BIG_ENDIAN else "<") + ("Q" if size == 8 else "I")
    segments = _segments(data)
    texts = [_header(data, struct.unpack(word, data[at + 16 + n * size : at + 16 + (n + 1) * size])[0], word, segments)
             for n in (0, 1)]  # fmt: skip
    return None if texts[0] is None else (texts[0], texts[1] or b"")


def _header(data: Data, address: int, word: str, segments: list[tuple[int, int, int]]) -> bytes | None:
    """Return the text of a Go string header (address, length) that lies at `address`."""
    size = struct.calcsize(word)
    raw = _at(data, address, 2 * size, segments)
    if raw is None:
        return None
    return _at(data, struct.unpack(word, raw[:size])[0], struct.unpack(word, raw[size:])[0], segments)


def _at(data: Data, address: int, size: int, segments: list[tuple[int, int, int]]) -> bytes | None:
    for start, length, offset in segments:
        if start <= address and address + size <= start + length and size <= LIMIT:
            found = data[offset + address - start : offset + address - start + size]
            return found if len(found) == size else None
    return None


def _segments(data: Data) -> list[tuple[int, int, int]]:
    """Return (address, length in the file, offset in the file) of what an ELF file loads."""
    try:
        wide, order = data[4:5] == b"\x02", ">" if data[5:6] == b"\x02" else "<"
        place = struct.unpack_from(order + ("Q" if wide else "I"), data[0:64], 32 if wide else 28)[0]
        size, count = struct.unpack_from(order + "HH", data[0:64], 54 if wide else 42)
        rows = [data[place + n * size : place + (n + 1) * size] for n in range(count)]
        if wide:
            found = [struct.unpack_from(order + "IIQQQQ", row) for row in rows]
            return [(row[3], row[5], row[2]) for row in found if row[0] == LOAD]
        found = [struct.unpack_from(order + "IIIII", row) for row in rows]
        return [(row[2], row[4], row[1]) for row in found if row[0] == LOAD]
    except struct.error:
        return []


def _build(version: bytes, text: bytes) -> GoBuild:
    marked = len(text) >= 2 * GUARD + 1 and text[-GUARD - 1 : -GUARD] == b"\n"
    return parse(version.decode(errors="replace"), text[GUARD:-GUARD].decode(errors="replace") if marked else "")


def parse(toolchain: str, text: str) -> GoBuild:
    """Return the modules that `go version -m` prints: lines of tab-separated `mod`, `dep` and `=>` (a replacement). Pure."""
    main: GoModule | None = None
    modules: list[GoModule] = []
    last = ""
    for line in text.splitlines():
        kind, *words = line.split("\t")
        if kind in ("mod", "dep", "=>") and words and words[0]:
            module = GoModule(*(*words, "", "")[:3])
            if kind == "mod":
                main = module
            elif kind == "dep":
                modules.append(module)
            elif last == "dep":
                modules[-1] = module
            last = kind
    return GoBuild(toolchain.partition(" ")[0], main, tuple(sorted(set(modules))))
