"""Recipes are found in order of strength, and a wrong name gets a near one."""

from __future__ import annotations

from pathlib import Path

import pytest

import samplerecipe
from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.library import choose, find, load, recipe_folders, shipped_folder
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.spec import expand


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


@pytest.mark.parametrize("place", ["debian/secret", "files/hello/etc", "keyring/upstream.asc", "patches/1.10"])
def test_a_link_in_a_recipe_is_refused_and_named(place: str, tmp_path: Path) -> None:
    folder = samplerecipe.write_recipe(tmp_path)
    link = folder / "hello" / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to("/etc")
    with pytest.raises(KubedebError, match=f"{place} is a link") as raised:
        choose(find([folder]), ["hello"])
    assert raised.value.code is ExitCode.RECIPE


def shares(folder: Path) -> Path:
    """Write the sample recipe so that its control file lies in a shared folder; return the folder of recipes."""
    top = samplerecipe.write_recipe(folder, samplerecipe.RECIPE.replace("kind: prebuilt\n", "kind: prebuilt\ncommon: shared\n"))
    (top / "shared/debian").mkdir(parents=True)
    (top / "hello/debian/control.j2").rename(top / "shared/debian/control.j2")
    (top / "shared/files/hello/etc").mkdir(parents=True)
    (top / "shared/files/hello/etc/hello.conf").write_text("shared\n")
    return top


def test_what_recipes_share_lies_beside_them_and_a_recipes_own_comes_first(tmp_path: Path) -> None:
    top = shares(tmp_path)
    given = load(top / "hello")
    assert given.files["hello/etc/hello.conf"] == (b"shared\n", False)
    assert given.debian["control.j2"] == samplerecipe.CONTROL
    assert (given.place("debian/control.j2"), given.place("debian/rules")) == (
        top / "shared/debian/control.j2",
        top / "hello/debian/rules",
    )
    (top / "hello/debian/control").write_text("own\n")
    (top / "hello/files/hello/etc").mkdir(parents=True)
    (top / "hello/files/hello/etc/hello.conf").write_text("own\n")
    own = load(top / "hello")
    assert (own.debian["control"], own.files["hello/etc/hello.conf"][0], "control.j2" in own.debian) == (
        "own\n",
        b"own\n",
        False,
    )
    assert own.shared == frozenset()


def test_a_shared_folder_that_is_not_there_gets_a_near_one(tmp_path: Path) -> None:
    top = shares(tmp_path)
    (top / "shared").rename(top / "sharde")
    with pytest.raises(KubedebError, match=r"recipe\.yaml:7: there is no folder shared beside") as raised:
        load(top / "hello")
    assert "Did you mean 'sharde'?" in raised.value.render()
    assert raised.value.code is ExitCode.RECIPE


def test_a_mistake_in_a_shared_template_names_its_file(tmp_path: Path) -> None:
    top = shares(tmp_path)
    (top / "shared/debian/control.j2").write_text("{{ nothing }}\n")
    with pytest.raises(KubedebError, match=r"shared/debian/control\.j2"):
        expand(choose(find([top]), ["hello"])[0], Suite.BOOKWORM, Architecture.AMD64)
