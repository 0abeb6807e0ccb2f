"""Linters, types and layers are tests: what they find fails the run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from kubedeb.errors import ExitCode
from kubedeb.process import run

TOP = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TOOLS = {
    "ruff check": [BIN / "ruff", "check", "."],
    "ruff format": [BIN / "ruff", "format", "--check", "."],
    "mypy": [BIN / "mypy"],
    "layers": [BIN / "lint-imports", "--no-cache"],
}
CODE = sorted(
    path for room in ("kubedeb", "pkgbuild", "repo", "upgrade_plans", "script") for path in (TOP / room).rglob("*.py")
)


@pytest.mark.parametrize("tool", TOOLS)
def test_tool(tool: str) -> None:
    run(TOOLS[tool], code=ExitCode.BUG, cwd=TOP, timeout=300)


@pytest.mark.parametrize(
    "script",
    ["script/bench", "script/bootstrap", "script/demo", "script/docker-images", "script/docs", "script/test", ".ci/run"],
)
def test_scripts_parse(script: str) -> None:
    run(["bash", "-n", TOP / script], code=ExitCode.BUG)


def test_processes_start_in_one_place() -> None:
    programs = r"^\s*(?:import|from) (?:subprocess|sh|multiprocessing)\b|\bos\.(?:system|popen|exec|spawn|posix_spawn)"
    for starts, place in ((programs, "kubedeb/process.py"), (r"\bos\.fork", "kubedeb/parallel.py")):
        assert [str(path.relative_to(TOP)) for path in CODE if re.search(starts, path.read_text(), re.M)] == [place]


def test_the_process_ends_in_one_place() -> None:
    ends = re.compile(r"\bsys\.exit\(|\braise SystemExit\b|\bos\._exit\(")
    guilty = [str(path.relative_to(TOP)) for path in CODE if ends.search(path.read_text())]
    # The scripts' own mains hand on what `kubedeb.cli.guarded` says.
    assert guilty == ["kubedeb/cli.py", "script/lib/bench.py", "script/lib/demo.py"]


def test_no_file_is_too_long() -> None:
    long = {str(path.relative_to(TOP)): lines for path in CODE if (lines := path.read_text().count("\n")) > 600}
    assert long == {}
