"""What docs/architecture.md names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]
PAGE = (TOP / "docs/architecture.md").read_text()
FOLDERS = "kubedeb|pkgbuild|repo|upgrade_plans|tests|recipes|docs|script"
PATHS = sorted(path for path in set(re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", PAGE)) if "ROOM" not in path)
ROOMS = ("kubedeb", "pkgbuild", "repo", "upgrade_plans")
NAMES = sorted(pair for pair in set(re.findall(r"`([a-zA-Z]\w+)\.(\w+)`", PAGE)) if pair[1] not in ("py", "toml"))
SOURCES = {path: path.read_text() for room in ROOMS for path in (TOP / room).rglob("*.py")}


@pytest.mark.parametrize("path", PATHS)
def test_the_paths_exist(path: str) -> None:
    assert (TOP / path).exists()


@pytest.mark.parametrize(("owner", "name"), NAMES)
def test_the_names_exist(owner: str, name: str) -> None:
    """`owner` is a module, a package or a class."""
    texts = [text for path, text in SOURCES.items() if owner in (path.stem, path.parent.name) or f"class {owner}" in text]
    assert any(re.search(rf"\b{name}\b", text) for text in texts)
