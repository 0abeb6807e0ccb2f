"""The order of builds follows build dependencies between our own recipes."""

from __future__ import annotations

import dataclasses

import pytest

from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.graph import OwnPackage, needs, upgrades, with_own
from pkgbuild.spec import BuildSpec, Locked, PackageSpec


def spec(recipe: str, version: str = "1-1", *, makes: str = "", depends: str = "") -> BuildSpec:
    packages = tuple(PackageSpec(name, (), (), (), None, None) for name in (makes or recipe).split())
    return BuildSpec(
        recipe,
        version,
        version,
        "bookworm",
        "amd64",
        "prebuilt",
        0,
        "s/c",
        (),
        packages,
        (),
        tuple(depends.split()),
        "b",
        "",
        "",
    )


CASES = {
    "nothing in common": ([spec("a"), spec("b", depends="gcc")], {0: {}, 1: {}}),
    "one needs another's second package": ([spec("a", depends="b-dev"), spec("b", makes="b b-dev")], {0: {"b-dev": 1}, 1: {}}),
    "the highest version, as Debian orders": (
        [spec("b", "1.9-1"), spec("b", "1.10-1"), spec("b", "1.10~rc1-1"), spec("a", depends="b")],
        {0: {}, 1: {}, 2: {}, 3: {"b": 1}},
    ),
    "its own package comes from Debian": ([spec("go", depends="go")], {0: {}}),
    "a chain": (
        [spec("a", depends="b"), spec("b", depends="c"), spec("c")],
        {0: {"b": 1}, 1: {"c": 2}, 2: {}},
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_needs(what: str) -> None:
    specs, expected = CASES[what]
    assert needs(specs) == expected


def test_a_circle_is_told_whole() -> None:
    with pytest.raises(KubedebError) as raised:
        needs([spec("a", depends="b"), spec("b", depends="c"), spec("c", depends="a"), spec("d")])
    assert raised.value.code is ExitCode.RECIPE
    names = raised.value.details.split(" → ")
    assert names[0] == names[-1]
    assert "".join(names[:-1]) in {"abc", "bca", "cab"}  # an arrow goes from a recipe to one that it needs


LOCKED = Locked("base", "sandbox", {("gcc",): "with gcc"})
ONE = OwnPackage("libx-dev", "1", "aa")


def test_without_packages_of_ours_the_lock_is_as_it_was() -> None:
    assert with_own(LOCKED, ["gcc"], []) is LOCKED


def test_the_layer_is_named_by_the_bytes_of_our_packages_and_by_debians_part() -> None:
    layers = {
        with_own(locked, ["gcc", "libx-dev"], [package]).layer(["libx-dev", "gcc"])
        for locked in (LOCKED, Locked("base", "sandbox", {("gcc",): "with another gcc"}))
        for package in (ONE, dataclasses.replace(ONE, version="2"), dataclasses.replace(ONE, sha256="bb"))
    }
    assert len(layers) == 6
    assert "" not in layers
    two = [ONE, OwnPackage("a", "1", "cc")]
    assert with_own(LOCKED, ["a", "libx-dev"], two) == with_own(LOCKED, ["libx-dev", "a"], two[::-1])


UPGRADES = {
    "nothing in common": ([spec("a"), spec("b", "2-1")], {}),
    "each from the one before, as Debian orders": (
        [spec("a", "1.9-1"), spec("a", "1.10-1"), spec("a", "1.10~rc1-1")],
        {2: 0, 1: 2},
    ),
    "from another recipe with one of its packages": (
        [spec("etcd", "3.3.25-1", makes="server client"), spec("upstream", "3.3.17-1", makes="server etcd-3.3")],
        {0: 1},
    ),
    "not from the same version": ([spec("a", makes="x"), spec("b", makes="x")], {}),
}


@pytest.mark.parametrize("what", UPGRADES)
def test_upgrades(what: str) -> None:
    specs, expected = UPGRADES[what]
    assert upgrades(specs, needs(specs)) == expected


def test_build_dependencies_come_before_the_order_of_versions() -> None:
    specs = [spec("a", "1-1", depends="b"), spec("a", "2-1"), spec("b", depends="a")]
    assert needs(specs) == {0: {"b": 2}, 1: {}, 2: {"a": 1}}
    assert upgrades(specs, needs(specs)) == {}
