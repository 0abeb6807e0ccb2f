"""The options that the commands share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kubedeb.config import path_setting, resolve
from pkgbuild.cache import Cache
from pkgbuild.library import find, recipe_folders
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.sandbox import SandboxKind
from pkgbuild.sharedcache import SharedCache
from pkgbuild.store import Store
from pkgbuild.target import Target

recipes_option = click.option(
    "--recipes", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
    help="A folder with recipes, searched before the others (repeatable).",
)  # fmt: skip
store_option = click.option("--store", type=click.Path(path_type=Path), metavar="DIR", help="Where builds and bases are kept.")
cache_option = click.option("--cache", type=click.Path(path_type=Path), metavar="DIR", help="Where fetched sources are kept.")
shared_cache_option = click.option(
    "--shared-cache", metavar="URL", help="A cache that machines share, read and written through: file:///…, s3://…"
)
verbose_option = click.option("-v", "--verbose", is_flag=True, help="Say each request of the fetch phase.")
suite_option = click.option(
    "--suite", type=click.Choice([suite.value for suite in Suite]), default=Suite.BOOKWORM.value, show_default=True,
    help="The Debian suite to build for.",
)  # fmt: skip
sources_option = click.option(
    "--sources", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE.sources",
    help="An apt repository with packages of ours that recipes build-depend on (repeatable).",
)  # fmt: skip
sandbox_option = click.option(
    "--sandbox", type=click.Choice([kind.value for kind in SandboxKind]), default=SandboxKind.AUTO.value, show_default=True,
    help="Where builds run; auto: docker where a daemon answers, else unshare, which needs no daemon and no root.",
)  # fmt: skip
architecture_option = click.option(
    "--arch", type=click.Choice([architecture.value for architecture in Architecture]), default=Architecture.AMD64.value,
    show_default=True, help="The architecture to build for.",
)  # fmt: skip


def target(suite: str, arch: str, store: Path | None, cache: Path | None, shared_cache: str | None = None) -> Target:
    """Return what is built for and where, the settings applied."""
    settings = resolve({"cache_shared": shared_cache})
    shared = settings["cache_shared"].text
    folder, sources = path_setting("store", store).absolute(), path_setting("cache", cache).absolute()
    return Target(
        Suite(suite),
        Architecture(arch),
        Store(folder),
        Cache(sources, SharedCache(shared) if shared else None),
        settings["mirror"].text,
        settings["mirrors"].text,
    )


def refuse_both_or_none(names: Sequence[str], *, everything: bool, none_is_all: bool = False) -> None:
    """Refuse a command that names recipes and wants all, or neither."""
    if names and everything:
        raise click.UsageError("Name recipes, or give --all: not both.")
    if not (names or everything or none_is_all):
        raise click.UsageError("Name a recipe, or give --all (kubedeb recipe list shows what there is).")


def known_recipes(folders: tuple[Path, ...]) -> dict[str, Path]:
    """Return every recipe's folder by name."""
    return find(recipe_folders(folders))


class Size(click.ParamType[int]):
    """A number of bytes: `512M`, `2G`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes; a value that is no size is an error of usage."""
        found = re.fullmatch(r"([1-9]\d*)([KMG]?)", str(value))
        if not found:
            self.fail(f"{value!r} is no size, such as 512M or 2G", param, ctx)
        return int(found[1]) << 10 * " KMG".index(found[2] or " ")


SIZE = Size()


def again(
    suite: str, arch: str, recipes: Sequence[Path], store: Path | None, cache: Path | None, sources: Sequence[Path]
) -> tuple[str, ...]:
    """Return the options that find the same recipe, store and suite from any folder; pure, what is the default is left out."""
    words = [word for folder in recipes for word in ("--recipes", str(folder.absolute()))]
    words += [word for file in sources for word in ("--sources", str(file.absolute()))]
    named = {
        "--suite": suite if suite != Suite.BOOKWORM else "",
        "--arch": arch if arch != Architecture.AMD64 else "",
        "--store": str(store.absolute()) if store else "",
        "--cache": str(cache.absolute()) if cache else "",
    }
    return (*words, *(word for option, value in named.items() if value for word in (option, value)))
