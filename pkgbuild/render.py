"""The source tree of a build, rendered: `debian/` from the recipe's templates, `tree/PACKAGE/` from its files; pure."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from textwrap import TextWrapper

from kubedeb.dates import written
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes
from kubedeb.records import frozen
from pkgbuild.library import TEMPLATE, Chosen
from pkgbuild.recipe import Architecture, Kind, Package, Recipe, Row, Suite

LAID_OUT = "tree"
"""The folder that holds each package's files as they will lie on the target: `tree/etcd-server/usr/bin/etcd`."""
OUR_CHANGELOG = ".kubedeb/changelog"
"""The entry that goes before those of a Debian source package."""
PATCHES = ".kubedeb/patches"
COPYRIGHT = "debian/copyright"
COMPRESSOR = "debian/kubedeb-path/dpkg-deb"
"""A dpkg-deb for where dpkg's own reads no variables; see `WITHOUT_VARIABLES`."""
GENERATED = (
    "debian/changelog", "debian/source/format", "debian/kubedeb.mk", "debian/kubedeb-generate", COMPRESSOR,
)  # fmt: skip
WITHOUT_VARIABLES = frozenset({Suite.BULLSEYE.value})
"""Suites whose dpkg-deb reads no DPKG_DEB_COMPRESSOR_TYPE and _LEVEL: since 1.21.10 (dpkg-deb(1)); bullseye has 1.20."""
CHANGELOG_LINES = TextWrapper(
    80, initial_indent="  * ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
)  # fmt: skip
"""The changelog's lines: lintian warns of those over 80 characters."""
# Options of the caller come after these, and the last one counts: as variables do, they give way.
OWN_DPKG_DEB = b"""\
#!/bin/sh
exec /usr/bin/dpkg-deb "-Z$DPKG_DEB_COMPRESSOR_TYPE" "-z$DPKG_DEB_COMPRESSOR_LEVEL" "$@"
"""


@frozen
class TreeFile:
    """A rendered file: its bytes, and whether it can be executed."""

    data: bytes
    executable: bool = False

    @property
    def digest(self) -> str:
        """Return the sha256 of the bytes, marked when the file can be executed."""
        return sha256_bytes(self.data) + ("+x" if self.executable else "")


@frozen
class Rendered:
    """What templates may ask beside the recipe and its row."""

    package_version: str
    suite: Suite
    architecture: Architecture
    date: datetime.datetime


def pages(chosen: Chosen, about: Rendered) -> dict[str, str]:
    """Return {name: text} of what a version's templates become; pure. Raises `KubedebError` (RECIPE)."""
    from pkgbuild.templates import fill  # who has kept the pages does without Jinja

    row = chosen.row
    values = {
        "recipe": chosen.loaded.recipe, "row": row, "version": row.version, "series": row.series,
        "package_version": about.package_version, "suite": about.suite.value, "architecture": about.architecture.value,
    }  # fmt: skip
    texts = chosen.loaded.templates
    return {name: fill(text, values, str(chosen.loaded.place(f"debian/{name}"))) for name, text in texts.items()}


Pages = Callable[[Chosen, Rendered], Mapping[str, str]]
"""`pages`, or what gives those that it gave before."""


def render(chosen: Chosen, about: Rendered, pages: Pages = pages) -> dict[str, TreeFile]:
    """Return {path: file} of the whole source tree but the copies from sources. Raises `KubedebError` (RECIPE)."""
    loaded, row = chosen.loaded, chosen.row
    recipe = loaded.recipe
    entry = TreeFile(changelog(recipe, row, about).encode())
    if recipe.kind is Kind.DEBIAN:
        tree = {OUR_CHANGELOG: entry}
    else:
        tree = {"debian/changelog": entry, "debian/source/format": TreeFile(b"3.0 (quilt)\n")}
    tree.update({f"{PATCHES}/{name}": TreeFile(data) for name, data in loaded.patches.get(row.version, ())})
    paths = {name: f"debian/{row.fill(name).removesuffix(TEMPLATE)}" for name in loaded.debian}
    for name, path in paths.items():
        if path in GENERATED or (path == COPYRIGHT and recipe.copyright):
            where = loaded.place(f"debian/{name}")
            raise KubedebError(f"{where}: this file is generated", hint="Remove it.", code=ExitCode.RECIPE)
    shown = {**loaded.debian, **pages(chosen, about)}
    tree.update({path: TreeFile(shown[name].encode(), executable=path == "debian/rules") for name, path in paths.items()})
    if about.suite.value in WITHOUT_VARIABLES:
        tree[COMPRESSOR] = TreeFile(OWN_DPKG_DEB, executable=True)
    if recipe.kind is not Kind.DEBIAN and recipe.copyright is None and COPYRIGHT not in tree:
        raise KubedebError(
            f"{loaded.folder}: 'copyright' is missing", code=ExitCode.RECIPE,
            hint="Name the file of a source that is shipped as it, or write debian/copyright.",
        )  # fmt: skip
    packages = recipe.packages_of(row)
    left_out = set(row.without)
    files = {row.fill(name): content for name, content in loaded.files.items() if name.partition("/")[0] not in left_out}
    tree.update({f"{LAID_OUT}/{name}": TreeFile(*content) for name, content in files.items()})
    for package in packages if recipe.kind is not Kind.DEBIAN else ():
        path = f"debian/{package.name}.install"
        written = tree[path].data if path in tree else b""
        tree[path] = TreeFile(install_list(package, list(files)).encode() + written)
    return tree


def changelog(recipe: Recipe, row: Row, about: Rendered) -> str:
    """Return debian/changelog: one entry, whose date is the recipe's and becomes SOURCE_DATE_EPOCH."""
    lines = "\n".join(CHANGELOG_LINES.fill(line) for line in row.changes)
    return (
        f"{recipe.name} ({about.package_version}) {about.suite.value}; urgency=medium\n\n{lines}\n\n"
        f" -- {recipe.maintainer}  {written(int(about.date.timestamp()))}\n"
    )


def install_list(package: Package, files: list[str]) -> str:
    """Return debian/PACKAGE.install for everything that is laid out for the package."""
    own = [name for name in files if name.startswith(f"{package.name}/")]
    laid = sorted([f"{package.name}{path}" for path in [*package.copies, *package.programs]] + own)
    if package.environment:
        laid.append(f"{package.name}{package.environment.prefix}")
    lines = [f"{LAID_OUT}/{path} {PurePosixPath(path).relative_to(package.name).parent}\n" for path in laid]
    return "".join(lines)
