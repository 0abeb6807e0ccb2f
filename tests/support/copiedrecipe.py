"""A shipped recipe, copied with the folder that it shares with others: for tests that change something in it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

SHIPPED = Path(__file__).parents[2] / "recipes"
COMMON = re.compile(r"^common: *(\S+)$", re.MULTILINE)


def copy(folder: Path, name: str) -> Path:
    """Copy a recipe to `folder`/NAME, and what it shares beside it; return the recipe's folder."""
    recipe = shutil.copytree(SHIPPED / name, folder / name, dirs_exist_ok=True)
    for common in COMMON.findall((recipe / "recipe.yaml").read_text()):
        if not (folder / common).exists():  # it may be a recipe itself, copied before and changed since
            shutil.copytree(SHIPPED / common, folder / common)
    return recipe
