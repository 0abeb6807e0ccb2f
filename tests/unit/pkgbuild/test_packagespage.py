"""docs/packages.md says what the recipes say."""

from __future__ import annotations

from pathlib import Path

from pkgbuild.library import find, load, shipped_folder
from pkgbuild.packagespage import page

RECIPES = {name: load(folder) for name, folder in find([shipped_folder()]).items()}
PAGE = page(RECIPES.values())


def test_the_page_is_that_of_the_recipes() -> None:
    assert (Path(__file__).parents[3] / "docs/packages.md").read_text() == PAGE, "run script/docs"


def test_every_package_and_version_is_there_with_its_relations_and_sources() -> None:
    table, *sections = PAGE.split("\n## ")
    lines = {line.split("|")[1].strip(): line for line in table.splitlines() if line.startswith("| `")}
    assert lines["`kubelet`"].split("|")[2].strip() == "1.7.16, 1.8.15, 1.9.11, 1.10.13" or "1.20.2" in lines["`kubelet`"]
    assert "| 2.11.0, 2.12.3 |" in lines["`tiller`"]
    section = next(text for text in sections if text.startswith("kubernetes\n"))
    assert "Conflicts: kubernetes-client (>= 1.20.5~)" in section
    assert "| 1.7.16 | amd64 | archive kubernetes-server (`sha256:20dae7b2527f…`)" in section
    helm = next(text for text in sections if text.startswith("helm\n"))
    assert "(not pinned: no checksum of it was found)" in helm


def test_no_package_is_left_out() -> None:
    for loaded in RECIPES.values():
        for row in loaded.recipe.versions:
            for package in loaded.recipe.packages_of(row):
                assert f"`{package.name}`" in PAGE
