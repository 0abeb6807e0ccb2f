"""A package is read once for everybody who judges it."""

from __future__ import annotations

from pathlib import Path

import pytest

import debs
from kubedeb.deb import read_contents
from pkgbuild import reading
from pkgbuild.reading import Readings, read_package
from pkgbuild.upgradechecks import is_kept, read_subject


def test_one_pass_gives_what_each_reader_would_see(tmp_path: Path) -> None:
    package = debs.write_deb(tmp_path, "hello", "1.0-1")
    found = read_package(package)
    assert found.contents == read_contents(package, is_kept) == read_subject(package).contents
    assert found.sha1.keys() == {entry.path for entry in found.contents.entries if entry.kind == "file"}


def test_a_build_reads_each_package_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (debs.write_deb(tmp_path, name, "1.0-1") for name in ("one", "two"))
    asked: list[Path] = []
    real = reading.read_package
    monkeypatch.setattr(reading, "read_package", lambda path: asked.append(path) or real(path))
    readings = Readings()
    assert readings.of(one) is readings.of(one)
    assert readings.of(two).contents.deb.name == "two"
    assert asked == [one, two]
