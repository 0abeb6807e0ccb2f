"""OpenPGP's ASCII armor: the one reader of what people hand in, and how signatures by several holders become one. Pure.

RFC 4880, sections 6 (armor, CRC24) and 7 (cleartext signatures). Packets stand one after the other; each is checked by itself,
by gpg or sqv: this only says which bytes they are.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

SIGNATURE, PUBLIC_KEY = "PGP SIGNATURE", "PGP PUBLIC KEY BLOCK"
HEADER = re.compile(r"[!-9;-~]+: .*")
CRC_START, CRC_POLYNOMIAL = 0xB704CE, 0x1864CFB
WIDTH = 64


def crc24(data: bytes) -> int:
    """Return armor's checksum."""
    crc = CRC_START
    for byte in data:
        crc = (crc << 8) & 0xFFFFFF ^ CRC_TABLE[(crc >> 16) ^ byte]
    return crc


def _row(byte: int) -> int:
    crc = byte << 16
    for _ in range(8):
        crc <<= 1
        if crc & 0x1000000:
            crc ^= CRC_POLYNOMIAL
    return crc


CRC_TABLE = tuple(_row(byte) for byte in range(256))


def packets(document: bytes, kind: str = SIGNATURE) -> bytes:
    """Return the packets of all armored blocks of a kind in a document, one after the other.

    Raises `ValueError` when there is none, or when one does not end, has a line that is no header before its empty line, or
    is not what its base64 and its checksum say. Text around the blocks is passed over.
    """
    begin, end = f"-----BEGIN {kind}-----", f"-----END {kind}-----"
    found = bytearray()
    block: list[str] | None = None
    # Not splitlines: it would end a line at characters that are none to OpenPGP.
    for line in (line.rstrip(" \t\r") for line in document.decode("utf-8", "replace").split("\n")):
        if block is None:
            block = [] if line == begin else None
        elif line == end:
            found += _decoded(block)
            block = None
        elif line.startswith("-----BEGIN "):
            raise ValueError(f"a block begins within an armored {kind}")
        else:
            block.append(line)
    if block is not None:
        raise ValueError(f"an armored {kind} does not end")
    if not found:
        raise ValueError(f"it has no armored {kind}")
    return bytes(found)


def _decoded(block: list[str]) -> bytes:
    """Return the packets of one block: headers, an empty line, base64, and a checksum that may be missing."""
    if "" not in block:
        raise ValueError("an armored block has no empty line after its headers")
    start = block.index("")
    if wrong := [line for line in block[:start] if HEADER.fullmatch(line) is None]:
        raise ValueError(f"an armored block has a line that is no header: {wrong[0][:60]!r}")
    body = [line for line in block[start:] if line]
    checksum = body.pop() if body and len(body[-1]) == 5 and body[-1].startswith("=") else ""
    try:
        data = base64.b64decode("".join(body), validate=True)
        good = not checksum or base64.b64decode(checksum[1:], validate=True) == crc24(data).to_bytes(3)
    except ValueError as error:
        raise ValueError(f"an armored block is not base64: {error}") from error
    if not good:
        raise ValueError("the checksum of an armored block is not its content's")
    return data


def binary(data: bytes, kind: str) -> bytes:
    """Return packets that may be armored: out of their armor, or as they are. Raises `ValueError` as `packets`."""
    # The first byte of a packet has its highest bit set; armor is ASCII (RFC 4880, 4.2).
    return data if data[:1] >= b"\x80" else packets(data, kind)


def armored(data: bytes, kind: str = SIGNATURE) -> bytes:
    """Return packets as one armored block: the inverse of `packets`."""
    text = base64.b64encode(data).decode()
    lines = [text[start : start + WIDTH] for start in range(0, len(text), WIDTH)]
    checksum = base64.b64encode(crc24(data).to_bytes(3)).decode()
    return "\n".join([f"-----BEGIN {kind}-----", "", *lines, f"={checksum}", f"-----END {kind}-----", ""]).encode()


def detached(signatures: Iterable[bytes]) -> bytes:
    """Return several detached signatures as one."""
    return armored(b"".join(packets(one) for one in signatures))


def inline(text: str, signatures: Iterable[bytes]) -> bytes:
    """Return `text` with the signatures of several clear-signed documents of it, all made with SHA512.

    Only the signatures are taken from them: what is published is our own text.
    """
    escaped = "".join(f"- {line}" if line.startswith("-") else line for line in text.splitlines(keepends=True))
    head = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
    return head.encode() + escaped.encode() + detached(signatures)
