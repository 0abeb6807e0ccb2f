"""Ranges of upstream versions, as rows write them: `any`, `3.4.x`, `>=3.5.0 <3.5.3`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from kubedeb.versions import Version

LINE = re.compile(r"(\d+)\.(\d+)\.x")
TERM = re.compile(r"(>=|<=|<|>|=)(\S+)")
COMPARE: dict[str, Callable[[Version, Version], bool]] = {
    ">=": operator.ge, "<=": operator.le, "<": operator.lt, ">": operator.gt, "=": operator.eq,
}  # fmt: skip


@dataclass(frozen=True)
class Range:
    """A set of versions; every term must hold, no term means any version."""

    text: str
    line: tuple[int, int] | None = None
    terms: tuple[tuple[str, Version], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Range:
        """Read a range. Raises `ValueError` when it is none."""
        if text == "any":
            return cls(text)
        if match := LINE.fullmatch(text):
            return cls(text, line=(int(match[1]), int(match[2])))
        terms: list[tuple[str, Version]] = []
        for word in text.split():
            match = TERM.fullmatch(word)
            if match is None:
                raise ValueError(f"{text!r} is not a range (expected any, 3.4.x or >=3.5.0 <3.5.3)")
            terms.append((match[1], Version.parse(match[2])))
        if not terms:
            raise ValueError("an empty range; write any")
        return cls(text, terms=tuple(terms))

    def __contains__(self, version: Version) -> bool:
        if self.line is not None:
            return version.line == self.line
        return all(COMPARE[sign](version, bound) for sign, bound in self.terms)

    def __str__(self) -> str:
        return self.text
