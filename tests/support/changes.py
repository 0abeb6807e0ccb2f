"""Cases as data: values of a file set or dropped at dotted paths."""

from __future__ import annotations

import re
from typing import Any


def change(tree: Any, path: str, value: Any) -> int:
    """Set (None: drop) what lies at a dotted path, `*` for every key; return in how many places."""
    first, _, rest = path.partition(".")
    every = range(len(tree)) if isinstance(tree, list) else tree
    keys: list[Any] = list(every) if first == "*" else [int(first) if isinstance(tree, list) else first]
    if rest:
        return sum(change(tree[key], rest, value) for key in keys if isinstance(tree, list) or key in tree)
    for key in keys:
        if value is None:
            tree.pop(key)
        else:
            tree[key] = value
    return len(keys)


def plain(value: Any) -> Any:
    """Return a YAML value as JSON would have it."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if value in ("true", "false"):
        return value == "true"
    return int(value) if re.fullmatch(r"\d+", value) and getattr(value, "plain", False) else str(value)
