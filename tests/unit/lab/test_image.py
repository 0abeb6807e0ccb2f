"""Nodes are made from Debian's own archive, whatever other archives the machine knows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import image
from pkgbuild.aptsources import AptEntry
from pkgbuild.recipe import Architecture, Suite


def test_a_root_comes_from_the_entries_that_serve_debian_and_no_file_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    debian = [AptEntry("http://mirror.example/debian/", "bookworm")]
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(image, "host_entries", lambda *_, pockets: debian if pockets else [])
    monkeypatch.setattr(image, "run", lambda *_, **__: SimpleNamespace(text="arm64\n"))
    monkeypatch.setattr(image, "mmdebstrap", lambda *words: asked.append(words))
    image.make_root(Suite.BOOKWORM, tmp_path / "root.tar")
    assert asked == [(Suite.BOOKWORM, Architecture.ARM64, debian, tmp_path / "root.tar", (), ())]
