"""What no single key of a recipe shows: a version twice, a file of a source that is not there, what its kind forbids; pure."""

from __future__ import annotations

import re

from kubedeb.yamlfile import MisfitError
from pkgbuild.recipe import BUILD_ARCHITECTURE, Go, Kind, Recipe, Row


def refuse(recipe: Recipe) -> None:
    """Raise `MisfitError` with what is wrong with a recipe whose every key is right by itself."""
    known: set[str] = set()
    for place, row in enumerate(recipe.versions):
        if row.version in known:
            raise MisfitError(f"version {row.version} is listed twice", "versions", place, "version")
        known.add(row.version)
        _refuse_row(recipe, row, "versions", place)
    if wrong := wrong_for_kind(recipe):
        raise MisfitError(wrong, "kind")
    names: set[str] = set()
    for place, package in enumerate(recipe.packages):
        if package.name in names:
            raise MisfitError(f"package {package.name} is listed twice", "packages", place, "name")
        names.add(package.name)
        if unlisted := set(package.conffiles) - set(package.contents):
            text = f"conffiles of {package.name} that are not in its contents: {', '.join(sorted(unlisted))}"
            raise MisfitError(text, "packages", place, "conffiles")


def _refuse_row(recipe: Recipe, row: Row, *here: str | int) -> None:
    for architecture, sources in row.sources.items():
        if wrong := _wrong_sources(recipe, row, [source.name for source in sources]):
            raise MisfitError(f"version {row.version}, {architecture}: {wrong}", *here, "sources", architecture.value)
    if unknown := set(row.without) - {package.name for package in recipe.packages}:
        text = f"version {row.version} is without {', '.join(sorted(unknown))}, which the recipe does not have"
        raise MisfitError(text, *here, "without")
    if not recipe.packages_of(row):
        raise MisfitError(f"version {row.version} is without every package", *here, "without")
    if unknown := _unknown_parts(recipe, row):
        text = f"version {row.version} has parts that are neither a source nor a package: {', '.join(sorted(unknown))}"
        raise MisfitError(text, *here, "parts")


def _unknown_parts(recipe: Recipe, row: Row) -> set[str]:
    named = {source.name for sources in row.sources.values() for source in sources}
    return set(row.parts) - named - {package.name for package in recipe.packages_of(row)}


def _wrong_sources(recipe: Recipe, row: Row, given: list[str]) -> str:
    if len(set(given)) < len(given):
        return "a source is listed twice"
    given_away = [recipe.copyright] if recipe.copyright else []
    wanted = [*given_away, *(path for package in recipe.packages_of(row) for path in package.copies.values())]
    for path in wanted:
        source = path.partition("/")[0]
        if source not in given:
            return f"{path} is from source {source!r}, but its sources are {', '.join(given) or 'none'}"
    return ""


def wrong_for_kind(recipe: Recipe) -> str:
    """Return what a recipe's kind forbids or lacks, empty when all is well; pure."""
    if (recipe.kind is Kind.GO) != (recipe.go is not None):
        return "the key go is for kind go, and needed there"
    if recipe.kind is not Kind.GO and any(package.programs for package in recipe.packages):
        return "programs are compiled by recipes of kind go only"
    if recipe.kind is not Kind.PREBUILT and any(package.environment for package in recipe.packages):
        return "an environment of wheels is laid out by recipes of kind prebuilt only"
    if recipe.kind is Kind.DEBIAN:
        return _wrong_for_debian(recipe)
    return _wrong_for_go(recipe, recipe.go) if recipe.go else ""


def _wrong_for_debian(recipe: Recipe) -> str:
    if recipe.copyright or any(package.copies for package in recipe.packages):
        return "a debian recipe copies nothing from sources: its source package says what is in its packages"
    for row in recipe.versions:
        for architecture, sources in row.sources.items():
            if [(source.kind, source.name) for source in sources] != [("dsc", recipe.name)]:
                return f"version {row.version}, {architecture}: a debian recipe has one source, the dsc of {recipe.name}"
            if architecture is not BUILD_ARCHITECTURE:
                return f"version {row.version}: a debian recipe is built for {BUILD_ARCHITECTURE}, not for {architecture}"
    return ""


def _wrong_for_go(recipe: Recipe, go: Go) -> str:
    for row in recipe.versions:
        for architecture, sources in row.sources.items():
            kinds = {source.name: source.kind for source in sources}
            where = f"version {row.version}, {architecture}"
            origins = [origin for package in recipe.packages for origin in package.copies.values()]
            if unread := [origin for origin in origins if kinds.get(origin.partition("/")[0]) == "dsc"]:
                return f"{where}: {unread[0]} is from a dsc, which is compiled, not copied from"
            if kinds.get(go.source) not in ("archive", "dsc"):
                return f"{where}: go.source {go.source!r} is no archive or dsc of its sources"
            if go.toolchain not in recipe.build_depends and kinds.get(go.toolchain) != "archive":
                return f"{where}: go.toolchain {go.toolchain!r} is neither in build_depends nor an archive"
    if not re.fullmatch(r"golang-([0-9]+\.[0-9]+-)?go", go.toolchain) and go.toolchain in recipe.build_depends:
        return f"go.toolchain {go.toolchain!r} is not golang-X.Y-go or golang-go"
    return ""
