"""The one form in which facts, cluster and plans are written and hashed: equal values, equal bytes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from kubedeb.files import canonical_json, sha256_bytes
from kubedeb.yamlfile import StrictModel

PLAIN = frozenset({str, int, bool, type(None)})
"""The types of what holds nothing else, and is written alike by everybody."""


class Sparse(StrictModel):
    """A file of which most keys are left out: what is as it is by default is not written."""


def text_of(value: BaseModel) -> str:
    """Return a model as canonical JSON; of what people and facts leave out nothing is written (`Sparse`)."""
    sparse = isinstance(value, Sparse)
    tree = value.model_dump(mode="json", by_alias=True, exclude_defaults=sparse)
    if sparse and (number := getattr(value, "format", None)):
        tree["format"] = number
    return written(tree)


def written(tree: Any) -> str:
    """Return what `canonical_json` does, in half of the time, of a tree whose keys are texts: pydantic writes it, compiled."""
    try:
        return to_json(_in_order(tree), indent=2).decode() + "\n"
    except (TypeError, ValueError):  # what is not written alike, half of a surrogate pair, too deep for it
        return canonical_json(tree)


def _in_order(tree: Any) -> Any:
    """Return a tree with its keys sorted. Raises `TypeError` where it holds a number with a fraction: written otherwise."""
    if type(tree) is dict:
        return {key: tree[key] if type(tree[key]) in PLAIN else _in_order(tree[key]) for key in sorted(tree)}
    if type(tree) is list:
        return [item if type(item) in PLAIN else _in_order(item) for item in tree]
    if type(tree) in PLAIN:
        return tree
    raise TypeError(f"{tree!r} may be written otherwise")


def digest(value: BaseModel) -> str:
    """Return the sha256 of a model's canonical JSON, in hex."""
    return sha256_bytes(text_of(value).encode())
