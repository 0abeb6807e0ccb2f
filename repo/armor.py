"""OpenPGP's ASCII armor, as far as a Release needs it: signatures by several holders become one. Pure.

RFC 4880, sections 6 (armor, CRC24) and 7 (cleartext signatures). Signature packets stand one after the other; each is checked
by itself.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

BEGIN, END = "-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----"
BLOCK = re.compile(rf"^{BEGIN}\r?\n(.*?)^{END}\s*$", re.MULTILINE | re.DOTALL)
CRC_START, CRC_POLYNOMIAL = 0xB704CE, 0x1864CFB
WIDTH = 64


def crc24(data: bytes) -> int:
    """Return armor's checksum."""
    crc = CRC_START
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= CRC_POLYNOMIAL
    return crc


def packets(document: bytes) -> bytes:
    """Return the signature packets of all armored signatures in a document. Raises `ValueError` when there is none."""
    found = bytearray()
    for block in BLOCK.findall(document.decode("utf-8", "replace")):
        lines = [line.strip() for line in block.splitlines()]
        body = lines[lines.index("") + 1 :] if "" in lines else lines
        found += base64.b64decode("".join(line for line in body if not line.startswith("=")), validate=True)
    if not found:
        raise ValueError("it has no armored signature")
    return bytes(found)


def armored(data: bytes) -> bytes:
    """Return signature packets as an armored signature: the inverse of `packets`."""
    text = base64.b64encode(data).decode()
    lines = [text[start : start + WIDTH] for start in range(0, len(text), WIDTH)]
    checksum = base64.b64encode(crc24(data).to_bytes(3)).decode()
    return "\n".join([BEGIN, "", *lines, f"={checksum}", END, ""]).encode()


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
