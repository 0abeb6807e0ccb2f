"""What is kept of recipes is what reading them gives, as long as nothing has changed; anything else in its place is ignored."""

from __future__ import annotations

import dataclasses
import datetime
import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import samplerecipe
from kubedeb.errors import KubedebError
from pkgbuild import keep as kept
from pkgbuild import recipe, recipeform, sources, templates
from pkgbuild.keep import RECORDS, Keep, packed, unpacked
from pkgbuild.library import choose, find, load, shipped_folder
from pkgbuild.recipe import Architecture, Kind, Recipe, Suite
from pkgbuild.spec import Expanded, expand

FOUND = find([shipped_folder()])


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    (tmp_path / "store").mkdir()
    return Keep(tmp_path / "store")


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """Return a folder with a recipe that takes a page and a file from a folder that it shares."""
    folder = samplerecipe.write_recipe(
        tmp_path / "recipes", samplerecipe.RECIPE.replace("kind: prebuilt", "common: shared\nkind: prebuilt")
    )
    for name, text in {
        "debian/hello.docs.j2": "{{ suite }} {{ architecture }} {{ package_version }}\n",
        "files/hello/etc/x": "1",
    }.items():
        path = folder / "shared" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return folder


def whole(folder: Path, keep: Keep, suite: Suite = Suite.BOOKWORM) -> Expanded:
    (chosen,) = choose(find([folder]), ["hello"], keep)
    return expand(chosen, suite, Architecture.AMD64, pages=keep.pages)


def plain(folder: Path, suite: Suite = Suite.BOOKWORM) -> Expanded:
    return expand(choose(find([folder]), ["hello"])[0], suite, Architecture.AMD64)


