"""The commands that a failure ends with, and the libraries that strace brings along."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from pkgbuild.commands.options import SIZE, again
from pkgbuild.conditions import Conditions
from pkgbuild.tracing import libraries

SPEC: Any = SimpleNamespace(recipe="etcd", version="3.4.23")
SIZES = {"1": 1, "2K": 2048, "512M": 512 * 1024**2, "3G": 3 * 1024**3}


def test_the_command_finds_the_same_recipe_again() -> None:
    assert Conditions().look_inside(SPEC) == "kubedeb build etcd@3.4.23 --shell"
    where = again("trixie", "amd64", [Path("/my recipes")], Path("/store"), None, [])
    assert Conditions(again=where).look_inside(SPEC) == (
        "kubedeb build etcd@3.4.23 --recipes '/my recipes' --suite trixie --store /store --shell"
    )
    limited = Conditions(512 * 1024**2, 90, again=where)
    assert limited.look_inside(SPEC).endswith("--store /store --memory 536870912 --time-limit 90 --shell")
    assert limited.lock_missing().endswith("--missing --recipes '/my recipes' --suite trixie --store /store")
    assert Conditions(again=("--arch", "arm64")).trace(SPEC) == "kubedeb build etcd@3.4.23 --arch arm64 --trace-network"


def test_what_stands_on_other_recipes_is_looked_into_with_them() -> None:
    other: Any = SimpleNamespace(recipe="library", version="2")
    shown = Conditions(again=("--suite", "trixie")).beside([other]).look_inside(SPEC)
    assert shown == "kubedeb build etcd@3.4.23 library@2 --suite trixie --shell"


@pytest.mark.parametrize("text", SIZES)
def test_sizes(text: str) -> None:
    assert SIZE.convert(text, None, None) == SIZES[text]


@pytest.mark.parametrize("text", ["", "0", "1.5G", "2T", "G", "-1"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(click.UsageError, match="is no size, such as 512M or 2G"):
        SIZE.convert(text, None, None)


def test_what_ldd_lists() -> None:
    listed = """\
\tlinux-vdso.so.1 (0x00007fe2bf731000)
\tlibunwind.so.8 => /lib/x86_64-linux-gnu/libunwind.so.8 (0x00007fe2bf6b2000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fe2bf21e000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007fe2bf733000)
"""
    names = [str(path) for path in libraries(listed)]
    assert names == ["/lib/x86_64-linux-gnu/libunwind.so.8", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]
