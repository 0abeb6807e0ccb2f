"""What is told of a file that its form refuses: line, what is wrong there, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from kubedeb.yamlfile import Document

SAID = {
    "tuple_type": "a list is expected, as in [one, two]",
    "list_type": "a list is expected, as in [one, two]",
    "dict_type": "a mapping is expected, as in {key: value}",
    "model_type": "a mapping is expected, as in {key: value}",
    "dataclass_type": "a mapping is expected, as in {key: value}",
    "too_short": "it is empty",
}
"""What people are told where pydantic speaks of Python's types, by the error's type."""
PATH = r"[A-Za-z_][\w-]*(?:\.[\w-]+)*"
UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
"""The error's type: of a model's, of a dataclass'."""


def finding(document: Document, kind: type, names: Mapping[str, Any], item: ErrorDetails) -> tuple[int, str]:
    """Return the line of a finding and the sentence about it.

    `kind` is the pydantic model or the dataclass that the file is read into, `names` what a dataclass' annotations name.
    """
    keys = document_keys(document, item["loc"])
    where = [part for part in item["loc"] if part in keys]
    where += getattr(item.get("ctx", {}).get("error"), "where", ())
    said = SAID.get(item["type"]) or item["msg"].removeprefix("Value error, ")
    if not where and not item["loc"] and (named := _named(document, said)):
        line = document.line_of(named)
        return line, f"{document.path}:{line}: {said}"
    line = document.line_of(where)
    place = f"{document.path}:{line}"
    if item["type"] in UNKNOWN_KEY:
        known = sorted(_known_at(kind, names, item["loc"][:-1]))
        return line, f"{place}: {_unknown('key ', str(item['loc'][-1]), known)}"
    if item["type"] == "union_tag_not_found":
        key = item["ctx"]["discriminator"].strip("'")
        return line, f"{place}: {'.'.join(str(part) for part in [*where, key])!r} is missing"
    if item["type"] == "union_tag_invalid":
        return _unknown_kind(document, where, item)
    if item["type"] == "missing":
        return line, f"{place}: {'.'.join(str(part) for part in [*where, item['loc'][-1]])!r} is missing"
    name = ".".join(str(part) for part in where) or "the file"
    if item["type"] == "string_pattern_mismatch":
        return line, f"{place}: {name}: {str(item['input'])!r} does not match {item['ctx']['pattern']}"
    return line, f"{place}: {name}: {said}{_near_choice(item)}"


def _unknown_kind(document: Document, where: Sequence[str | int], item: ErrorDetails) -> tuple[int, str]:
    """Return the finding about a value that is to tell members of a union apart, and is that of none."""
    given, key = item["ctx"]["tag"], item["ctx"]["discriminator"].strip("'")
    choices = re.findall(r"'([^']*)'", item["ctx"]["expected_tags"])
    line = document.line_of([*where, key])
    return line, f"{document.path}:{line}: {'.'.join(str(part) for part in [*where, key])}: {_unknown('', given, choices)}"


def _unknown(what: str, given: str, known: Sequence[str]) -> str:
    """Return the sentence about a word that is none of those that may stand there."""
    near = _near(given, known)
    advice = f"did you mean {near!r}?" if near else f"known are: {', '.join(known)}"
    return f"unknown {what}{given!r}: {advice}"


def _near(given: str, known: Sequence[str]) -> str:
    """Return which word was probably meant, empty when none is near."""
    return next(iter(difflib.get_close_matches(given, known, n=1, cutoff=0.5)), "")


def _named(document: Document, said: str) -> list[str]:
    """Return the keys that a sentence about the whole file names, at its beginning or as `(named in KEY.KEY)`."""
    for match in (re.match(PATH, said), re.search(rf"\(named in ({PATH})\)", said)):
        path = match[match.lastindex or 0].split(".") if match else []
        if path and len(document_keys(document, path)) == len(path):
            return path
    return []


def _near_choice(item: ErrorDetails) -> str:
    """Return which of a closed set was probably meant, empty when none is near."""
    if item["type"] not in ("enum", "literal_error"):
        return ""
    choices = re.findall(r"'([^']*)'", str(item.get("ctx", {}).get("expected", "")))
    near = _near(str(item["input"]), choices)
    return f"; did you mean {near!r}?" if near else ""


def document_keys(document: Document, where: Sequence[str | int]) -> set[str | int]:
    """Return the parts of a pydantic location that are keys of the file (a union adds names of its own)."""
    keys: set[str | int] = set()
    value = document.data
    for part in where:
        if isinstance(value, dict) and part in value:
            value = value[str(part)]
            keys.add(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
            keys.add(part)
    return keys


def _known_at(kind: type, names: Mapping[str, Any], where: Sequence[str | int]) -> set[str]:
    """Return the keys that are known at a location: of the class there, or of all that a union allows there."""
    here: list[Any] = [kind]
    for part in where:
        here = [inner for one in here for inner in _inside(one, names, part)]
    return {key for one in here for key in _keys(one, names)}


def _keys(kind: Any, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands at each key of a model or dataclass; of anything else nothing."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind, localns=dict(names))
        return {field.name: hints[field.name] for field in fields(kind)}
    return {}


def _inside(kind: Any, names: Mapping[str, Any], part: str | int) -> Iterator[Any]:
    if keys := _keys(kind, names):
        if part in keys:
            yield from _flat(keys[str(part)])
        # A union is told apart by the values of a literal key, or by the classes' names.
        if part == kind.__name__ or any(part in get_args(inner) for inner in keys.values() if get_origin(inner) is Literal):
            yield kind
    else:
        yield from (inner for argument in get_args(kind) for inner in _flat(argument))


def _flat(kind: Any) -> Iterator[Any]:
    """Yield the members of a union, of an optional, of an annotated type."""
    if get_origin(kind) in (Union, UnionType):
        for member in get_args(kind):
            yield from _flat(member)
    elif get_origin(kind) is Annotated:
        yield from _flat(get_args(kind)[0])
    else:
        yield kind
