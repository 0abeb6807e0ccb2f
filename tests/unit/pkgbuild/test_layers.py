"""What a layer is: read from apt's simulation, named by its base and its wants, the same bytes read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pkgbuild.apt import IndexEntry
from pkgbuild.layers import Layer, layer_name, to_install
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
