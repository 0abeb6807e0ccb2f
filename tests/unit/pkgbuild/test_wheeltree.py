"""Wheels become an environment: every file where an installer puts it, bit for bit, and no path of two wheels."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

import samplerecipe
from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.layout import Files, write_tree
from pkgbuild.library import choose, find
from pkgbuild.recipe import Architecture, Suite
from pkgbuild.spec import Expanded, expand
from pkgbuild.wheeltree import place

MODULES = "lib/python3.11/site-packages"
LAID_OUT = f"tree/hello/usr/lib/hello/{MODULES}"
SOURCES = """\
        - kind: wheel
          package: one
          version: "1.0"
          file: one-1.0-py3-none-any.whl
          sha256: ONE
        - kind: wheel
          package: two
          version: "2.0"
          file: two-2.0-py3-none-any.whl
          sha256: TWO
"""
GIVEN = {
    "one": {"one/__init__.py": b"1\n", "one-1.0.data/data/share/one/x": b"x", "one-1.0.data/scripts/one": b"#!python\n"},
    "two": {"two.py": b"2\n", "two-2.0.data/platlib/fast.so": b"\x7fELF"},
}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("one/__init__.py", f"{MODULES}/one/__init__.py"),
        ("one-1.0.dist-info/METADATA", f"{MODULES}/one-1.0.dist-info/METADATA"),
        ("one-1.0.data/purelib/a/b.py", f"{MODULES}/a/b.py"),
        ("one-1.0.data/platlib/c.so", f"{MODULES}/c.so"),
        ("one-1.0.data/data/share/one/x", "share/one/x"),
        ("one-1.0.data/scripts/one", None),
        ("one-1.0.data/headers/one.h", None),
    ],
)
def test_each_kind_of_file_has_its_place(path: str, wanted: str | None) -> None:
    assert place(path, "3.11") == wanted


def wheel(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path), data)
    return out.getvalue()


def laid_out(folder: Path, given: dict[str, dict[str, bytes]]) -> tuple[Expanded, list[str], dict[str, str]]:
    """Lay a recipe with two wheels out; return it, the members' names, and {path: sha256} of what is from the wheels."""
    data = {name: wheel(files) for name, files in given.items()}
    head, _, _ = samplerecipe.RECIPE.partition("        - kind: deb\n")
    text = head.replace("copyright: hello-source/usr/share/doc/hello-source/copyright\n", "")
    text = text.replace("      /usr/bin/hello: hello-source/usr/bin/hello\n", "")
    text = text.replace("    copies:\n", '    environment: {prefix: /usr/lib/hello, python: "3.11"}\n')
    pins = {name.upper(): hashlib.sha256(content).hexdigest() for name, content in data.items()}
    sources = SOURCES.replace("ONE", pins["ONE"]).replace("TWO", pins["TWO"])
    top = samplerecipe.write_recipe(folder, text + sources)
    (top / "hello/debian/copyright").write_text("none\n")
    one = expand(choose(find([top]), ["hello"])[0], Suite.BOOKWORM, Architecture.AMD64)
    for name, content in data.items():
        (folder / name).write_bytes(content)
    out = io.BytesIO()
    copied = write_tree(out, one.spec, one.tree, Files({name: folder / name for name in data}))
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        return one, tar.getnames(), copied


def test_wheels_become_one_environment(tmp_path: Path) -> None:
    one, names, copied = laid_out(tmp_path, GIVEN)
    assert copied == {
        f"{LAID_OUT}/one/__init__.py": hashlib.sha256(b"1\n").hexdigest(),
        "tree/hello/usr/lib/hello/share/one/x": hashlib.sha256(b"x").hexdigest(),
        f"{LAID_OUT}/two.py": hashlib.sha256(b"2\n").hexdigest(),
        f"{LAID_OUT}/fast.so": hashlib.sha256(b"\x7fELF").hexdigest(),
    }
    assert len(set(names)) == len(names)
    assert b"tree/hello/usr/lib/hello usr/lib\n" in one.tree["debian/hello.install"].data


def test_a_path_of_two_wheels_is_refused_by_name(tmp_path: Path) -> None:
    both = {**GIVEN, "two": {"one/__init__.py": b"other\n"}}
    with pytest.raises(KubedebError, match=r"one-1\.0-.*whl and two-2\.0-.*whl both have .*one/__init__\.py") as raised:
        laid_out(tmp_path, both)
    assert raised.value.code is ExitCode.RECIPE


def test_a_wheel_without_a_digest_says_why_and_is_never_expanded(tmp_path: Path) -> None:
    text = samplerecipe.RECIPE + SOURCES.replace("sha256: ONE", "unpinned: it is made elsewhere").replace("TWO", "0" * 64)
    found = find([samplerecipe.write_recipe(tmp_path, text)])
    with pytest.raises(KubedebError, match="source one is not pinned: it is made elsewhere"):
        expand(choose(found, ["hello"])[0], Suite.BOOKWORM, Architecture.AMD64)
