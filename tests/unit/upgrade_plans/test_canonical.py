from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedeb.files import canonical_json
from upgrade_plans.canonical import written

SCALARS = st.none() | st.booleans() | st.integers() | st.text()
KEYS = st.text(max_size=3)
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))


@given(TREES)
def test_written_as_canonical_json_does(tree: object) -> None:
    assert written(tree) == canonical_json(tree)


@pytest.mark.parametrize("value", [1e16, 0.1, float("inf"), 1 << 80, "\ud800", "\x7f\u2028\x00\b", ({"b": 1, "a": 2},), [], {}])
def test_what_others_would_write_otherwise(value: object) -> None:
    """Numbers with a fraction, halves of surrogate pairs, tuples: they go the slow way, and come out the same."""
    assert written({"b": value, "a": [value]}) == canonical_json({"b": value, "a": [value]})


def test_a_deep_tree() -> None:
    tree: object = 1
    for _ in range(300):
        tree = [tree]
    assert written(tree) == canonical_json(tree)
