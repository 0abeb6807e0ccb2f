"""Where recipes are found and how one is chosen: `--recipes` folders, the user's own, then the shipped ones."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from kubedeb.config import resolve
from kubedeb.errors import ExitCode, KubedebError, read_text
from kubedeb.records import frozen
from pkgbuild.patches import near, read_patches
from pkgbuild.recipe import Architecture, Kind, Recipe, Row, Suite
from pkgbuild.sources import ArchiveSource

if TYPE_CHECKING:
    from pkgbuild.keep import Keep

RECIPE_FILE = "recipe.yaml"
TEMPLATE = ".j2"
"""What the name of a template in `debian/` ends in."""


@frozen
class LoadedRecipe:
    """A recipe and what lies beside it: `debian/` (templates end in .j2) as text, `files/` as (bytes, executable).

    `text` is that of its `recipe.yaml`.
    `patches` are (name, bytes) by version, in the order of their series; `keyring` is {file: its text, armoured}. `shared` are
    the paths of what lies in the folder that the recipe shares with others: `debian/rules.j2`.
    """

    recipe: Recipe
    text: str
    folder: Path
    debian: dict[str, str]
    files: dict[str, tuple[bytes, bool]]
    patches: dict[str, tuple[tuple[str, bytes], ...]] = field(default_factory=dict)
    keyring: dict[str, str] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()

    @property
    def templates(self) -> dict[str, str]:
        """Return the templates among `debian`."""
        return {name: text for name, text in self.debian.items() if name.endswith(TEMPLATE)}

    def place(self, path: str) -> Path:
        """Return where a file of `debian/` or `files/` lies, for messages."""
        return (self.folder.parent / str(self.recipe.common) if path in self.shared else self.folder) / path


@frozen
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


def load(folder: Path, keep: Keep | None = None) -> LoadedRecipe:
    """Read one recipe; what `keep` knows is not validated again. Raises `KubedebError` (RECIPE) with file and line."""
    path = folder / RECIPE_FILE
    text = read_text(path, code=ExitCode.RECIPE)

    def read() -> Recipe:
        from pkgbuild import recipeform  # who has it kept does without YAML and pydantic

        return recipeform.read(text, path)

    recipe = keep.recipe(path, text, read) if keep else read()
    if recipe.name != folder.name:
        raise KubedebError(
            f"{path}: the recipe is named {recipe.name!r} but lies in the folder {folder.name!r}",
            hint="Give both the same name.", code=ExitCode.RECIPE,
        )  # fmt: skip
    trees, shared = _trees(recipe, folder)
    try:
        debian = {name: file.read_text() for name, file in trees["debian"].items()}
        files = {name: (file.read_bytes(), bool(file.stat().st_mode & 0o100)) for name, file in trees["files"].items()}
        keyring = {name: file.read_text() for name, file in _tree(folder / "keyring")}
        _below(folder / "patches")  # for the links that it refuses
        patches = read_patches(folder / "patches", [row.version for row in recipe.versions])
    except (OSError, UnicodeDecodeError) as error:
        raise KubedebError(f"cannot read the recipe in {folder}", details=str(error), code=ExitCode.RECIPE) from error
    if patches and recipe.kind is Kind.PREBUILT:
        raise KubedebError(
            f"{folder / 'patches'}: a prebuilt recipe has no source tree to patch", code=ExitCode.RECIPE,
            hint="Its binaries stay bit for bit; kind go or debian builds from source.",
        )  # fmt: skip
    _check_keyrings(path, recipe, keyring)
    return LoadedRecipe(recipe, text, folder, debian, files, patches, keyring, shared)


def _trees(recipe: Recipe, folder: Path) -> tuple[dict[str, dict[str, Path]], frozenset[str]]:
    """Return the recipe's `debian` and `files` by name, and which of them are those of the folder that it shares.

    A file of the recipe's own hides the shared one of its name, as a template does the file that it becomes.
    """
    common = folder.parent / recipe.common if recipe.common else None
    if common is not None and not common.is_dir():
        raise KubedebError(
            f"{_line(folder / RECIPE_FILE, 'common')}: there is no folder {recipe.common} beside the recipe's",
            details=near(str(recipe.common), [path.name for path in folder.parent.iterdir() if path.is_dir()]),
            hint="It holds debian/ and files/, and goes where the recipe goes.", code=ExitCode.RECIPE,
        )  # fmt: skip
    trees: dict[str, dict[str, Path]] = {}
    shared: set[str] = set()
    for name in ("debian", "files"):
        own = dict(_tree(folder / name))
        hidden = {_rendered(name, path) for path in own}
        given = _tree(common / name) if common else []
        taken = {path: file for path, file in given if _rendered(name, path) not in hidden}
        shared.update(f"{name}/{path}" for path in taken)
        trees[name] = dict(sorted({**taken, **own}.items()))
    return trees, frozenset(shared)


def _rendered(tree: str, path: str) -> str:
    """Return what a file becomes: of `debian/` a template loses its suffix."""
    return path.removesuffix(TEMPLATE) if tree == "debian" else path


def _check_keyrings(path: Path, recipe: Recipe, keyring: Collection[str]) -> None:
    """Refuse a signature whose keyring is not in the recipe's folder."""
    for row_place, row in enumerate(recipe.versions):
        for architecture, sources in row.sources.items():
            for place, source in enumerate(sources):
                signature = source.signature if isinstance(source, ArchiveSource) else None
                if signature and signature.keyring not in keyring:
                    where = _line(path, "versions", row_place, "sources", architecture.value, place, "signature", "keyring")
                    raise KubedebError(
                        f"{where}: there is no keyring/{signature.keyring}",
                        details=near(signature.keyring, keyring), code=ExitCode.RECIPE,
                    )  # fmt: skip


