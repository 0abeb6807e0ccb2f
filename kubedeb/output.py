"""What commands print on stdout: one JSON document with `--json`, tables of plain text otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import click

# So many pieces of a document are written at once.
PIECES = 10_000
# `json.dumps` with a wish makes an encoder for every call.
ENCODE = json.JSONEncoder(ensure_ascii=False).encode
SCALAR = (str, int, float, type(None))

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")


def is_record(value: Any) -> bool:
    """Return whether a value is a record: a dataclass or a named tuple."""
    return hasattr(value, "_fields") if isinstance(value, tuple) else is_dataclass(value)


def plain(record: Any) -> dict[str, Any]:
    """Return the fields of a record (a dataclass or a named tuple) by name, as they are."""
    if isinstance(record, tuple):
        return record._asdict()  # type: ignore[attr-defined,no-any-return]
    return {field.name: getattr(record, field.name) for field in fields(record)}


def print_json(value: Any) -> None:
    """Print `value`, in which records stand for objects, as one JSON document, by and by: it may have 100,000 packages."""
    for batch in batched(json_pieces(value), PIECES):
        click.echo("".join(batch), nl=False)
    click.echo()


def batched(pieces: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield the pieces in lists of at most `size`."""
    several = iter(pieces)
    while batch := list(islice(several, size)):
        yield batch


def json_pieces(value: Any, margin: str = "\n") -> Iterator[str]:
    """Yield the text of a document piece by piece, as `json.dumps(…, indent=2, ensure_ascii=False)` writes it.

    What holds nothing but scalars, as a package does, is one piece.
    """
    if is_record(value):
        value = plain(value)
    if not value or not isinstance(value, Mapping | list | tuple):
        yield ENCODE(value)
        return
    inner = f"{margin}  "
    named = isinstance(value, Mapping)
    opening, closing = "{}" if named else "[]"
    value = dict(value) if named else list(value)
    if all(isinstance(part, SCALAR) for part in (value.values() if named else value)):
        yield f"{opening}{inner}{_on_lines(inner)(value)[1:-1]}{margin}{closing}"
        return
    for name, part in value.items() if named else ((None, part) for part in value):
        yield f"{opening}{inner}"
        if named:
            yield f"{ENCODE(name if isinstance(name, str) else ENCODE(name))}: "
        yield from json_pieces(part, inner)
        opening = ","
    yield f"{margin}{closing}"


@lru_cache(maxsize=64)
def _on_lines(margin: str) -> Callable[[Any], str]:
    """Return an encoder that begins each item but the first with a margin: with its own indent it would not be that in C."""
    return json.JSONEncoder(ensure_ascii=False, separators=(f",{margin}", ": ")).encode


def counted(number: int, what: str) -> str:
    """Return a number with what it counts, a word in the singular that takes an s: `1 fault`, `0 faults`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table with columns as wide as their longest cell; the last column is not padded."""
    for line in table(header, rows):
        click.echo(line)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of the table that `print_table` prints."""
    lines = [tuple(header), *(tuple(str(cell) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
