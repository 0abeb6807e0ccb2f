"""The one YAML loader: every scalar is the string that was written, duplicate keys are errors, every error has a line.

PyYAML's own `safe_load` reads `1.10` as 1.1, `0755` as 493 and `on` as True; here nothing is guessed and the pydantic
model says what a field is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from kubedeb.errors import ExitCode, KubedebError, read_text

# libyaml is ten times faster than the pure Python loader, and not built on every platform.
LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
FLOAT_LIKE = re.compile(r"[-+]?\d+\.\d+")
DEEPEST = 50
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


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
    return parse(read_text(path, code=code), path, code=code)


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
        raise _refused(document, error, model, {}, code) from None


class MisfitError(ValueError):
    """What is wrong with a file although its every key is right by itself; `where` is the key that people should look at."""

    def __init__(self, text: str, *where: str | int) -> None:
        super().__init__(text)
        self.where = where


class Form(Generic[T]):
    """The form of a file that is read into a dataclass, whose own module then need not load pydantic.

    `names` are what the annotations of it, and of the dataclasses within, are made of. `refuse` raises `MisfitError` with
    what is wrong with all of it together.
    """

    def __init__(self, kind: type[T], names: Mapping[str, Any], refuse: Callable[[T], None]) -> None:
        """Keep what is asked of a file."""
        self.kind, self.names, self._refuse = kind, names, refuse

    @cached_property
    def adapter(self) -> TypeAdapter[T]:
        """Return what validates, and knows the JSON schema."""
        kind: Any = Annotated[self.kind, AfterValidator(self._checked)]
        adapter: TypeAdapter[T] = TypeAdapter(kind)
        adapter.rebuild(_types_namespace=self.names)
        return adapter

    def validate(self, document: Document, *, code: ExitCode) -> T:
        """Return a document as the dataclass. Raises `KubedebError` as `load_model` does."""
        try:
            return self.adapter.validate_python(document.data)
        except ValidationError as error:
            raise _refused(document, error, self.kind, self.names, code) from None

    def _checked(self, value: T) -> T:
        self._refuse(value)
        return value


def _refused(document: Document, error: ValidationError, kind: type, names: Mapping[str, Any], code: ExitCode) -> KubedebError:
    from kubedeb.yamlfindings import finding  # only a file that is refused waits for it

    first, *more = (text for _, text in sorted(finding(document, kind, names, item) for item in error.errors()))
    return KubedebError(first, details="\n".join(more), hint=f"Mend {document.path} and run the command again.", code=code)
