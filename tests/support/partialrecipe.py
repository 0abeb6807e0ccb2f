"""A shipped recipe with some of its packages alone: what a test builds when the whole takes too long."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path

import copiedrecipe


def lay_out(folder: Path, name: str, packages: Collection[str]) -> Path:
    """Copy a recipe to `folder`/NAME, all packages but these left out; return `folder`."""
    recipe = copiedrecipe.copy(folder, name)
    text = (recipe / "recipe.yaml").read_text()
    head, _, rest = text.partition("packages:\n")
    listed, between, tail = rest.partition("\nversions:\n")
    blocks = re.findall(r"  - name: (\S+)\n((?:    .*\n)*)", listed)
    assert set(packages) <= {name for name, _ in blocks}
    kept = "".join(f"  - name: {name}\n{body}" for name, body in blocks if name in packages)
    (recipe / "recipe.yaml").write_text(f"{head}packages:\n{kept}{between}{tail}")
    for files in folder.glob("*/files/*"):
        if files.name not in packages:
            shutil.rmtree(files)
    return folder
