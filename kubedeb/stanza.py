"""Debian control stanzas (deb822), read strictly and in a stream.

The one control parser besides python-debian: for bulk work (100,000 packages) and for hostile packages, where what dpkg
or apt would read differently must be refused, not guessed. Property-tested against python-debian.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar, overload

# deb822(5): printable ASCII but space and colon, and not beginning with # or -.
FIELD_NAME = re.compile(r"[!\"$-,.-9;-~][!-9;-~]*")
# What would end a line for one reader and not for another, or reach a terminal as a command.
CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")
# The text of a signed file (RFC 4880, 7), between its headers and its signature.
SIGNED = re.compile(
    r"\A\s*-----BEGIN PGP SIGNED MESSAGE-----\n(?:[!-~]+: [^\n]*\n)*\n(.*?)\n?-----BEGIN PGP SIGNATURE-----", re.DOTALL
)
MAX_CONTROL = 1024 * 1024
T = TypeVar("T")


class StanzaError(ValueError):
    """A text is no control stanza; the message names the line."""


class Stanza(Mapping[str, str]):
    """One stanza: fields in the order written; names compare without regard to case.

    A value is as python-debian gives it: continuation lines follow a newline and keep their leading space. `names` are the
    fields' names as written, by themselves in lower case.
    """

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self._fields = dict(fields)
        self.names = {name.lower(): name for name in self._fields}

    def __getitem__(self, name: str) -> str:
        found = self._fields.get(name)
        return found if found is not None else self._fields[self.names[name.lower()]]

    def __contains__(self, name: object) -> bool:
        # Mapping's own asks by raising; most of what is asked of a hundred thousand stanzas is not there.
        return name in self._fields or (isinstance(name, str) and name.lower() in self.names)

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str | T) -> str | T: ...
    def get(self, name: str, /, default: object = None) -> object:
        """Return a field's value, `default` when there is no such field."""
        found = self._fields.get(name)
        if found is None and (written := self.names.get(name.lower())) is not None:
            found = self._fields[written]
        return default if found is None else found

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Stanza({self._fields!r})"

    def text(self) -> str:
        """Return the stanza as it is written into a file, with a final newline: the inverse of `one`."""
        return "".join(_field(name, value) for name, value in self._fields.items())


def control_text(data: bytes) -> str:
    """Return the text of a control file, out of its signature where it has one. Raises `ValueError` when it is none."""
    if len(data) > MAX_CONTROL:
        raise ValueError("it is larger than 1 MiB")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    match = SIGNED.match(text)
    return f"{match[1]}\n" if match else text


def one(text: str) -> Stanza:
    """Return the only stanza of `text`. Raises `StanzaError` when there is none, more than one, or a broken line."""
    found = list(read(text.removesuffix("\n").split("\n")))
    if len(found) != 1:
        raise StanzaError(f"{len(found)} stanzas where there must be exactly one")
    return found[0]


def read(lines: Iterable[str]) -> Iterator[Stanza]:
    """Yield the stanzas of `lines`, one at a time.

    Raises `StanzaError` with the line number: no `Name:` at its beginning, a field twice, a control character, a line of
    blanks only (dpkg ends a stanza there and apt does not).
    """
    fields: list[tuple[str, str]] = []
    for number, raw in enumerate(lines, 1):
        line = raw.removesuffix("\n")
        if line == "":
            if fields:
                yield _stanza(fields, number)
            fields = []
            continue
        # What is printable has none, and that is told faster.
        if not line.isprintable() and CONTROL_CHARACTER.search(line):
            raise StanzaError(f"line {number}: a control character stands in it: {line[:80]!r}")
        if line[0] in " \t":
            if not fields or not line.strip():
                problem = "only blanks" if fields else "a continuation line without a field"
                raise StanzaError(f"line {number}: {problem}: {line[:80]!r}")
            name, value = fields[-1]
            fields[-1] = (name, f"{value}\n{line.rstrip()}")
            continue
        name, colon, value = line.partition(":")
        if not colon or FIELD_NAME.fullmatch(name) is None:
            raise StanzaError(f"line {number}: not a field ('Name: value'): {line[:80]!r}")
        fields.append((name, value.strip()))
    if fields:
        yield _stanza(fields, number + 1)


def _field(name: str, value: str) -> str:
    """Return a field's line or lines; a value that begins on the next line follows the colon at once."""
    return f"{name}: {value}\n" if value and not value.startswith("\n") else f"{name}:{value}\n"


def _stanza(fields: list[tuple[str, str]], end: int) -> Stanza:
    stanza = Stanza(fields)
    if len(stanza.names) < len(fields):
        lowered = [name.lower() for name, _ in fields]
        twice = next(name for number, (name, _) in enumerate(fields) if name.lower() in lowered[:number])
        raise StanzaError(f"field {twice} is there twice in the stanza that ends before line {end}")
    return stanza
