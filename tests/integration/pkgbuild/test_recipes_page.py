"""docs/recipes.md, followed to the letter: every command of its console blocks, in order, in an empty folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from consoleblocks import typed
from kubedeb.errors import ExitCode
from kubedeb.process import PATH, run

PAGE = Path(__file__).parents[3] / "docs/recipes.md"

pytestmark = pytest.mark.docker


@pytest.mark.turn("long looks")
def test_the_page_works_as_it_stands(store: Path, kept: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{PATH}", "KUBEDEB_STORE": str(store), "KUBEDEB_CACHE": str(kept / "sources"),
        "HOME": os.environ["HOME"],
    }  # fmt: skip
    steps = typed(PAGE.read_text())
    assert len(steps) > 10
    for step in steps:
        said = run(["bash", "-euo", "pipefail", "-c", step.command], code=ExitCode.BUG, cwd=empty, env=environment).text
        assert step.accepts(said), f"$ {step.command}\n{said}"
