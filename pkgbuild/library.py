"""Where recipes are found and how one is chosen: `--recipes` folders, the user's own, then the shipped ones."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kubedeb.config import resolve
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.yamlfile import Document, validate
from kubedeb.yamlfile import load as load_yaml
from pkgbuild.patches import near, read_patches
from pkgbuild.recipe import Kind, Recipe, Row
from pkgbuild.sources import ArchiveSource

RECIPE_FILE = "recipe.yaml"


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe and what lies beside it: `debian/` (templates end in .j2) as text, `files/` as (bytes, executable).

    `patches` are (name, bytes) by version, in the order of their series; `keyring` is {file: its text, armoured}.
    """

    recipe: Recipe
    folder: Path
    debian: dict[str, str]
    files: dict[str, tuple[bytes, bool]]
    patches: dict[str, tuple[tuple[str, bytes], ...]] = field(default_factory=dict)
    keyring: dict[str, str] = field(default_factory=dict)


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
    document = load_yaml(path, code=ExitCode.RECIPE)
    recipe = validate(document, Recipe, code=ExitCode.RECIPE)
    if recipe.name != folder.name:
        raise KubedebError(
            f"{path}: the recipe is named {recipe.name!r} but lies in the folder {folder.name!r}",
            hint="Give both the same name.", code=ExitCode.RECIPE,
        )  # fmt: skip
    try:
        debian = {name: file.read_text() for name, file in _tree(folder / "debian")}
        files = {name: (file.read_bytes(), bool(file.stat().st_mode & 0o100)) for name, file in _tree(folder / "files")}
        keyring = {name: file.read_text() for name, file in _tree(folder / "keyring")}
        patches = read_patches(folder / "patches", [row.version for row in recipe.versions])
    except (OSError, UnicodeDecodeError) as error:
        raise KubedebError(f"cannot read the recipe in {folder}", details=str(error), code=ExitCode.RECIPE) from error
    if patches and recipe.kind is Kind.PREBUILT:
        raise KubedebError(
            f"{folder / 'patches'}: a prebuilt recipe has no source tree to patch", code=ExitCode.RECIPE,
            hint="Its binaries stay bit for bit; kind go or debian builds from source.",
        )  # fmt: skip
    _check_keyrings(document, recipe, keyring)
    return LoadedRecipe(recipe, folder, debian, files, patches, keyring)


def _check_keyrings(document: Document, recipe: Recipe, keyring: Collection[str]) -> None:
    """Refuse a signature whose keyring is not in the recipe's folder."""
    for row_place, row in enumerate(recipe.versions):
        for architecture, sources in row.sources.items():
            for place, source in enumerate(sources):
                signature = source.signature if isinstance(source, ArchiveSource) else None
                if signature and signature.keyring not in keyring:
                    where = ("versions", row_place, "sources", architecture.value, place, "signature", "keyring")
                    raise KubedebError(
                        f"{document.path}:{document.line_of(where)}: there is no keyring/{signature.keyring}",
                        details=near(signature.keyring, keyring), code=ExitCode.RECIPE,
                    )  # fmt: skip


def _tree(folder: Path) -> list[tuple[str, Path]]:
    """Return (relative name, path) of every regular file below, sorted; a link is refused by not being one."""
    if not folder.is_dir():
        return []
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return [(path.relative_to(folder).as_posix(), path) for path in files]


def folder_of(name: str, found: dict[str, Path]) -> Path:
    """Return the folder of a recipe. Raises `KubedebError` (RECIPE) with a near match when there is none of that name."""
    if name not in found:
        raise KubedebError(
            f"there is no recipe {name!r}", details=near(name, found),
            hint="kubedeb recipe list shows all; --recipes DIR adds a folder.", code=ExitCode.RECIPE,
        )  # fmt: skip
    return found[name]


def choose(found: dict[str, Path], wanted: Sequence[str]) -> list[Chosen]:
    """Return what `RECIPE` (all its versions) and `RECIPE@VERSION` name. Raises `KubedebError` with a near match."""
    chosen: dict[tuple[str, str], Chosen] = {}
    for text in wanted:
        name, at, version = text.partition("@")
        loaded = load(folder_of(name, found))
        rows = [row for row in loaded.recipe.versions if not at or row.version == version]
        if not rows:
            known = [row.version for row in loaded.recipe.versions]
            raise KubedebError(
                f"recipe {name!r} has no version {version!r}", details=near(version, known),
                hint=f"Add a row for it to {loaded.folder / RECIPE_FILE}.", code=ExitCode.RECIPE,
            )  # fmt: skip
        chosen.update({(name, row.version): Chosen(loaded, row) for row in rows})
    return list(chosen.values())
