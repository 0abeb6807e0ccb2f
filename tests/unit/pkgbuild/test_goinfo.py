"""Go's build information, in both formats, laid out in bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goprograms import OFFSET, TEXT, elf, inline, pointed
from pkgbuild.goinfo import MAGIC, GoBuild, GoModule, parse, read_go

FOUND = GoBuild(
    "go1.21.3",
    GoModule("example.org/prog", "v1.2.0", "h1:main="),
    (GoModule("example.org/new", "v2.0.0", "h1:new="), GoModule("golang.org/x/sys", "v0.1.0", "h1:sys=")),
)


@pytest.mark.parametrize(
    "data",
    [
        inline("go1.21.3", TEXT),
        pointed("go1.21.3", TEXT),
        pointed("go1.21.3", TEXT, ">"),
        pointed("go1.21.3", TEXT, wide=False),
        pointed("go1.21.3", TEXT, ">", wide=False),
        elf(MAGIC.ljust(32, b"x") + inline("go1.21.3", TEXT)[OFFSET:]),  # the mark alone is not yet the information
    ],
    ids=["inline", "pointed", "pointed big endian", "pointed 32 bit", "pointed 32 bit big endian", "a false mark before"],
)
def test_both_formats_say_the_same(data: bytes) -> None:
    assert read_go(data) == FOUND


def test_without_modules_there_is_the_toolchain() -> None:
    assert read_go(inline("go1.19.8 X:boringcrypto", "")) == GoBuild("go1.19.8", None, ())
    assert read_go(pointed("go1.15.9", "")) == GoBuild("go1.15.9", None, ())


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n" + inline("go1.21.3", TEXT), elf(b"no mark in it"), elf(MAGIC)])
def test_what_is_no_go_program_says_nothing(data: bytes) -> None:
    assert read_go(data) is None


@given(st.sampled_from([inline("go1.21.3", TEXT), pointed("go1.21.3", TEXT)]), st.data())
def test_damaged_programs_are_read_without_an_error(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data) - 1))
    changed = data[:at] + draw.draw(st.binary(min_size=1, max_size=9)) + data[at + 1 :]
    read_go(changed[: draw.draw(st.integers(0, len(changed)))])


WORD = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=12)


@given(st.lists(st.builds(GoModule, WORD, WORD, WORD), max_size=9), WORD)
def test_reading_is_the_inverse_of_writing(modules: list[GoModule], version: str) -> None:
    text = "".join(f"dep\t{one.path}\t{one.version}\t{one.sum}\n" for one in modules)
    wanted = GoBuild(f"go{version}", None, tuple(sorted(set(modules))))
    assert parse(f"go{version}", text) == wanted
    assert read_go(inline(f"go{version}", text)) == wanted
    assert read_go(pointed(f"go{version}", text)) == wanted
