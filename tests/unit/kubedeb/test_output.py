import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedeb.output import json_pieces, plain, print_json
from kubedeb.records import frozen

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


class Pair(NamedTuple):
    """A named tuple."""

    name: str
    parts: tuple[int, ...]


@frozen
class Whole:
    """A record of records."""

    pairs: tuple[Pair, ...]
    more: dict[str, Pair]


@given(JSON)
def test_documents_are_written_as_json_dumps_does(value: Any) -> None:
    assert "".join(json_pieces(value)) == json.dumps(value, indent=2, ensure_ascii=False)


def test_records_are_objects(capsys: pytest.CaptureFixture[str]) -> None:
    pair = Pair("ü", (1, 2))
    print_json({**plain(Whole((pair,), {"x": pair})), "none": ()})
    seen = {"name": "ü", "parts": [1, 2]}
    assert json.loads(capsys.readouterr().out) == {"pairs": [seen], "more": {"x": seen}, "none": []}
