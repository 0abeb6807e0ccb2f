"""What no single key of a recipe shows: a version twice, a file of a source that is not there, what its kind forbids; pure."""

from __future__ import annotations

import re

from pkgbuild.recipe import BUILD_ARCHITECTURE, Architecture, Go, Kind, Recipe, Row


def refuse(recipe: Recipe) -> None:
    """Raise `ValueError` with what is wrong with a recipe whose every key is right by itself."""
    known: set[str] = set()
    for row in recipe.versions:
        if row.version in known:
            raise ValueError(f"version {row.version} is listed twice")
        known.add(row.version)
        for architecture, sources in row.sources.items():
            _check_sources(recipe, row, architecture, [source.name for source in sources])
        if unknown := set(row.without) - {package.name for package in recipe.packages}:
            raise ValueError(f"version {row.version} is without {', '.join(sorted(unknown))}, which the recipe does not have")
        if not recipe.packages_of(row):
            raise ValueError(f"version {row.version} is without every package")
        _check_parts(recipe, row)
    if wrong := wrong_for_kind(recipe):
        raise ValueError(wrong)
    names = [package.name for package in recipe.packages]
    if len(set(names)) < len(names):
        raise ValueError("a package is listed twice")
    for package in recipe.packages:
        if unlisted := set(package.conffiles) - set(package.contents):
            raise ValueError(f"conffiles of {package.name} that are not in its contents: {', '.join(sorted(unlisted))}")


def _check_parts(recipe: Recipe, row: Row) -> None:
    named = {source.name for sources in row.sources.values() for source in sources}
    if unknown := set(row.parts) - named - {package.name for package in recipe.packages_of(row)}:
        raise ValueError(
            f"version {row.version} has parts that are neither a source nor a package: {', '.join(sorted(unknown))}"
        )


def _check_sources(recipe: Recipe, row: Row, architecture: Architecture, given: list[str]) -> None:
    if len(set(given)) < len(given):
        raise ValueError(f"version {row.version}, {architecture}: a source is listed twice")
    given_away = [recipe.copyright] if recipe.copyright else []
    wanted = [*given_away, *(path for package in recipe.packages_of(row) for path in package.copies.values())]
    for path in wanted:
        source = path.partition("/")[0]
        if source not in given:
            raise ValueError(
                f"version {row.version}, {architecture}: {path} is from source {source!r}, "
                f"but its sources are {', '.join(given) or 'none'}"
            )


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
