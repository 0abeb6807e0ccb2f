import os
import tempfile
from pathlib import Path

import pytest

from repo.keyhome import short_name_prefix
from repo.keys import Keys


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_only_the_short_names_of_this_home_are_swept(tmp_path: Path, temporary: Path) -> None:
    ours, theirs = tmp_path / "a/gnupg", tmp_path / "b/gnupg"
    for home in (ours, theirs):
        home.mkdir(parents=True)
        (home / "key").write_text("secret")
    left, other, empty = (temporary / f"{short_name_prefix(home)}{end}"
                          for home, end in ((ours, "x1"), (theirs, "x2"), (ours, "x3")))  # fmt: skip
    for folder, home in ((left, ours), (other, theirs)):
        folder.mkdir()
        (folder / "home").symlink_to(home)
    empty.mkdir()
    (temporary / f"{short_name_prefix(ours)}file").write_text("not a folder")
    (temporary / f"{short_name_prefix(ours)}link").symlink_to(ours)
    Keys(ours).sweep()
    assert {path.name for path in temporary.iterdir()} == {
        other.name, f"{short_name_prefix(ours)}file", f"{short_name_prefix(ours)}link",
    }  # fmt: skip
    assert (ours / "key").read_text() == (theirs / "key").read_text() == "secret"


def test_what_belongs_to_somebody_else_is_left(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "gnupg"
    (temporary / f"{short_name_prefix(home)}x").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    Keys(home).sweep()
    assert len(list(temporary.iterdir())) == 1
