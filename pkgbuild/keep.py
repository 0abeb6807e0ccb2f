"""What reading recipes gave, kept in the store: the validated recipe, and the pages that its templates became.

To load pydantic and Jinja takes longer than all else that a short command does. What is kept counts as long as nothing that it
was made from has changed by a byte; it is data alone, and a file that is not what was written there is made anew.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields
from enum import Enum
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubedeb.files import sha256_bytes, write_bytes
from kubedeb.records import frozen
from pkgbuild import recipe, sources
from pkgbuild.recipe import Recipe
from pkgbuild.render import pages

if TYPE_CHECKING:
    from pkgbuild.library import Chosen
    from pkgbuild.render import Rendered

KEPT = "kept"
"""The folder in the store."""
RECORDS: tuple[Any, ...] = (
    Recipe, recipe.Package, recipe.Says, recipe.Environment, recipe.Row, recipe.Go, recipe.Generate,
    sources.DebSource, sources.DscSource, sources.ArchiveSource, sources.WheelSource, sources.Signature, sources.UpstreamFiles,
    recipe.Architecture, recipe.Suite, recipe.Kind, recipe.GoMode,
)  # fmt: skip
"""Of what a recipe consists."""
MAKERS: dict[str, Callable[..., Any]] = {
    **{record.__name__: record for record in RECORDS},
    "date": datetime.date.fromisoformat,
    "tuple": lambda *items: items,
    "dict": lambda *items: dict(zip(items[::2], items[1::2], strict=True)),
}
"""By the name that is written: what makes the value from those that follow."""
OWN = ("pkgbuild/recipe.py", "pkgbuild/sources.py", "pkgbuild/recipeform.py", "pkgbuild/recipecheck.py", "pkgbuild/keep.py",
       "pkgbuild/render.py", "pkgbuild/templates.py", "kubedeb/yamlfile.py")  # fmt: skip
LIBRARIES = ("pydantic", "yaml", "jinja2")
"""What, with our `OWN`, decides what a recipe and its templates become."""


@frozen
class Keep:
    """A folder in the store; without the store's, or where it cannot be written, nothing is kept."""

    store: Path

    def recipe(self, path: Path, text: str, read: Callable[[], Recipe]) -> Recipe:
        """Return the recipe that `read` gave for this text of the file at `path`, or gives now."""
        file = self.store / KEPT / f"{path.parent.name}-{_short(path)}.json"
        key = _key(text)
        with suppress(Exception):  # other data fail in a hundred ways, and all mean the same
            kept = unpacked(_read(file, key))
            if isinstance(kept, Recipe):
                return kept
        made = read()
        self._write(file, key, packed(made))
        return made

    def pages(self, chosen: Chosen, about: Rendered) -> dict[str, str]:
        """Return what `render.pages` gave before, or gives now. Raises as that."""
        loaded, of = chosen.loaded, f"{chosen.row.version}_{about.suite.value}_{about.architecture.value}"
        file = self.store / KEPT / f"{loaded.folder.name}_{of}-{_short(loaded.folder)}.json"
        templates = [part for page in loaded.templates.items() for part in page]
        key = _key(loaded.text, of, about.package_version, *templates)
        kept = _read(file, key)
        if isinstance(kept, dict) and kept.keys() == loaded.templates.keys() and set(map(type, kept.values())) <= {str}:
            return kept
        made = pages(chosen, about)
        self._write(file, key, made)
        return made

    def _write(self, file: Path, key: str, data: Any) -> None:
        if self.store.is_dir():
            text = json.dumps(data, separators=(",", ":"))
            with suppress(OSError):
                write_bytes(file, f"{_seal(key, text)}\n{text}".encode())


def packed(value: Any) -> Any:
    """Return a recipe, or a part of it, as JSON-able data: a name of `MAKERS` and what that is made from; pure."""
    kind = type(value)
    if isinstance(value, Enum):
        return [kind.__name__, value.value]
    if isinstance(value, datetime.date):
        return ["date", value.isoformat()]
    if isinstance(value, tuple):
        return ["tuple", *map(packed, value)]
    if isinstance(value, dict):
        return ["dict", *(packed(part) for item in value.items() for part in item)]
    if kind in RECORDS:
        return [kind.__name__, *(packed(getattr(value, field.name)) for field in fields(value))]
    return value


def unpacked(data: Any) -> Any:
    """Return what `packed` was given; pure. Of other data it makes nothing but what recipes consist of, or raises."""
    if isinstance(data, list):
        return MAKERS[data[0]](*[unpacked(part) if type(part) is list else part for part in data[1:]])
    return data


def _read(file: Path, key: str) -> Any:
    """Return what is kept in a file under a key, None when that is nothing."""
    with suppress(OSError, ValueError, RecursionError):
        seal, _, text = file.read_text(encoding="ascii").partition("\n")
        return json.loads(text) if seal == _seal(key, text) else None
    return None


def _seal(key: str, text: str) -> str:
    """Return the digest that stands above what is kept: of other inputs, or cut off, it is not the same."""
    return sha256_bytes(f"{key}\n{text}".encode())


def _key(*parts: str) -> str:
    return sha256_bytes(json.dumps([_reader(), *parts]).encode())


def _short(path: Path) -> str:
    """Return what tells the recipe of one folder from that of another."""
    return sha256_bytes(str(path.absolute()).encode(errors="surrogateescape"))[:12]


@cache
def _reader() -> str:
    """Return the digest of who reads: our modules' bytes, Python's version, and where, how large and how old libraries are.

    Where that cannot be looked at, it is another one each time.
    """
    top = Path(__file__).parent.parent
    try:
        own = [sha256_bytes((top / name).read_bytes()) for name in OWN]
        return sha256_bytes(json.dumps([sys.version, own, [_stamp(name) for name in LIBRARIES]]).encode())
    except OSError:
        return os.urandom(32).hex()


def _stamp(library: str) -> Mapping[str, Any]:
    found = PathFinder.find_spec(library)
    place = Path(str(found.origin)) if found else Path()
    status = place.stat()
    return {"place": str(place), "size": status.st_size, "mtime": status.st_mtime_ns}
