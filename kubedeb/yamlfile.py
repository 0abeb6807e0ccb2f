"""The one YAML loader: every scalar is the string that was written, duplicate keys are errors, every error has a line.

PyYAML's own `safe_load` reads `1.10` as 1.1, `0755` as 493 and `on` as True; here nothing is guessed and the pydantic
model says what a field is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from kubedeb.errors import ExitCode, KubedebError

# libyaml is ten times faster than the pure Python loader, and not built on every platform.
LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
FLOAT_LIKE = re.compile(r"[-+]?\d+\.\d+")
DEEPEST = 50
M = TypeVar("M", bound=BaseModel)


class Scalar(str):
    """A scalar as written; `plain` when it stood without quotes."""

    __slots__ = ("plain",)
    plain: bool

    def __new__(cls, text: str, *, plain: bool) -> Scalar:
        """Keep `text`, and whether it was quoted."""
        scalar = super().__new__(cls, text)
        scalar.plain = plain
        return scalar


def _quoted(value: Any) -> Any:
    if isinstance(value, Scalar) and value.plain and FLOAT_LIKE.fullmatch(value):
        raise ValueError(f'other YAML readers see a number here ({value} becomes {float(value)}); write "{value}" in quotes')
    return str(value) if isinstance(value, Scalar) else value


Quoted = Annotated[str, BeforeValidator(_quoted)]
"""A string that must be quoted when it looks like a decimal number: versions."""


class StrictModel(BaseModel):
    """What a file that people write is read into: immutable, and an unknown key is an error."""

    # A model within another is validated by that one: most never need a validator of their own, which takes a while to build.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


@dataclass(frozen=True)
class Document:
    """A YAML file's content (dicts, lists and `Scalar`s) and the line of every key and item, by path of keys."""

    path: Path
    data: Any
    lines: dict[tuple[str | int, ...], int]

    def line_of(self, where: Sequence[str | int]) -> int:
        """Return the 1-based line of the item at `where`, else of the nearest thing around it."""
        for end in range(len(where), -1, -1):
            if (line := self.lines.get(tuple(where[:end]))) is not None:
                return line
        return 1


def load(path: Path, *, code: ExitCode) -> Document:
    """Read one YAML document; unreadable, not YAML or a duplicate key raise `KubedebError` with `code`, with the line."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise KubedebError(
            f"cannot read {path}", details=str(reason), hint="Check the path and its rights.", code=code
        ) from error
    return parse(text, path, code=code)


def parse(text: str, path: Path, *, code: ExitCode) -> Document:
    """Read one YAML document from `text`; `path` is what messages name."""
    try:
        _plain_tree(text, path, code)
        node = yaml.compose(text, Loader=LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise KubedebError(
            f"{path}:{line}: not valid YAML", details=str(getattr(error, "problem", None) or error), code=code
        ) from error
    lines: dict[tuple[str | int, ...], int] = {}
    data = {} if node is None else _value(node, (), lines, path, code)
    return Document(path, data, lines)


def _plain_tree(text: str, path: Path, code: ExitCode) -> None:
    """Refuse aliases and deep nesting while the events are still a flat stream.

    An alias may stand for itself, or for a tree that doubles with each level; libyaml composes by recursion in C and ends
    the process without a word where a document is nested deeply.
    """
    depth = 0
    events: Iterator[Any] = yaml.parse(text, Loader=LOADER)
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise KubedebError(
                f"{path}:{line}: an alias (*{event.anchor}) stands here, and aliases are not read",
                hint="Write it out.", code=code,
            )  # fmt: skip
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise KubedebError(
                f"{path}:{line}: nested more than {DEEPEST} levels deep",
                hint="Is this the right file? None that is read here needs more than a few.", code=code,
            )  # fmt: skip


def _value(
    node: yaml.Node, where: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int], path: Path, code: ExitCode
) -> Any:
    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.ScalarNode):
        return Scalar(node.value, plain=not node.style)  # None, or '' from libyaml
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*where, index), lines, path, code) for index, item in enumerate(node.value)]
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in mapping:
            first = lines[(*where, key)]
            raise KubedebError(
                f"{path}:{line}: key {key!r} is there twice", details=f"It stands in line {first} already.",
                hint="Keep one of them.", code=code,
            )  # fmt: skip
        lines[(*where, key)] = line
        mapping[key] = _value(value_node, (*where, key), lines, path, code)
    return mapping


def load_model(path: Path, model: type[M], *, code: ExitCode) -> M:
    """Read a YAML file into `model`. Raises `KubedebError` with every finding: file, line, what, and a near match."""
    return validate(load(path, code=code), model, code=code)


def validate(document: Document, model: type[M], *, code: ExitCode) -> M:
    """Check a document against `model`. Raises `KubedebError` as `load_model` does."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        findings = sorted(_finding(document, model, item) for item in error.errors())
    first, *more = (text for _, text in findings)
    raise KubedebError(first, details="\n".join(more), hint=f"Mend {document.path} and run the command again.", code=code)


