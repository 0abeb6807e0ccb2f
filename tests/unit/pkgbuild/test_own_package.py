"""The recipe of kubedeb itself: the libraries that the tests passed with, and completions as click writes them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class

from kubedeb import __version__
from kubedeb.cli import kubedeb
from pkgbuild.library import load
from pkgbuild.recipe import Architecture
from pkgbuild.sources import WheelSource

TOP = Path(__file__).parents[3]
RECIPE = load(TOP / "recipes/kubedeb")
SHIPPED = TOP / "recipes/kubedeb/files/kubedeb/usr/share"
COMPLETIONS = {
    "bash": "bash-completion/completions/kubedeb",
    "zsh": "zsh/vendor-completions/_kubedeb",
    "fish": "fish/vendor_completions.d/kubedeb.fish",
}
OTHERS_ALONE = {"amd64": "x86_64", "arm64": "aarch64"}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wheels(architecture: str) -> dict[str, WheelSource]:
    (row,) = RECIPE.recipe.versions
    return {one.package: one for one in row.sources[Architecture(architecture)] if isinstance(one, WheelSource)}


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_its_libraries_are_those_of_the_constraints(architecture: str) -> None:
    pins = dict(line.split("==") for line in (TOP / "constraints.txt").read_text().splitlines() if not line.startswith("#"))
    known = {plain(name): version for name, version in pins.items()}
    given = {name: one.version for name, one in wheels(architecture).items() if name != "kubedeb"}
    assert given == {name: known[name] for name in given}
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(one for name in ("farm", "s3") for one in project["optional-dependencies"][name])]
    assert {plain(re.split(r"[\[<>=,]", one)[0]) for one in asked} <= given.keys()


@pytest.mark.parametrize(("architecture", "machine"), OTHERS_ALONE.items())
def test_what_is_compiled_is_compiled_for_the_architecture(architecture: str, machine: str) -> None:
    compiled = [one.file for one in wheels(architecture).values() if not one.file.endswith("-any.whl")]
    assert len(compiled) > 10
    assert [file for file in compiled if not file.endswith(f"_{machine}.whl")] == []


def test_its_own_version_is_this_one_and_its_own_wheel_is_pinned_by_the_script_alone() -> None:
    (row,) = RECIPE.recipe.versions
    assert row.version == __version__
    assert [(source.name, source.unpinned is not None) for _, _, source in row.unpinned()] == [("kubedeb", True)] * 2


@pytest.mark.parametrize(("shell", "path"), COMPLETIONS.items())
def test_completions_are_clicks(shell: str, path: str) -> None:
    maker = get_completion_class(shell)
    assert maker is not None
    made = maker(kubedeb, {}, "kubedeb", "_KUBEDEB_COMPLETE")
    assert (SHIPPED / path).read_text() == (made.source_template % made.source_vars()).strip() + "\n"
