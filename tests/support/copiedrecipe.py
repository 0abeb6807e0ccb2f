"""A shipped recipe, copied with the folder that it shares with others: for tests that change something in it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

SHIPPED = Path(__file__).parents[2] / "recipes"
COMMON = re.compile(r"^common: *(\S+)$", re.MULTILINE)


def copy(folder: Path, name: str) -> Path:
    """Copy a recipe to `folder`/NAME, and what it shares beside it; return the recipe's folder."""
    recipe = shutil.copytree(SHIPPED / name, folder / name)
    for common in COMMON.findall((recipe / "recipe.yaml").read_text()):
        shutil.copytree(SHIPPED / common, folder / common, dirs_exist_ok=True)
    return recipe
