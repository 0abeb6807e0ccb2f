"""What may stand where a text becomes a word of a command, a file name or a path."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, get_args

from pydantic import AfterValidator, StringConstraints, WithJsonSchema

from kubedeb.yamlfile import Quoted

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
IdentifierOrNone = Annotated[str, *_text("an id", f"(?:{WORD})?", "letters, digits, '.', '_' and '-', not first, or nothing")]
NodeName = Annotated[str, *_text("a node's name", WORD, "letters, digits, '.', '_' and '-', not first")]
PackageName = Annotated[str, *_text("a package's name", r"[a-z0-9][a-z0-9.+-]+", "a-z, 0-9, '.', '+' and '-'")]
DebianText = Annotated[
    str, *_text("a Debian version", r"(?:\d+:)?\d[A-Za-z0-9.+~-]*", "[epoch:]upstream[-revision], as in 3.5.16-1")
]
VersionText = Annotated[str, *_text("a version", r"[A-Za-z0-9][A-Za-z0-9.+~-]*", "as in 3.5.16")]
"""An upstream version's characters; whether it is one is for the prover's static checks to say."""
QuotedVersion = Annotated[Quoted, *get_args(VersionText)[1:]]
"""A version in a file that people write: one that looks like a number must be quoted."""
Digest = Annotated[str, *_text("a sha256", r"[0-9a-f]{64}", "64 digits 0-9, a-f")]
DigestOrNone = Annotated[str, *_text("a sha256", r"(?:[0-9a-f]{64})?", "64 digits 0-9, a-f")]
"""A sha256; an empty one is for the prover's static checks to refuse."""
AbsolutePath = Annotated[
    str, *_text("an absolute path", r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._-]+)+", "as in /var/lib/etcd, without '..'", longest=255)
]
MountPoint = Annotated[str, *_text("a mount point", r"/[A-Za-z0-9._/-]*", "an absolute path", longest=255)]
Unit = Annotated[str, *_text("a unit's name", r"[A-Za-z0-9][A-Za-z0-9:_.@-]*", "as in etcd")]
Address = Annotated[
    str, *_text("an address", r"[A-Za-z0-9:\[][A-Za-z0-9.:\[\]-]*", "a host's name or an IP address", longest=255)
]
_RANGE = r"[0-9]{1,9}(?:-[0-9]{1,9})?"
_TERM = rf"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[{_RANGE}(?:,{_RANGE})*\][A-Za-z0-9._-]*)?"
NODE_SET = rf"^{_TERM}(?:,{_TERM})*$"
NodeSetText = Annotated[str, StringConstraints(pattern=NODE_SET)]
"""A node set in the folded form that ClusterShell writes, one bracket a name at most (`w[01-40],m1`).

It stays folded: facts of 100,000 nodes hold millions of names, which nobody needs one by one. The pattern is checked by
pydantic's own engine, which takes linear time.
"""
Duration = Annotated[str, *_text("a duration", r"\d{1,5}(?:s|m|h|d)", "as in 90s, 10m, 24h or 7d")]
Share = Annotated[str, *_text("a share", r"\d{1,5}|(?:100|\d{1,2})%", "a number of nodes or a percentage, as in 3 or 25%")]
Fraction = Annotated[str, *_text("a fraction", r"0(?:\.\d{1,4})?|1(?:\.0{1,4})?", "from 0 to 1, as in 0.5")]
Clock = Annotated[str, *_text("a time of day", r"(?:[01]\d|2[0-3]):[0-5]\d|24:00", "as in 08:30")]
Argument = Annotated[str, *_text("an argument", r"[^\0\n]*", "one line", longest=4096)]
Taint = Annotated[
    str, *_text("a taint", r"[A-Za-z0-9][A-Za-z0-9._/-]*(?:=[A-Za-z0-9._-]*)?:(?:NoSchedule|PreferNoSchedule|NoExecute)",
                "as in dedicated=ingress:NoSchedule", longest=255)
]  # fmt: skip
Namespace = Annotated[str, *_text("a namespace", r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", "a-z, 0-9 and -", longest=63)]


def moment(text: str) -> datetime:
    """Return a `Moment`; one that names no zone is in UTC. Raises `ValueError` when it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no date (expected: ISO 8601, as in 2018-07-02T06:00:00+00:00)") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _moment(text: str) -> str:
    moment(text)
    return text


Moment = Annotated[str, AfterValidator(_moment)]
"""A date, with or without a time of day and a zone."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(duration: str) -> int:
    """Return a `Duration` in seconds."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def nodes_of(share: str, total: int) -> int:
    """Return how many of `total` nodes a `Share` is, at least one: a share that lets nothing move would be a freeze."""
    if share.endswith("%"):
        return max(1, total * int(share[:-1]) // 100)
    return int(share)
