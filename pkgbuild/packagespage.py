"""`docs/packages.md`: what the recipes make, read from the recipes themselves; pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence

from pkgbuild.builtrecord import Built
from pkgbuild.library import Chosen, LoadedRecipe
from pkgbuild.recipe import Architecture, Kind, Row, Suite
from pkgbuild.render import Rendered, render
from pkgbuild.sources import ArchiveSource, DebSource, DscSource, Source, WheelSource

HEAD = """\
# Packages

Made from the recipes by `script/docs`; do not edit. What each recipe makes, from which pinned bytes, and how its packages
relate to others. Package versions carry a revision and a suffix for each suite: 1.10.13 is `1.10.13-1~deb12u1` on Debian 12.
Sizes and the verdict of a second build, everything varied ([reproducibility.md](reproducibility.md)), are what builds recorded:
`script/docs STORE` reads them from a store into packages.json. Where upstream's file could not be had, its place was taken by a
stand-in of the same layout, which has no size worth telling. "Not tried" is what nobody has built twice yet.
"""
RELATIONS = ("Pre-Depends", "Depends", "Recommends", "Suggests", "Conflicts", "Breaks", "Replaces", "Provides")
Builds = Mapping[tuple[str, str, str], Built]
"""{(recipe, package version, architecture): what a build of it recorded}."""
SHORT = 12
"""Hex digits of a digest that are shown; the whole one stands in the recipe."""


def page(recipes: Iterable[LoadedRecipe], records: Iterable[Built] = ()) -> str:
    """Return the page: a table of all packages, then each recipe's relations, files, sources and what its builds recorded."""
    loaded = sorted(recipes, key=lambda one: one.recipe.name)
    builds = {record.key: record for record in records}
    rows = [row for one in loaded for row in _packages(one)]
    parts = [HEAD, _table(("package", "versions", "architectures", "recipe"), rows)]
    parts += [_section(one, builds) for one in loaded]
    return "\n".join(parts)


def _packages(loaded: LoadedRecipe) -> list[tuple[str, ...]]:
    """Return (package, versions, architectures, recipe) of each package of a recipe."""
    found: dict[str, list[Row]] = {}
    for row in loaded.recipe.versions:
        for package in loaded.recipe.packages_of(row):
            found.setdefault(package.name, []).append(row)
    name = loaded.recipe.name
    return [
        (f"`{package}`", ", ".join(row.version for row in rows), ", ".join(_architectures(rows)), f"[{name}](#{name})")
        for package, rows in found.items()
    ]


def _architectures(rows: Sequence[Row]) -> list[str]:
    """Return the architectures of some versions; what not all of them have says which do."""
    every = dict.fromkeys(architecture for row in rows for architecture in row.sources)
    shown = []
    for architecture in every:
        having = [row.version for row in rows if architecture in row.sources]
        shown.append(architecture.value + ("" if len(having) == len(rows) else f" ({', '.join(having)})"))
    return shown


def _section(loaded: LoadedRecipe, builds: Builds) -> str:
    recipe = loaded.recipe
    lines = [
        f"## {recipe.name}\n",
        f"{recipe.summary[0].upper()}{recipe.summary[1:]}; kind {recipe.kind.value}, {recipe.licence}.\n",
    ]
    if recipe.kind is not Kind.DEBIAN:
        stanzas = _stanzas(loaded, recipe.versions[-1])
        rows = [
            (
                f"`{package.name}`",
                _relations(stanzas.get(package.name, {})),
                _files(package.copies, package.programs, package.contents),
            )
            for package in recipe.packages_of(recipe.versions[-1])
        ]
        lines += [f"Of {recipe.versions[-1].version}:\n", _table(("package", "relations", "files"), rows)]
    sources = [
        (row.version, architecture.value, _source_list(given), *_recorded(recipe.name, row, architecture, builds))
        for row in recipe.versions
        for architecture, given in row.sources.items()
    ]
    head = ("version", "architecture", "sources", "size of the packages", "reproducible")
    return "\n".join([*lines, _table(head, sources)])


def _recorded(recipe: str, row: Row, architecture: Architecture, builds: Builds) -> tuple[str, str]:
    """Return what builds of a version recorded for the first suite that has a record: sizes, and whether it reproduces."""
    versions = [row.package_version(suite) for suite in row.suites]
    found = [builds[key] for version in versions if (key := (recipe, version, architecture.value)) in builds]
    if not found:
        return "", "not tried"
    one = next((record for record in found if record.sizes), found[0])
    said = {"pass": "yes", "fail": "no", "": "not tried"}[one.reproduced]
    if one.stand_in:
        return "", said + (", of a stand-in" if one.reproduced else "")
    return ", ".join(f"`{name}` {size / 1e6:.1f} MB" for name, size in one.sizes), said


def _stanzas(loaded: LoadedRecipe, row: Row) -> Mapping[str, Mapping[str, str]]:
    """Return the stanzas of the rendered debian/control by package."""
    from debian.deb822 import Deb822

    noon = datetime.datetime.combine(row.date, datetime.time(12), datetime.UTC)
    about = Rendered(row.package_version(Suite.BOOKWORM), Suite.BOOKWORM, next(iter(row.sources)), noon)
    control = render(Chosen(loaded, row), about)["debian/control"].data.decode()
    return {stanza["Package"]: stanza for stanza in Deb822.iter_paragraphs(control, use_apt_pkg=False) if "Package" in stanza}


def _relations(stanza: Mapping[str, str]) -> str:
    shown = []
    for field in RELATIONS:
        named = [one.strip() for one in stanza.get(field, "").split(",")]
        if kept := ", ".join(one for one in named if one and not one.startswith("${")):
            shown.append(f"{field}: {kept}")
    return "; ".join(shown)


def _files(*paths: Iterable[str]) -> str:
    return " ".join(f"`{path}`" for path in sorted({path for some in paths for path in some}))


def _source_list(sources: Sequence[Source]) -> str:
    wheels = [one for one in sources if isinstance(one, WheelSource) and one.unpinned is None]
    shown = [_source(one) for one in sources if one not in wheels]
    return ", ".join([*shown, *([f"{len(wheels)} wheels"] if wheels else [])])


def _source(source: Source) -> str:
    name = f"{source.kind} {source.name}"
    if isinstance(source, DebSource | DscSource):
        name += f" {source.version} of {source.suite}"
    if isinstance(source, ArchiveSource | WheelSource) and source.unpinned is not None:
        return f"{name} (not pinned: {source.unpinned})"
    checksum = source.checksum
    return f"{name} (`{checksum.algorithm.value}:{checksum.value[:SHORT]}…`)"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
