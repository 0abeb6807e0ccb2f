from pathlib import Path

from kubedeb.cli import kubedeb
from kubedeb.reference import command_reference

PAGE = Path(__file__).parents[3] / "docs/commands.md"


def test_the_page_is_the_command_tree() -> None:
    assert PAGE.read_text() == command_reference(kubedeb), "run script/docs"