SAID = {
    "tuple_type": "a list is expected, as in [one, two]",
    "list_type": "a list is expected, as in [one, two]",
    "dict_type": "a mapping is expected, as in {key: value}",
    "model_type": "a mapping is expected, as in {key: value}",
    "dataclass_type": "a mapping is expected, as in {key: value}",
    "too_short": "it is empty",
}
"""What people are told where pydantic speaks of Python's types, by the error's type."""


def _finding(document: Document, model: type[BaseModel], item: ErrorDetails) -> tuple[int, str]:
    """Return the line of a finding and the sentence about it."""
    keys = document_keys(document, item["loc"])
    where = [part for part in item["loc"] if part in keys]
    line = document.line_of(where)
    place = f"{document.path}:{line}"
    if item["type"] == "extra_forbidden":
        import difflib  # only a file that is refused waits for it

        known = sorted(field.alias or key for key, field in _model_at(model, item["loc"][:-1]).items())
        near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1, cutoff=0.5)
        advice = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known)}"
        return line, f"{place}: unknown key {str(item['loc'][-1])!r}: {advice}"
    if item["type"] == "missing":
        return line, f"{place}: {'.'.join(str(part) for part in [*where, item['loc'][-1]])!r} is missing"
    name = ".".join(str(part) for part in where) or "the file"
    if item["type"] == "string_pattern_mismatch":
        return line, f"{place}: {name}: {str(item['input'])!r} does not match {item['ctx']['pattern']}"
    said = SAID.get(item["type"]) or item["msg"].removeprefix("Value error, ")
    return line, f"{place}: {name}: {said}{_near_choice(item)}"


def _near_choice(item: ErrorDetails) -> str:
    """Return which of a closed set was probably meant, empty when none is near."""
    if item["type"] not in ("enum", "literal_error"):
        return ""
    import difflib

    choices = re.findall(r"'([^']*)'", str(item.get("ctx", {}).get("expected", "")))
    near = difflib.get_close_matches(str(item["input"]), choices, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


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


def _model_at(model: type[BaseModel], where: Sequence[str | int]) -> dict[str, Any]:
    """Return the fields that are known at a location: of the model there, or of all that a union allows there."""
    here: list[Any] = [model]
    for part in where:
        here = [inner for kind in here for inner in _inside(kind, part)]
    return {name: field for kind in here if isinstance(kind, type) and issubclass(kind, BaseModel)
            for name, field in kind.model_fields.items()}  # fmt: skip


def _inside(kind: Any, part: str | int) -> Iterator[Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if part in (name, field.alias):
                yield from _flat(field.annotation)
        if part == kind.__name__ or part in _tags(kind):
            yield kind
    else:
        yield from (inner for argument in get_args(kind) for inner in _flat(argument))


def _tags(kind: type[BaseModel]) -> Iterator[Any]:
    """Yield what a union of models is told apart by: the values of the model's literal fields."""
    for field in kind.model_fields.values():
        if get_origin(field.annotation) is Literal:
            yield from get_args(field.annotation)


def _flat(kind: Any) -> Iterator[Any]:
    """Yield the members of a union, of an optional, of an annotated type."""
    if get_origin(kind) in (Union, UnionType):
        for member in get_args(kind):
            yield from _flat(member)
    elif get_origin(kind) is Annotated:
        yield from _flat(get_args(kind)[0])
    else:
        yield kind
