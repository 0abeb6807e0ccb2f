"""What may stand where a text becomes a word of a command, a file name or a path."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

LONGEST = 128


def _text(what: str, pattern: str, expected: str, *, longest: int = LONGEST) -> tuple[AfterValidator, WithJsonSchema]:
    """Return the check, and its JSON schema, of a text that must match `pattern` as a whole."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if len(text) > longest or compiled.fullmatch(text) is None:
            shown = text if len(text) <= 60 else f"{text[:60]}…"
            raise ValueError(f"{shown!r} is not {what} (expected: {expected}; at most {longest} characters)")
        return text

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$", "maxLength": longest})


WORD = r"[A-Za-z0-9][A-Za-z0-9._-]*"
Name = Annotated[str, *_text("a name", r"[a-z0-9][a-z0-9-]*", "a-z, 0-9 and -", longest=63)]
"""A cluster's name: part of file names."""
Identifier = Annotated[str, *_text("an id", WORD, "letters, digits, '.', '_' and '-', not first")]
"""The id of a step, a phase, a rule or a member: part of file names and a word of commands."""
NodeName = Annotated[str, *_text("a node's name", WORD, "letters, digits, '.', '_' and '-', not first")]
PackageName = Annotated[str, *_text("a package's name", r"[a-z0-9][a-z0-9.+-]+", "a-z, 0-9, '.', '+' and '-'")]
DebianText = Annotated[
    str, *_text("a Debian version", r"(?:\d+:)?\d[A-Za-z0-9.+~-]*", "[epoch:]upstream[-revision], as in 3.5.16-1")
]
VersionText = Annotated[str, *_text("a version", r"[A-Za-z0-9][A-Za-z0-9.+~-]*", "as in 3.5.16")]
"""An upstream version's characters; whether it is one is for the prover's static checks to say."""
Digest = Annotated[str, *_text("a sha256", r"[0-9a-f]{64}", "64 digits 0-9, a-f")]
DigestOrNone = Annotated[str, *_text("a sha256", r"(?:[0-9a-f]{64})?", "64 digits 0-9, a-f")]
"""A sha256; an empty one is for the prover's static checks to refuse."""
AbsolutePath = Annotated[
    str, *_text("an absolute path", r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._-]+)+", "as in /var/lib/etcd, without '..'", longest=255)
]
Unit = Annotated[str, *_text("a unit's name", r"[A-Za-z0-9][A-Za-z0-9:_.@-]*", "as in etcd")]
Address = Annotated[
    str, *_text("an address", r"[A-Za-z0-9:\[][A-Za-z0-9.:\[\]-]*", "a host's name or an IP address", longest=255)
]
