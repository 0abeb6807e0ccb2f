"""docs/packages.md says what the recipes say."""

from __future__ import annotations

from pathlib import Path

from pkgbuild import builtrecord
from pkgbuild.builtrecord import Built
from pkgbuild.library import find, load, shipped_folder
from pkgbuild.packagespage import page

RECIPES = {name: load(folder) for name, folder in find([shipped_folder()]).items()}
DOCS = Path(__file__).parents[3] / "docs"
PAGE = page(RECIPES.values(), builtrecord.load((DOCS / "packages.json").read_text()))


def test_the_page_is_that_of_the_recipes() -> None:
    assert (DOCS / "packages.md").read_text() == PAGE, "run script/docs"


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


def test_sizes_and_verdicts_are_those_of_the_builds() -> None:
    server = Built("etcd", "3.4.23-1~deb12u1", "amd64", False, "pass", (("etcd-server", 6_610_868),))
    stand_in = Built("helm", "2.9.1-1~deb12u1", "arm64", True, "fail", ())
    lines = page(RECIPES.values(), [server, stand_in]).splitlines()
    assert any(line.startswith("| 3.4.23 |") and line.endswith("| `etcd-server` 6.6 MB | yes |") for line in lines)
    assert any(line.startswith("| 2.9.1 | arm64 |") and line.endswith("|  | no, of a stand-in |") for line in lines)
    assert any(line.startswith("| 3.5.16 |") and line.endswith("|  | not tried |") for line in lines)
