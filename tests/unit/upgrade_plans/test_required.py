"""Every case that plans must get right (`tests/cases/required.yaml`) names the cases and tests that hold it; they are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import referencecase

HERE = Path(__file__).parent


def _document(name: str) -> Any:
    # The base loader makes texts only, and reads the aliases of the plans by hand.
    return yaml.load((referencecase.CASES / name).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506


KNOWN = {kind: {case["name"] for case in _document(f"{kind}/cases.yaml")["cases"]} for kind in ("whole", "byhand")}


@pytest.mark.parametrize("line", _document("required.yaml")["required"], ids=lambda line: str(line["asks"]))
def test_each_line_is_held_by_cases_that_are_there(line: dict[str, Any]) -> None:
    named = {kind: set(map(str, line.get(kind, ()))) for kind in KNOWN}
    assert {kind: names - KNOWN[kind] for kind, names in named.items() if names - KNOWN[kind]} == {}
    for test in line.get("tests", ()):
        file, _, function = test.partition("::")
        assert f"def {function}(" in (HERE / file).read_text(encoding="utf-8"), test
    assert any(named.values()) or line.get("tests")