def _line(path: Path, *where: str | int) -> str:
    """Return FILE:LINE of what stands in a recipe at these keys, for messages."""
    from kubedeb.yamlfile import load

    return f"{path}:{load(path, code=ExitCode.RECIPE).line_of(where)}"


def _tree(folder: Path) -> list[tuple[str, Path]]:
    """Return (relative name, path) of every regular file below, sorted. Raises as `_below`."""
    return [(path.relative_to(folder).as_posix(), path) for path in _below(folder) if path.is_file()]


def _below(folder: Path) -> list[Path]:
    """Return what is below a folder, sorted. Raises `KubedebError` (RECIPE) for a link there, or in its place."""
    found = sorted(folder.rglob("*"))
    for path in (folder, *found):
        if path.is_symlink():
            raise KubedebError(
                f"{path} is a link", details="It may lead out of the recipe, and to another file elsewhere.",
                hint="Put the file itself there; a package's own link goes into debian/PACKAGE.links.", code=ExitCode.RECIPE,
            )  # fmt: skip
    return found


def folder_of(name: str, found: dict[str, Path]) -> Path:
    """Return the folder of a recipe. Raises `KubedebError` (RECIPE) with a near match when there is none of that name."""
    if name not in found:
        raise KubedebError(
            f"there is no recipe {name!r}", details=near(name, found),
            hint="kubedeb recipe list shows all; --recipes DIR adds a folder.", code=ExitCode.RECIPE,
        )  # fmt: skip
    return found[name]


def makers(found: Mapping[str, Path], keep: Keep | None = None) -> dict[str, str]:
    """Return the recipe that makes each package; a recipe that cannot be read makes none."""
    made: dict[str, str] = {}
    for name, folder in found.items():
        with suppress(KubedebError):
            for package in load(folder, keep).recipe.packages:
                made.setdefault(package.name, name)
    return made


def choose(found: dict[str, Path], wanted: Sequence[str], keep: Keep | None = None) -> list[Chosen]:
    """Return what `RECIPE` (all its versions) and `RECIPE@VERSION` name, read as `load` does.

    Raises `KubedebError` with a near match.
    """
    chosen: dict[tuple[str, str], Chosen] = {}
    for text in wanted:
        name, at, version = text.partition("@")
        loaded = load(folder_of(name, found), keep)
        rows = [row for row in loaded.recipe.versions if not at or row.version == version]
        if not rows:
            known = [row.version for row in loaded.recipe.versions]
            raise KubedebError(
                f"recipe {name!r} has no version {version!r}", details=near(version, known),
                hint=f"Add a row for it to {loaded.folder / RECIPE_FILE}.", code=ExitCode.RECIPE,
            )  # fmt: skip
        chosen.update({(name, row.version): Chosen(loaded, row) for row in rows})
    return list(chosen.values())


@frozen
class LeftOut:
    """A version that nobody named and that cannot be built here, and why."""

    recipe: str
    version: str
    why: str

    def __str__(self) -> str:
        return f"{self.recipe} {self.version}: left out: {self.why}"


def fitting(
    chosen: Sequence[Chosen], wanted: Sequence[str], suite: Suite, architecture: Architecture
) -> tuple[list[Chosen], list[LeftOut]]:
    """Return of what was chosen that which can be built for a suite and architecture, and what is left out; pure.

    What `wanted` names by its version stays, and so does a recipe it names of which nothing would be left: its build says why.
    """
    why = {id(one): why_not(one.row, suite, architecture) for one in chosen}
    some = {one.loaded.recipe.name for one in chosen if not why[id(one)]}

    def stays(one: Chosen) -> bool:
        name = one.loaded.recipe.name
        return not why[id(one)] or f"{name}@{one.row.version}" in wanted or (name in wanted and name not in some)

    left_out = [LeftOut(one.loaded.recipe.name, one.row.version, why[id(one)]) for one in chosen if not stays(one)]
    return [one for one in chosen if stays(one)], left_out


def why_not(row: Row, suite: Suite, architecture: Architecture) -> str:
    """Return why a version cannot be built for a suite and architecture, empty when it can; pure."""
    if architecture not in row.sources:
        return f"it has no sources for {architecture}"
    if suite not in row.suites:
        return f"it is built for {' and '.join(row.suites)}, not for {suite}"
    waiting = [source for of, _, source in row.unpinned() if of is architecture]
    return "; ".join(f"source {source.name} is not pinned: {source.unpinned}" for source in waiting)
