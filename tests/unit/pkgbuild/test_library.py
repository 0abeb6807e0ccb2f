"""Recipes are found in order of strength, and a wrong name gets a near one."""

from __future__ import annotations

from pathlib import Path

import pytest

import samplerecipe
from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.library import choose, find, recipe_folders, shipped_folder


def test_an_earlier_folder_hides_a_later_one(tmp_path: Path) -> None:
    strong, weak = samplerecipe.write_recipe(tmp_path / "a"), samplerecipe.write_recipe(tmp_path / "b")
    assert find([strong, weak]) == {"hello": strong / "hello"}
    assert find([tmp_path / "missing", weak]) == {"hello": weak / "hello"}


def test_flags_then_the_users_own_then_the_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEDEB_RECIPES", f"{tmp_path}/own:{tmp_path}/more")
    wanted = [tmp_path / "flag", tmp_path / "own", tmp_path / "more", shipped_folder()]
    assert recipe_folders([tmp_path / "flag"]) == wanted


def test_a_name_means_all_versions_and_at_means_one(tmp_path: Path) -> None:
    row = samplerecipe.RECIPE[samplerecipe.RECIPE.index("  - version:") :]
    text = samplerecipe.RECIPE + row.replace('version: "1.10"\n', 'version: "1.9"\n')
    found = find([samplerecipe.write_recipe(tmp_path, text)])
    assert [one.row.version for one in choose(found, ["hello"])] == ["1.10", "1.9"]
    assert [one.row.version for one in choose(found, ["hello@1.9"])] == ["1.9"]
    assert [one.row.version for one in choose(found, ["hello@1.9", "hello"])] == ["1.9", "1.10"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("helo", "there is no recipe 'helo'\n  Did you mean 'hello'?"),
        ("xyz", "Known are: hello."),
        ("hello@1.1", "no version '1.1'\n  Did you mean '1.10'?"),
    ],
)
def test_a_wrong_name_gets_a_near_one(wanted: str, message: str, tmp_path: Path) -> None:
    found = find([samplerecipe.write_recipe(tmp_path)])
    with pytest.raises(KubedebError) as raised:
        choose(found, [wanted])
    assert message in raised.value.render()
    assert raised.value.code is ExitCode.RECIPE


def test_a_link_in_a_recipe_is_not_followed(tmp_path: Path) -> None:
    folder = samplerecipe.write_recipe(tmp_path)
    (folder / "hello/debian/secret").symlink_to("/etc/passwd")
    assert "secret" not in choose(find([folder]), ["hello"])[0].loaded.debian
