"""Where recipes are found and how one is chosen: `--recipes` folders, the user's own, then the shipped ones."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubedeb.config import resolve
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.yamlfile import load_model
from pkgbuild.recipe import Recipe, Row

RECIPE_FILE = "recipe.yaml"


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe and what lies beside it: `debian/` (templates end in .j2) as text, `files/` as (bytes, executable)."""

    recipe: Recipe
    folder: Path
    debian: dict[str, str]
    files: dict[str, tuple[bytes, bool]]


@dataclass(frozen=True)
class Chosen:
    """A recipe and one row of it."""

    loaded: LoadedRecipe
    row: Row


def shipped_folder(name: str = "recipes") -> Path:
    """Return a folder or file that comes with kubedeb: beside the code in a checkout, else in `share/kubedeb`."""
    checkout = Path(__file__).resolve().parent.parent / name
    return checkout if checkout.exists() else Path(sys.prefix) / "share/kubedeb" / name


def recipe_folders(flags: Sequence[Path] = ()) -> list[Path]:
    """Return the folders with recipes, the strongest first."""
    own = [Path(part).expanduser() for part in resolve()["recipes"].text.split(":") if part]
    return [*flags, *own, shipped_folder()]


def find(folders: Iterable[Path]) -> dict[str, Path]:
    """Return each recipe's folder by name; an earlier folder's recipe hides a later one's of the same name."""
    found: dict[str, Path] = {}
    for folder in folders:
        if folder.is_dir():
            for path in sorted(folder.glob(f"*/{RECIPE_FILE}")):
                found.setdefault(path.parent.name, path.parent)
    return found


def load(folder: Path) -> LoadedRecipe:
    """Read one recipe. Raises `KubedebError` (RECIPE) with file and line."""
    path = folder / RECIPE_FILE
    recipe = load_model(path, Recipe, code=ExitCode.RECIPE)
    if recipe.name != folder.name:
        raise KubedebError(
            f"{path}: the recipe is named {recipe.name!r} but lies in the folder {folder.name!r}",
            hint="Give both the same name.", code=ExitCode.RECIPE,
        )  # fmt: skip
    try:
        debian = {name: file.read_text() for name, file in _tree(folder / "debian")}
        files = {name: (file.read_bytes(), bool(file.stat().st_mode & 0o100)) for name, file in _tree(folder / "files")}
    except (OSError, UnicodeDecodeError) as error:
        raise KubedebError(f"cannot read the recipe in {folder}", details=str(error), code=ExitCode.RECIPE) from error
    return LoadedRecipe(recipe, folder, debian, files)


def _tree(folder: Path) -> list[tuple[str, Path]]:
    """Return (relative name, path) of every regular file below, sorted; a link is refused by not being one."""
    if not folder.is_dir():
        return []
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return [(path.relative_to(folder).as_posix(), path) for path in files]


def choose(found: dict[str, Path], wanted: Sequence[str]) -> list[Chosen]:
    """Return what `RECIPE` (all its versions) and `RECIPE@VERSION` name. Raises `KubedebError` with a near match."""
    chosen: dict[tuple[str, str], Chosen] = {}
    for text in wanted:
        name, at, version = text.partition("@")
        if name not in found:
            raise KubedebError(
                f"there is no recipe {name!r}", details=_near(name, found),
                hint="kubedeb recipe list shows all; --recipes DIR adds a folder.", code=ExitCode.RECIPE,
            )  # fmt: skip
        loaded = load(found[name])
        rows = [row for row in loaded.recipe.versions if not at or row.version == version]
        if not rows:
            known = [row.version for row in loaded.recipe.versions]
            raise KubedebError(
                f"recipe {name!r} has no version {version!r}", details=_near(version, known),
                hint=f"Add a row for it to {loaded.folder / RECIPE_FILE}.", code=ExitCode.RECIPE,
            )  # fmt: skip
        chosen.update({(name, row.version): Chosen(loaded, row) for row in rows})
    return list(chosen.values())


def _near(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    listed = f"Known are: {', '.join(names) or 'none'}."
    return f"Did you mean {near[0]!r}? {listed}" if near else listed
