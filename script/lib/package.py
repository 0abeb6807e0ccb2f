"""Lays out what the Debian package of kubedeb is built from: its own wheel, and its recipe with that wheel's digest.

The wheel holds the recipes, the package's own among them, so that recipe cannot hold the wheel's digest: it says
`unpinned`, and the copy made here pins it. The same files give the same wheel: hatchling (its version stands in
constraints.txt) sorts them and dates them all alike, and files that are not tracked do not count.
"""

from __future__ import annotations

import datetime
import re
import shutil
import sys
import tempfile
from pathlib import Path

from kubedeb.errors import ExitCode
from kubedeb.files import sha256_of
from kubedeb.process import run
from pkgbuild.library import load

TOP = Path(__file__).resolve().parents[2]
NAME = "kubedeb"


def lay_out(out: Path) -> Path:
    """Make `out`/wheel/kubedeb-VERSION-….whl and `out`/recipes/kubedeb, which pins it; return the folder of recipes."""
    for name in ("wheel", "recipes"):
        shutil.rmtree(out / name, ignore_errors=True)
    recipe = shutil.copytree(TOP / "recipes" / NAME, out / "recipes" / NAME)
    (row,) = load(recipe).recipe.versions
    noon = datetime.datetime.combine(row.date, datetime.time(12), datetime.UTC)
    wheel = make_wheel(out / "wheel", int(noon.timestamp()))
    text = (recipe / "recipe.yaml").read_text()
    (recipe / "recipe.yaml").write_text(re.sub(r"unpinned: .*", f"sha256: {sha256_of(wheel)}", text))
    return out / "recipes"


def make_wheel(folder: Path, epoch: int) -> Path:
    """Build the wheel of the checkout's tracked files into `folder`, every file dated `epoch`."""
    listed = run(["git", "ls-files", "-z"], code=ExitCode.BUILD, cwd=TOP).text
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        for path in filter(None, listed.split("\0")):
            if path.startswith("tests/") or not (TOP / path).exists():
                continue
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / path, tree / path)
        argv = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder.absolute())]
        run(argv, code=ExitCode.BUILD, cwd=tree, env={"SOURCE_DATE_EPOCH": str(epoch)})
    (wheel,) = folder.glob("*.whl")
    return wheel


if __name__ == "__main__":
    print(lay_out(Path(sys.argv[1])))
