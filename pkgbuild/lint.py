"""What is wrong with a recipe beyond its form: every version is expanded for every suite, as a build would; pure."""

from __future__ import annotations

import re

from kubedeb.errors import KubedebError
from kubedeb.knowledge.loader import load as load_rows
from kubedeb.knowledge.schema import RuleKind
from kubedeb.versions import Version
from pkgbuild.library import Chosen, LoadedRecipe
from pkgbuild.overrides import uncommented
from pkgbuild.recipe import Kind, Recipe, Row
from pkgbuild.render import TreeFile
from pkgbuild.spec import expand

STANZA = re.compile(rb"^Package:\s*(\S+)", re.MULTILINE)


def lint(loaded: LoadedRecipe) -> list[str]:
    """Return the findings, a line each, none when all is well."""
    recipe = loaded.recipe
    findings = [f"files/{name} belongs to no package of the recipe" for name in _stray(loaded)]
    findings += blocked(recipe)
    for row in recipe.versions:
        waiting = {architecture for architecture, _, _ in row.unpinned()}
        for architecture in row.sources:
            if architecture in waiting:
                continue  # it is never built: `unpinned` says so
            for suite in row.suites:
                try:
                    tree = expand(Chosen(loaded, row), suite, architecture).tree
                except KubedebError as error:
                    findings.append(error.brief)
                    continue
                findings += [*_control(recipe, row, tree), *_overrides(tree)]
    return sorted(set(findings))


def blocked(recipe: Recipe) -> list[str]:
    """Return the versions that nobody should run, each with the reason, what to do and who says so."""
    product, rows = recipe.product or recipe.name, load_rows()
    if not rows.of(product, RuleKind.BLOCKED):
        return []
    return [
        f"version {row.version} is blocked: {rule.what} {rule.remedy} ({rule.id}, {rule.source})"
        for row in recipe.versions for rule in rows.blocked(product, Version.parse(row.upstream))
    ]  # fmt: skip


def unpinned(loaded: LoadedRecipe) -> list[str]:
    """Return what is not built because a source of it has no digest yet, and why, a line each."""
    return [
        f"{row.version} for {architecture} is not built: source {source.name} is not pinned: {source.unpinned}"
        for row in loaded.recipe.versions for architecture, _, source in row.unpinned()
    ]  # fmt: skip


def _stray(loaded: LoadedRecipe) -> list[str]:
    names = {package.name for package in loaded.recipe.packages}
    return [name for name in loaded.files if name.partition("/")[0] not in names]


def _control(recipe: Recipe, row: Row, tree: dict[str, TreeFile]) -> list[str]:
    if recipe.kind is Kind.DEBIAN:
        return []  # they are in the source package
    missing = [f"debian/{name} is missing" for name in ("control", "rules") if f"debian/{name}" not in tree]
    if missing:
        return missing
    stanzas = {name.decode() for name in STANZA.findall(tree["debian/control"].data)}
    names = {package.name for package in recipe.packages_of(row)}
    return [
        *(f"debian/control has package {name}, which recipe.yaml does not list" for name in stanzas - names),
        *(f"recipe.yaml lists package {name}, which debian/control does not have" for name in names - stanzas),
    ]


def _overrides(tree: dict[str, TreeFile]) -> list[str]:
    """Return the lines of lintian's overrides that do not say why."""
    files = {path: file.data.decode(errors="replace") for path, file in tree.items() if path.endswith(".lintian-overrides")}
    return [
        f"{path}, line {number}: no comment above it says why" for path, text in files.items() for number in uncommented(text)
    ]
