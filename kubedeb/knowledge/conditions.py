"""What must be seen in the facts of a cluster for a rule to concern it: a small language of data, evaluated elsewhere.

A leaf is a path and one comparison. The path begins with what it is about (`daemon`, `node`, `kubernetes` …); a part in
brackets is a key as it stands (`daemon.arguments[--v]`), `[*]` any. `all`, `any` and `no` join leaves. Parts of an `all` that
are about the same kind of thing must hold for one and the same thing, a `no` among them fail for it; by itself, `no` says that
it holds for nothing at all.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from kubedeb.knowledge.ranges import Range
from kubedeb.yamlfile import StrictModel

STEP = re.compile(r"\.?([a-z][a-z0-9_-]*)|\[([^\[\]]+)\]")
PATH = re.compile(rf"[a-z][a-z0-9-]*(?:{STEP.pattern})*")


def _range(value: Any) -> Any:
    return Range.parse(value) if isinstance(value, str) else value


VersionRange = Annotated[Range, BeforeValidator(_range), PlainSerializer(str)]


@lru_cache(maxsize=1024)
def steps(path: str) -> tuple[str, tuple[tuple[str, bool], ...]]:
    """Return what a path is about, and its steps: a name and whether it stood in brackets."""
    root = re.match(r"[a-z][a-z0-9-]*", path)
    if root is None or PATH.fullmatch(path) is None:
        raise ValueError(f"{path!r} is not a path (expected: as in daemon.arguments[--v])")
    found = STEP.finditer(path, root.end())
    return root[0], tuple((match[1] or match[2], match[2] is not None) for match in found)


class Condition(StrictModel):
    """A leaf (`field` and one comparison), or others joined.

    `present`: there is a value but null, false, 0 or nothing at all. `equals`, `among`, `holds` (a list has it, a text contains
    it) and `matches` compare text; `version`, `above` and `below` compare as versions and numbers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    all: tuple[Condition, ...] | None = None
    any: tuple[Condition, ...] | None = None
    no: Condition | None = None
    field: str | None = None
    present: bool | None = None
    equals: str | None = None
    among: tuple[str, ...] | None = None
    holds: str | None = None
    matches: str | None = None
    version: VersionRange | None = None
    above: int | None = None
    below: int | None = Field(default=None)

    @model_validator(mode="after")
    def _one_form(self) -> Condition:
        """A condition is a leaf or a join, a leaf has one comparison, its path and expression can be read."""
        forms = [name for name in ("all", "any", "no", "field") if getattr(self, name) is not None]
        if len(forms) != 1:
            raise ValueError("a condition is one of: all, any, no, field")
        compared = [name for name in COMPARISONS if getattr(self, name) is not None]
        if len(compared) != (self.field is not None):
            raise ValueError(f"a field has one comparison: {', '.join(COMPARISONS)}")
        if self.field is not None:
            steps(self.field)
        if self.matches is not None:
            try:
                re.compile(self.matches)
            except re.error as error:
                raise ValueError(f"{self.matches!r} is not a regular expression: {error}") from error
        return self

    @property
    def comparison(self) -> tuple[str, Any]:
        """Return the name and the operand of a leaf's comparison."""
        return next((name, value) for name in COMPARISONS if (value := getattr(self, name)) is not None)

    @property
    def leaves(self) -> tuple[Condition, ...]:
        """Return every leaf, from left to right."""
        inner = self.all or self.any or ((self.no,) if self.no else ())
        return tuple(leaf for one in inner for leaf in one.leaves) if inner else (self,)

    def __str__(self) -> str:
        for word, joined in (("and", self.all), ("or", self.any)):
            if joined is not None:
                return f" {word} ".join(f"({one})" if one.all or one.any else str(one) for one in joined)
        if self.no is not None:
            return f"no {self.no}" if self.no.field else f"no ({self.no})"
        name, value = self.comparison
        if name == "present":
            return f"{self.field} is {'' if value else 'not '}there"
        shown = ", ".join(value) if isinstance(value, tuple) else value
        return f"{self.field} {WORDS.get(name, name)} {shown}"


COMPARISONS = ("present", "equals", "among", "holds", "matches", "version", "above", "below")
WORDS = {"equals": "=", "among": "is one of", "version": "in", "above": ">", "below": "<"}
