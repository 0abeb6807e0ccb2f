"""Which recipes there are, by kind: shipped ones and samples, found in their folders, so that a new one is checked too."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
KIND = re.compile(r"^kind: *(\S+)", re.MULTILINE)
"""Read from the text: a sample's digests are filled in only where its sources are made."""


def shipped() -> list[tuple[str, str]]:
    """Return (name, kind) of each shipped recipe whose sources can be had: all pinned, none of them upstream's archive."""
    top = TESTS.parent / "recipes"
    texts = {name: (top / name / "recipe.yaml").read_text() for name, _ in _kinds(top)}
    return [(name, kind) for name, kind in _kinds(top) if "kind: archive" not in texts[name] and "unpinned:" not in texts[name]]


def samples(*kinds: str) -> list[str]:
    """Return the names of the samples of some kinds."""
    return [name for name, kind in _kinds(TESTS / "recipes") if kind in kinds]


def _kinds(folder: Path) -> list[tuple[str, str]]:
    texts = {path.parent.name: path.read_text() for path in sorted(folder.glob("*/recipe.yaml"))}
    return [(name, found[1]) for name, text in texts.items() if (found := KIND.search(text))]
