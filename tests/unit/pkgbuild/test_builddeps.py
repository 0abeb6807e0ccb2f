"""What a source package build-depends on by itself: read from its .dsc, taken into the spec, locked with the layer."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

import kindsamples
from pkgbuild.baselock import BaseLock
from pkgbuild.builddeps import beyond, names, relations, without
from pkgbuild.cache import Cache
from pkgbuild.graph import needs
from pkgbuild.indexentry import IndexEntry
from pkgbuild.layers import wants_of
from pkgbuild.library import Chosen, choose, find
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.sourceneeds import source_needs
from pkgbuild.spec import Locked, SourcePin, expand
from pkgbuild.steps import environment
from pkgbuild.store import Store

AMD64 = Architecture.AMD64
DSC = """\
Format: 3.0 (quilt)
Source: hello-daemon
Build-Depends: debhelper-compat (= 13), golang-1.19-go (>= 1.19.8) | golang-go, jq:native, python3:any, win32 [windows-any],
 z [!amd64]
Build-Depends-Arch: libc6-dev [linux-any], rsync <!nocheck>
Build-Depends-Indep: man-db (>= 2) <!nodoc> <cross>
Checksums-Sha256:
 {digest} 10 x_1.orig.tar.gz
""".format(digest="ab" * 32)
GO = "golang-1.19-go (>= 1.19.8) | golang-go"
ALWAYS = ("debhelper-compat (= 13)", GO, "jq", "libc6-dev")
READ: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "plain": ("amd64", (), (*ALWAYS, "man-db (>= 2)", "python3:any", "rsync")),
    "another architecture": ("arm64", (), (*ALWAYS, "man-db (>= 2)", "python3:any", "rsync", "z")),
    "without tests and pages": ("amd64", ("nocheck", "nodoc"), (*ALWAYS, "python3:any")),
    "without pages, crossed": ("amd64", ("cross", "nodoc"), (*ALWAYS, "man-db (>= 2)", "python3:any", "rsync")),
}


@pytest.mark.parametrize("what", READ)
def test_what_a_dsc_asks_for(what: str) -> None:
    architecture, profiles, expected = READ[what]
    assert relations(DSC, architecture, profiles) == tuple(sorted(expected))


def test_the_packages_of_a_relation() -> None:
    assert names(GO) == ["golang-1.19-go", "golang-go"]
    assert names("python3:any (>= 3.9)") == ["python3"]
    assert without(["b (>= 1) | c", "a", "d"], {"c", "a"}) == ("d",)


BASE = {"debhelper": "13.11.4", "libc6-dev": "2.36-9", "rsync": "3.2.7-1"}
HELD = {
    "debhelper-compat (= 13)": True, "debhelper-compat (= 14)": False, "debhelper-compat": False, "libc6-dev": True,
    "libc6-dev (>= 2.36)": True, "libc6-dev (>= 2.37)": False, "libc6-dev (<< 2.37)": True, "libc6-dev (= 2.36-9)": True,
    "libc6-dev (>> 2.36-9)": False, "jq": False, "jq | rsync (<= 3.3)": True, "jq | rsync (<= 3.1)": False,
    "rsync:any": True, "what (is this": False,
}  # fmt: skip


@pytest.mark.parametrize("relation", HELD)
def test_what_the_base_has_is_in_no_layer(relation: str) -> None:
    assert (beyond([relation], BASE) == ()) is HELD[relation]


LOCK = BaseLock("bookworm", "amd64", (), tuple(IndexEntry(name, version, "amd64", name) for name, version in BASE.items()))


def sample(folder: Path, **changes: str) -> list[Chosen]:
    """Return a recipe of a source package that asks for all this."""
    text = (kindsamples.RECIPES / "hello-daemon/recipe.yaml").read_text()
    text = text.replace("sha256: hello-daemon_1.0.dsc", f"sha256: {hashlib.sha256(DSC.encode()).hexdigest()}")
    for old, new in changes.items():
        text = text.replace(f"{old}:", f"{new}{old}:", 1)
    (folder / "hello-daemon").mkdir(parents=True, exist_ok=True)
    (folder / "hello-daemon/recipe.yaml").write_text(text)
    return choose(find([folder]), ["hello-daemon"])


def holding(folder: Path) -> Cache:
    path = folder / "cache/sha256" / hashlib.sha256(DSC.encode()).hexdigest()
    path.parent.mkdir(parents=True)
    path.write_text(DSC)
    return Cache(folder / "cache")


WANTED = (GO, "jq", "man-db (>= 2)", "python3:any")


def test_they_are_wanted_beside_the_recipes_own_and_decide_the_digest(tmp_path: Path) -> None:
    chosen, store, cache = (
        sample(tmp_path / "r", packages="build_depends: [strace]\n"),
        Store(tmp_path / "store"),
        holding(tmp_path),
    )
    found = source_needs(chosen, AMD64, LOCK, store, cache, None)
    assert wants_of(chosen, (), AMD64, found) == {tuple(sorted((*WANTED, "strace")))}
    [wants] = wants_of(chosen, (), AMD64, found)
    spec = expand(chosen[0], Suite.BOOKWORM, AMD64, Locked("b", "s", {wants: "layer"}, found)).spec
    assert (spec.build_depends, spec.layer) == (wants, "layer")
    assert spec.digest != expand(chosen[0], Suite.BOOKWORM, AMD64, Locked("b", "s")).spec.digest


def test_profiles_leave_some_out_and_are_the_builds_own(tmp_path: Path) -> None:
    chosen = sample(tmp_path / "r", sources="build_profiles: [nodoc]\n    ")
    found = source_needs(chosen, AMD64, LOCK, Store(tmp_path / "store"), holding(tmp_path), None)
    assert wants_of(chosen, (), AMD64, found) == {tuple(one for one in WANTED if not one.startswith("man-db"))}
    spec = expand(chosen[0], Suite.BOOKWORM, AMD64, Locked("b", "s", {}, found)).spec
    assert environment(spec)["DEB_BUILD_PROFILES"] == "nodoc"
    plain = expand(sample(tmp_path / "p")[0], Suite.BOOKWORM, AMD64, Locked("b", "s", {}, found)).spec
    assert "DEB_BUILD_PROFILES" not in environment(plain)
    assert plain.digest != spec.digest


def test_a_recipe_may_leave_them_out(tmp_path: Path) -> None:
    chosen = sample(tmp_path / "r", packages="source_build_depends: false\n")
    assert source_needs(chosen, AMD64, LOCK, Store(tmp_path / "store"), holding(tmp_path), None) == {}
    assert wants_of(chosen) == set()


def test_packages_of_ours_stand_for_relations_too(tmp_path: Path) -> None:
    chosen = sample(tmp_path / "r")
    found = source_needs(chosen, AMD64, LOCK, Store(tmp_path / "store"), holding(tmp_path), None)
    assert wants_of(chosen, ["golang-go"], AMD64, found) == {tuple(one for one in WANTED if one != GO)}
    spec = expand(chosen[0], Suite.BOOKWORM, AMD64, Locked("b", "s", {}, found)).spec
    maker = replace(spec, recipe="golang", packages=(replace(spec.packages[0], name="golang-go"),), build_depends=())
    assert needs([spec, maker]) == {0: {"golang-go": 1}, 1: {}}


def test_a_dsc_is_fetched_once_and_known_when_the_cache_is_gone(tmp_path: Path) -> None:
    chosen, store = sample(tmp_path / "r"), Store(tmp_path / "store")
    asked: list[SourcePin] = []

    def bring(pins: Collection[SourcePin]) -> None:
        asked.extend(pins)
        holding(tmp_path)

    empty = Cache(tmp_path / "cache")
    assert source_needs(chosen, AMD64, LOCK, store, empty, None) == {}
    first = source_needs(chosen, AMD64, LOCK, store, empty, bring)
    assert [str(pin) for pin in asked] == ["hello-daemon 1.0 (bookworm, amd64)"]
    assert list(first.values()) == [WANTED]
    assert source_needs(chosen, AMD64, LOCK, store, Cache(tmp_path / "other"), bring) == first
    assert len(asked) == 1


def test_a_dsc_that_cannot_be_had_is_left_for_the_build_to_tell(tmp_path: Path) -> None:
    assert source_needs(sample(tmp_path / "r"), AMD64, LOCK, Store(tmp_path / "s"), Cache(tmp_path / "c"), lambda _: None) == {}
