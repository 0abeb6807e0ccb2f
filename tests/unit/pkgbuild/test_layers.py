"""What a layer is: read from apt's simulation, named by its base and its wants, the same bytes read back."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

import kindsamples
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.progress import progress
from pkgbuild import apt, layering
from pkgbuild.apt import PrivateApt
from pkgbuild.baselock import BaseLock
from pkgbuild.cache import Cache
from pkgbuild.indexentry import IndexEntry
from pkgbuild.layering import renew
from pkgbuild.layers import Layer, in_short, layer_name, news, to_install, wants_of
from pkgbuild.library import choose, find
from pkgbuild.store import Store

SAID = """\
Reading package lists...
The following NEW packages will be installed:
  golang-1.19-go golang-1.19-src
Inst libc6 [2.36-9] (2.36-9+deb12u1 Debian:12.1/stable [amd64]) []
Inst golang-1.19-src (1.19.8-2 Debian:12.1/stable [all])
Inst golang-1.19-go (1.19.8-2 Debian:12.1/stable [amd64])
Conf golang-1.19-src (1.19.8-2 Debian:12.1/stable [all])
"""
LAYER = Layer("b" * 64, ("golang-1.19-go",), (IndexEntry("golang-1.19-go", "1.19.8-2", "amd64", "a" * 64),))
words = st.text(st.characters(codec="utf-8"), max_size=8)


def test_new_and_newer_packages_are_read_from_the_simulation() -> None:
    assert to_install(SAID) == {"libc6": "2.36-9+deb12u1", "golang-1.19-src": "1.19.8-2", "golang-1.19-go": "1.19.8-2"}


@given(
    st.builds(Layer, words, st.lists(words).map(tuple), st.lists(st.builds(IndexEntry, words, words, words, words)).map(tuple))
)
def test_a_layer_is_read_back(layer: Layer) -> None:
    assert Layer.from_data(json.loads(layer.as_json())) == layer


def test_many_build_dependencies_are_told_in_short() -> None:
    assert in_short(("a", "b", "c", "d")) == "a, b, c, d"
    assert in_short(("a", "b", "c", "d", "e")) == "a, b, c and 2 more"


def test_another_base_has_layers_of_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep_layer(LAYER)
    assert store.layer(LAYER.base, LAYER.wants) == LAYER
    assert store.layer("c" * 64, LAYER.wants) is None
    assert layer_name(LAYER.base, ("other",)) != layer_name(LAYER.base, LAYER.wants)
    assert replace(LAYER, packages=()).digest != LAYER.digest


def test_a_layer_of_another_form_is_resolved_anew(tmp_path: Path) -> None:
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / f"{layer_name(LAYER.base, LAYER.wants)}.json").write_text('{"base": 1}')
    assert Store(tmp_path).layer(LAYER.base, LAYER.wants) is None


class Solver(PrivateApt):
    """Knows what its answers would be; what it was told is installed must be the base's own status."""

    def __init__(self, version: str, digest: str = "a" * 64) -> None:
        super().__init__(Path("/nonexistent"), ())
        self.version, self.digest, self.status = version, digest, ""

    def know(self, status: str) -> None:
        self.status = status

    def simulate(self, names: Sequence[str]) -> str:
        assert self.status == STATUS
        if names == ("no-such",):
            raise KubedebError("apt cannot install", details="Unable to locate", code=ExitCode.RECIPE)
        return f"Inst {names[0]} ({self.version} Debian:12/stable [amd64])\n"

    def show(self, words: Sequence[str]) -> list[IndexEntry]:
        return [IndexEntry(*word.split("="), "amd64", self.digest) for word in words]


