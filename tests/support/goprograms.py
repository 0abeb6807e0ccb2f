"""Programs that Go might have built, laid out in bytes: its build information in both formats, nothing else."""

from __future__ import annotations

import struct

from pkgbuild.goinfo import GUARD, MAGIC

TEXT = (
    "path\texample.org/prog\nmod\texample.org/prog\tv1.2.0\th1:main=\ndep\tgolang.org/x/sys\tv0.1.0\th1:sys=\n"
    "dep\texample.org/old\tv1.0.0\n=>\texample.org/new\tv2.0.0\th1:new=\nbuild\t-trimpath=true\n"
)
MODULES = "mod\texample.org/prog\tv1.2.0\th1:main=\ndep\tgolang.org/x/sys\tv0.1.0\th1:sys=\n"
OFFSET, ADDRESS = 0x100, 0x400000


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def marked(text: str) -> bytes:
    return b"s" * GUARD + text.encode() + b"e" * GUARD if text else b""


def elf(content: bytes, order: str = "<", *, wide: bool = True) -> bytes:
    """Return an ELF file that loads `content` from OFFSET to ADDRESS."""
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2]) + b"\x01" + bytes(9)
    if wide:
        head = struct.pack(order + "HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        load = struct.pack(order + "IIQQQQQQ", 1, 6, OFFSET, ADDRESS, 0, len(content), len(content), 16)
    else:
        head = struct.pack(order + "HHIIIIIHHHHHH", 2, 3, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0)
        load = struct.pack(order + "IIIIIIII", 1, OFFSET, ADDRESS, 0, len(content), len(content), 6, 16)
    return (ident + head + load).ljust(OFFSET, b"\0") + content


def inline(version: str, text: str) -> bytes:
    head = (MAGIC + b"\x08\x02").ljust(32, b"\0")
    return elf(head + varint(len(version)) + version.encode() + varint(len(marked(text))) + marked(text))


def pointed(version: str, text: str, order: str = "<", *, wide: bool = True) -> bytes:
    word = order + ("Q" if wide else "I")
    size = struct.calcsize(word)
    at = ADDRESS + 32
    head = MAGIC + bytes([size, 0 if order == "<" else 1]) + struct.pack(word, at) + struct.pack(word, at + 2 * size)
    strings = at + 4 * size
    headers = [(strings, len(version)), (strings + len(version), len(marked(text)))]
    packed = b"".join(struct.pack(word, one) for pair in headers for one in pair)
    return elf(head.ljust(32, b"\0") + packed + version.encode() + marked(text), order, wide=wide)
