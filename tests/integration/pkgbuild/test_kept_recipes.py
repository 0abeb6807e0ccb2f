"""A recipe that was read once is shown without the YAML reader, the validator and the template engine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import samplerecipe

SLOW = {"pydantic", "yaml", "jinja2"}


def shown(folder: Path) -> tuple[str, set[str]]:
    """Return what `kubedeb recipe show` prints, and the names of all modules that it loads."""
    command = ["recipe", "show", "hello@1.10", "--recipes", str(folder / "recipes"), "--store", str(folder / "store"), "--json"]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "kubedeb", *command], check=True, capture_output=True, text=True
    )
    return done.stdout, set(re.findall(r"\| +(\S+)$", done.stderr, re.MULTILINE))


def test_what_was_read_once_needs_no_reader(tmp_path: Path) -> None:
    samplerecipe.write_recipe(tmp_path / "recipes")
    (tmp_path / "store").mkdir()
    first, loaded = shown(tmp_path)
    assert loaded >= SLOW
    again, loaded = shown(tmp_path)
    assert again == first
    assert not loaded & SLOW
    assert "pkgbuild.keep" in loaded