STATUS = "Package: dpkg\nStatus: install ok installed\nVersion: 1\n"
LOCK = BaseLock("bookworm", "amd64", (), (IndexEntry("dpkg", "1", "amd64", "d" * 64),))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store whose base's root has dpkg's status file."""
    made, tar = Store(tmp_path), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as out:
        member = tarfile.TarInfo("./var/lib/dpkg/status")
        member.size = len(STATUS)
        out.addfile(member, io.BytesIO(STATUS.encode()))
    made.keep_base(LOCK)
    made.root_file(LOCK).write_bytes(zstandard.compress(tar.getvalue()))
    return made


def test_layers_are_locked_anew_when_what_they_hold_is_new_and_only_then(store: Store) -> None:
    shown = progress(io.StringIO())
    wants = [("golang",), ("no-such",)]
    said = []
    for solver in (Solver("1.19"), Solver("1.19"), Solver("1.20"), Solver("1.20", "b" * 64)):
        first, second = renew(store, LOCK, wants, solver, shown)
        assert store.layer(LOCK.digest, ("golang",)) == first.layer
        assert second.layer is None
        assert second.error is not None
        said.append(first.reason)
    assert said == ["there was none", "", "golang 1.19 → 1.20", "golang 1.20 → 1.20"]
    # A rebuild finds what was locked before too.
    assert {entry.version for entry in store.locked_packages() if entry.name == "golang"} == {"1.19", "1.20"}


OTHER = Layer("b" * 64, ("jq",), (IndexEntry("jq", "1.6-2.1", "amd64", "d" * 64),))
HERE = Layer("b" * 64, ("here",), ())
BOTH = {one.wants: one for one in (LAYER, OTHER, HERE)}
WHY = {
    "the mirror has one no longer": (ExitCode.SOURCE_GONE, OTHER, [OTHER]),
    "the mirror sends other bytes for one": (ExitCode.SOURCE_MISMATCH, LAYER, [LAYER]),
    "the mirror does not answer": (ExitCode.FETCH, None, [LAYER, OTHER]),
}


@pytest.mark.parametrize("what", WHY)
def test_a_layer_that_cannot_be_had_is_lost_alone(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, of, lost = WHY[what]

    @contextmanager
    def suite_apt(*_: object) -> Iterator[None]:
        if of is None:
            raise KubedebError(what, code=code)
        yield

    def bring(missing: Sequence[IndexEntry], *_: object) -> None:
        if of and of.packages[0] in missing:
            raise KubedebError(what, code=code)

    monkeypatch.setattr(apt, "suite_apt", suite_apt)
    monkeypatch.setattr(layering, "bring", bring)
    lock = BaseLock("bookworm", "amd64", (), ())
    one = layering.Layering(lock, Store(tmp_path), Cache(tmp_path / "cache"), "", False, progress(io.StringIO()))
    assert {want: error.brief for want, error in one.bring_each(BOTH).items()} == {layer.wants: what for layer in lost}


def test_a_full_disk_concerns_all_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise KubedebError("the disk is full", code=ExitCode.BUILD_STORAGE)

    monkeypatch.setattr(layering.Layering, "bring", full)
    lock = BaseLock("bookworm", "amd64", (), ())
    one = layering.Layering(lock, Store(tmp_path), Cache(tmp_path), "", False, progress(io.StringIO()))
    with pytest.raises(KubedebError, match="the disk is full"):
        one.bring_each(BOTH)


def test_packages_that_come_and_go_are_news() -> None:
    one, other = IndexEntry("a", "1", "all", "1"), IndexEntry("b", "1", "all", "2")
    assert news(replace(LAYER, packages=(one,)), replace(LAYER, packages=(other,))) == ["a 1 is gone", "b 1 is new"]


def test_what_recipes_need_of_debian(tmp_path: Path) -> None:
    kindsamples.lay_out(tmp_path, "hello-module", "hello-archive")
    recipe = tmp_path / "hello-module/recipe.yaml"
    recipe.write_text(recipe.read_text().replace("build_depends: [", "build_depends: [hello-archive, jq, "))
    chosen = choose(find([tmp_path]), ["hello-module", "hello-archive"])
    assert wants_of(chosen) == {("golang-1.19-go", "jq")}
    assert wants_of(chosen, ["jq"]) == {("golang-1.19-go",)}
