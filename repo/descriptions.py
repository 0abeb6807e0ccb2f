"""Long descriptions apart from Packages, in Translation-en, joined by their MD5: apt fetches them once for all architectures.

The digest is a name here and protects nothing: the index that holds it is listed in Release by SHA256. It is that of the
field's value and a newline (https://wiki.debian.org/DebianRepository/Format, "Translation" indices; measured with apt).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import md5

from kubedeb.stanza import read

# The field with its continuation lines.
DESCRIPTION = re.compile(
    r"^(?P<name>Description): (?P<short>[^\n]*)\n(?P<rest>(?:[ \t][^\n]*\n)*)", re.MULTILINE | re.IGNORECASE
)
APART = re.compile(r"^(?P<name>Description): [^\n]*\nDescription-md5: (?P<digest>[0-9a-f]{32})\n", re.MULTILINE | re.IGNORECASE)


def apart(stanza: str) -> tuple[str, str, str]:
    """Return a stanza with the short description and the digest of the whole, that digest, and the whole description.

    A stanza without a description is as it was, and digest and description are empty.
    """
    found = DESCRIPTION.search(stanza)
    if found is None:
        return stanza, "", ""
    whole = f"{found['short']}\n{found['rest']}"
    digest = md5(whole.encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()
    short = f"{found['name']}: {found['short']}\nDescription-md5: {digest}\n"
    return stanza[: found.start()] + short + stanza[found.end() :], digest, whole.removesuffix("\n")


def together(stanza: str, whole: Mapping[str, str]) -> str:
    """Return a stanza with its long description again: the inverse of `apart`. Raises `KeyError` for one that is not there."""
    found = APART.search(stanza)
    if found is None:
        return stanza
    return f"{stanza[: found.start()]}{found['name']}: {whole[found['digest']]}\n{stanza[found.end() :]}"


def translation_text(stanzas: Iterable[tuple[str, str]]) -> str:
    """Return the part of Translation-en for packages (name and stanza): each description once for each name."""
    out: dict[tuple[str, str], str] = {}
    for name, stanza in stanzas:
        _, digest, whole = apart(stanza)
        if digest:
            out[name, digest] = f"Package: {name}\nDescription-md5: {digest}\nDescription-en: {whole}\n\n"
    return "".join(out.values())


def descriptions(text: str) -> dict[str, str]:
    """Return the descriptions of a Translation-en by digest. Raises `StanzaError`."""
    return {stanza["Description-md5"]: stanza["Description-en"] for stanza in read(text.split("\n"))}