def files(keep: Keep) -> list[Path]:
    return sorted((keep.store / "kept").iterdir())


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what lets nothing be validated or filled in from then on."""

    def refuse(*_: object) -> None:
        raise AssertionError("it is kept")

    def apply() -> None:
        monkeypatch.setattr(recipeform, "read", refuse)
        monkeypatch.setattr(templates, "fill", refuse)

    return apply


@pytest.mark.parametrize("name", FOUND)
def test_a_recipe_is_packed_and_unpacked(name: str) -> None:
    read = load(FOUND[name]).recipe
    again = unpacked(json.loads(json.dumps(packed(read))))
    assert again == read
    assert repr(again) == repr(read)  # equal, and of the same types: a suite is more than its name


def test_all_that_a_recipe_consists_of_is_known() -> None:
    classes = {one for module in (recipe, sources) for _, one in inspect.getmembers(module, inspect.isclass)
               if one.__module__ == module.__name__ and not one.__name__.startswith("_")}  # fmt: skip
    assert classes == set(RECORDS)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.dates() | st.sampled_from([*Suite, *Architecture, *Kind]),
    lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.sampled_from(list(Suite)), inner),
)


@given(values)
def test_unpacking_is_the_inverse_of_packing(value: object) -> None:
    assert repr(unpacked(json.loads(json.dumps(packed(value))))) == repr(value)


def test_what_is_kept_is_neither_validated_nor_filled_in_again(recipes: Path, keep: Keep, unread: Callable[[], None]) -> None:
    first = whole(recipes, keep)
    assert first == plain(recipes)
    unread()
    assert whole(recipes, keep) == first
    with pytest.raises(AssertionError, match="it is kept"):
        whole(recipes, keep, Suite.TRIXIE)


EDITS: dict[str, tuple[str, Callable[[str], str]]] = {
    "a version's revision": ("hello/recipe.yaml", lambda text: text.replace("revision: 1", "revision: 2")),
    "what a template asks of the recipe": ("hello/recipe.yaml", lambda text: text.replace("says hello", "greets")),
    "a template": ("hello/debian/control.j2", lambda text: text.replace("Version", "Release")),
    "a template of the shared folder": ("shared/debian/hello.docs.j2", lambda text: f"{text}more\n"),
    "what is no template": ("hello/debian/rules", lambda text: f"{text}# more\n"),
    "a file": ("shared/files/hello/etc/x", lambda _: "2"),
}


@pytest.mark.parametrize("what", EDITS)
def test_what_has_changed_is_seen(what: str, recipes: Path, keep: Keep) -> None:
    before = whole(recipes, keep)
    name, edit = EDITS[what]
    (recipes / name).write_text(edit((recipes / name).read_text()))
    after = whole(recipes, keep)
    assert after == plain(recipes)
    assert after.spec.digest != before.spec.digest
    assert after == whole(recipes, keep)


def test_a_template_that_comes_or_goes_is_seen(recipes: Path, keep: Keep) -> None:
    before = whole(recipes, keep)
    (recipes / "hello/debian/hello.links.j2").write_text("a {{ version }}\n")
    assert whole(recipes, keep).tree["debian/hello.links"].data == b"a 1.10\n"
    (recipes / "hello/debian/hello.links.j2").unlink()
    assert whole(recipes, keep) == before


def test_a_comment_changes_nothing(recipes: Path, keep: Keep) -> None:
    before, file = whole(recipes, keep), recipes / "hello/recipe.yaml"
    file.write_text(f"# more\n{file.read_text()}")
    assert whole(recipes, keep).spec == before.spec


def test_any_text_is_kept_as_it_is(recipes: Path, keep: Keep, unread: Callable[[], None]) -> None:
    file = recipes / "hello/recipe.yaml"
    file.write_text(file.read_text().replace("says hello", r'"sagt \u201eGrüß Gott\u201c \u2028 \U0001f600"'))
    (recipes / "hello/debian/hello.examples.j2").write_text("a\r\n\u2029{{ recipe.summary }}\x85\x00\n", newline="")
    first = whole(recipes, keep)
    assert first == plain(recipes)
    unread()
    assert whole(recipes, keep) == first


def test_suites_and_folders_do_not_mix(recipes: Path, keep: Keep, tmp_path: Path) -> None:
    other = samplerecipe.write_recipe(tmp_path / "other")
    for folder in (recipes, other, recipes):
        for suite in (Suite.BOOKWORM, Suite.TRIXIE, Suite.BOOKWORM):
            assert whole(folder, keep, suite) == plain(folder, suite)
    assert len(files(keep)) == 2 * 3  # of each folder the recipe, and the pages for two suites
    assert {path.stat().st_mode & 0o777 for path in files(keep)} == {0o644}


def test_another_reader_reads_anew(
    recipes: Path, keep: Keep, unread: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole(recipes, keep)
    unread()
    monkeypatch.setattr(kept, "_reader", lambda: "another version of kubedeb")
    with pytest.raises(AssertionError, match="it is kept"):
        whole(recipes, keep)


def test_the_reader_is_our_code_and_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(**other: tuple[str, ...]) -> str:
        with monkeypatch.context() as patch:
            for name, value in other.items():
                patch.setattr(kept, name, value)
            kept._reader.cache_clear()
            try:
                return kept._reader()
            finally:
                kept._reader.cache_clear()

    now = digest()
    assert digest() == now
    for name in kept.OWN:
        assert digest(OWN=tuple(one for one in kept.OWN if one != name)) != now
    assert digest(LIBRARIES=("pydantic", "yaml", "click")) != now
    nowhere = ("not/there.py",)
    assert digest(OWN=nowhere) != digest(OWN=nowhere)  # nothing is taken from before


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut off": lambda data: data[: len(data) // 2],
    "cut off in its seal": lambda data: data[:20],
    "a byte changed": lambda data: data.replace(b"hello", b"hallo", 1),
    "zeros": lambda data: bytes(len(data)),
    "no text": lambda data: b"\xff" + data,
    "without its seal": lambda data: data.partition(b"\n")[2],
    "another program's": lambda _: b"cos\nsystem\n(S'touch run'\ntR.",
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_that_is_not_what_was_written_is_made_anew(what: str, recipes: Path, keep: Keep) -> None:
    expected = whole(recipes, keep)
    good = {path: path.read_bytes() for path in files(keep)}
    for path, data in good.items():
        path.write_bytes(WRONG[what](data))
    assert whole(recipes, keep) == expected
    assert {path: path.read_bytes() for path in files(keep)} == good


HOSTILE = [
    ["system", "touch run"], ["Recipe"], ["Recipe", 1], ["Row"], ["date", 5], ["Suite", "a", "b"], [], [[]], [{}],
    ["Go", "a", "b", "c", 5], None, 5, "x", {"control.j2": ["x"]}, {"__class__": "x"}, ["dict", "a"], ["tuple", ["Recipe"]],
]  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE, ids=map(str, HOSTILE))
def test_what_is_sealed_and_no_recipe_is_made_anew(
    data: object, recipes: Path, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = whole(recipes, keep)
    good = {path: path.read_bytes() for path in files(keep)}
    monkeypatch.setattr(kept, "_read", lambda *_: data)
    assert whole(recipes, keep) == expected
    assert {path: path.read_bytes() for path in files(keep)} == good


def test_nothing_nested_too_deeply_ends_the_command(recipes: Path, keep: Keep) -> None:
    expected = whole(recipes, keep)
    text = "[" * 100_000
    for path in files(keep):
        path.write_text(f"{kept._seal('', text)}\n{text}")
        assert kept._read(path, "") is None
    assert whole(recipes, keep) == expected


def test_a_bad_recipe_is_told_each_time(recipes: Path, keep: Keep) -> None:
    file = recipes / "hello/recipe.yaml"
    file.write_text(file.read_text().replace("licence:", "license:"))
    said = []
    for _ in range(2):
        with pytest.raises(KubedebError) as raised:
            whole(recipes, keep)
        said.append(raised.value.render())
    assert said[0] == said[1]
    assert "unknown key 'license'" in said[0]
    assert not (keep.store / "kept").exists()


def test_where_nothing_can_be_kept_nothing_is(recipes: Path, keep: Keep, tmp_path: Path) -> None:
    assert whole(recipes, Keep(tmp_path / "none")) == plain(recipes)
    assert not (tmp_path / "none").exists()
    (keep.store / "kept").write_text("a file where the folder would be")
    assert whole(recipes, keep) == plain(recipes)
    assert (keep.store / "kept").read_text() == "a file where the folder would be"


def test_what_comes_back_is_checked_as_it_was_made() -> None:
    archive = sources.ArchiveSource("archive", "x", "https://example.org/x", sha256="a" * 64)
    two_pins = [*packed(dataclasses.replace(archive, sha512=None)), "more"]
    with pytest.raises(TypeError):
        unpacked(two_pins)
    data = packed(archive)
    data[data.index("a" * 64)] = None
    with pytest.raises(ValueError, match="pinned"):
        unpacked(data)
    assert packed(datetime.date(2026, 11, 23)) == ["date", "2026-11-23"]
    assert isinstance(unpacked(packed(load(FOUND["etcd"]).recipe)), Recipe)
