"""Patches: the series decides the order, and whatever is in no series, or only there, is an error with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

import kindsamples
import samplerecipe
from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.library import choose, find, load
from pkgbuild.patches import in_order
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.spec import BuildSpec, expand

BAD = {
    "a patch in no series": ("# none\n", ["fix.patch"], "series:2: the patch 'fix.patch' is in no series"),
    "a series of no file": ("fix.patch\nfxi.patch\n", ["fix.patch"], "series:2: there is no patch 'fxi.patch'"),
    "twice": ("fix.patch\n\nfix.patch # again\n", ["fix.patch"], "series:3: 'fix.patch' is listed twice"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_series_that_is_wrong_names_its_line(what: str) -> None:
    text, names, message = BAD[what]
    with pytest.raises(KubedebError) as raised:
        in_order(text, "series", names)
    assert raised.value.brief == message
    assert raised.value.code is ExitCode.RECIPE


def test_a_near_match_is_named() -> None:
    with pytest.raises(KubedebError) as raised:
        in_order("fxi.patch\n", "series", ["fix.patch"])
    assert "Did you mean 'fix.patch'?" in raised.value.details


def test_the_series_is_the_order() -> None:
    assert in_order("b.patch\n# first b\na.patch # then a\n", "series", ["a.patch", "b.patch"]) == ["b.patch", "a.patch"]


def spec(folder: Path) -> BuildSpec:
    return expand(choose(find([folder]), ["hello-module@1.10"])[0], Suite.BOOKWORM, Architecture.AMD64).spec


def write_samples(folder: Path) -> Path:
    return kindsamples.lay_out(folder / "samples", "hello-module")


def test_a_patch_decides_the_build_and_a_comment_does_not(tmp_path: Path) -> None:
    folder = write_samples(tmp_path)
    before = spec(folder).digest
    recipe = folder / "hello-module/recipe.yaml"
    recipe.write_text("# A comment.\n" + recipe.read_text())
    series = folder / "hello-module/patches/1.10/series"
    series.write_text("# Why it is needed.\n" + series.read_text())
    assert spec(folder).digest == before
    patch = series.parent / "patched.patch"
    patch.write_text(patch.read_text().replace("patched", "patched twice"))
    assert spec(folder).digest != before


def test_a_folder_of_no_version_is_told(tmp_path: Path) -> None:
    folder = write_samples(tmp_path) / "hello-module"
    (folder / "patches/1.10").rename(folder / "patches/1.11")
    with pytest.raises(KubedebError, match=r"the recipe has no version '1\.11'"):
        load(folder)


def test_prebuilt_is_never_patched(tmp_path: Path) -> None:
    folder = samplerecipe.write_recipe(tmp_path) / "hello"
    (folder / "patches/1.10").mkdir(parents=True)
    (folder / "patches/1.10/series").write_text("a.patch\n")
    (folder / "patches/1.10/a.patch").write_text("")
    with pytest.raises(KubedebError, match="a prebuilt recipe has no source tree to patch"):
        load(folder)
