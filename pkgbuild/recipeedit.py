"""Edits of `recipe.yaml` that leave every other byte as it was: a row behind the last, a digest where there was none; pure."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from kubedeb.errors import ExitCode, KubedebError


def with_row(
    text: str, version: str, day: date, sources: Mapping[str, list[dict[str, Any]]], like_the_last: Sequence[str] = ()
) -> str:
    """Return the file with a row more, behind its last one and indented like it. Raises `KubedebError` (RECIPE).

    `like_the_last` are keys whose lists of words the new row takes over from the last one.

    ruamel.yaml finds the place and writes the row; it does not write the rest, which it would lay out anew.
    """
    rows = _rows(text)
    last = rows.value[-1]
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    end = max(_last_line(leaf) for leaf in _leaves(last)) + 1
    column = rows.start_mark.column
    row = _dumped(version, day, sources, _words_of(last, like_the_last), column, newline)
    before = "".join(lines[:end])
    if not before.endswith("\n"):
        before += newline
    return before + row + "".join(lines[end:])


def with_digest(text: str, version: str, architecture: str, place: int, digest: tuple[str, str]) -> str:
    """Return the file with a source's `unpinned: REASON` replaced by (algorithm, hex)."""
    row = next(row for row in _rows(text).value if _get(row, "version").value == version)
    source = _get(_get(row, "sources"), architecture).value[place]
    key, value = next(pair for pair in source.value if pair[0].value == "unpinned")
    return text[: key.start_mark.index] + ": ".join(digest) + text[value.end_mark.index :]


def _rows(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.nodes import SequenceNode

    node = YAML(typ="rt", pure=True).compose(text)
    rows = _get(node, "versions")
    if not isinstance(rows, SequenceNode) or rows.flow_style or not rows.value:
        raise KubedebError(
            "the recipe's versions are not a list with a line for each item",
            hint="Write the row by hand.",
            code=ExitCode.RECIPE,
        )
    return rows


def _get(node: Any, key: str) -> Any:
    return next(value for name, value in node.value if name.value == key)


def _leaves(node: Any) -> list[Any]:
    """Return what in a node has an end of its own: the end of a block of lines is only where the next thing begins."""
    from ruamel.yaml.nodes import MappingNode, ScalarNode

    if isinstance(node, ScalarNode) or node.flow_style or not node.value:
        return [node]
    items = [part for pair in node.value for part in pair] if isinstance(node, MappingNode) else node.value
    return [leaf for item in items for leaf in _leaves(item)]


def _last_line(leaf: Any) -> int:
    """Return the line (from 0) that a leaf ends in; a `|` block ends where the line behind it begins."""
    mark = leaf.end_mark
    return int(mark.line - (1 if mark.column == 0 and mark.line > leaf.start_mark.line else 0))


def _words_of(row: Any, keys: Sequence[str]) -> dict[str, list[str]]:
    return {name.value: [word.value for word in value.value] for name, value in row.value if name.value in keys}


def _dumped(
    version: str, day: date, sources: Mapping[str, list[dict[str, Any]]], words: Mapping[str, list[str]], column: int,
    newline: str,
) -> str:  # fmt: skip
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString as Quoted

    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    row = {
        "version": Quoted(version), "revision": 1, "date": Quoted(day.isoformat()),
        "changes": [f"New upstream version {version}."],
        **{key: _on_one_line(CommentedSeq(listed)) for key, listed in words.items()},
        "sources": {
            arch: [{key: Quoted(value) if key == "version" else value for key, value in one.items()} for one in listed]
            for arch, listed in sources.items()
        },
    }  # fmt: skip
    out = io.StringIO()
    yaml.dump({"versions": [row]}, out)
    lines = out.getvalue().splitlines()[1:]
    return "".join(f"{' ' * column}{line[2:]}{newline}" for line in lines)


def _on_one_line(listed: Any) -> Any:
    listed.fa.set_flow_style()
    return listed
