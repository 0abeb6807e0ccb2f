from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import canonical_json, replacing, sha256_bytes, sha256_of, write_bytes, write_text


def test_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep/file"
    write_text(path, "é", mode=0o600, sync=True)
    assert path.read_text() == "é"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sha256_of(path) == sha256_bytes("é".encode())


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as stream:
        stream.write(b"new" * (1 // 0))
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_equal_values_are_equal_bytes() -> None:
    assert canonical_json({"b": 1, "a": [2]}) == canonical_json({"a": [2], "b": 1})


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(st.text(), max_size=4), st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), inner, max_size=4), st.dictionaries(st.integers(), inner, max_size=3),
        st.dictionaries(st.booleans(), inner), st.dictionaries(st.none(), inner),
    ),
)  # fmt: skip


@given(TREES)
def test_canonical_json_is_what_the_standard_library_writes(tree: object) -> None:
    assert canonical_json(tree) == json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "Make room"),
        (errno.EROFS, "Make room"),
        (errno.EACCES, "Make room"),
        (errno.EXDEV, "Its folders must lie"),
    ],
)
def test_the_disk_speaks_to_the_operator(number: int, hint: str) -> None:
    with pytest.raises(KubedebError) as caught, storage_errors("the store", ExitCode.BUILD_STORAGE):
        raise OSError(number, os.strerror(number), "/somewhere")
    assert caught.value.code == ExitCode.BUILD_STORAGE
    assert "cannot write the store" in caught.value.render()
    assert f"/somewhere: {os.strerror(number)}" in caught.value.render()
    assert caught.value.hint.startswith(hint)


def test_a_rename_names_what_was_to_be_there() -> None:
    with pytest.raises(KubedebError) as caught, storage_errors("the report", ExitCode.PLAN):
        raise IsADirectoryError(errno.EISDIR, "Is a directory", "/tmp/.r.part", None, "/tmp/report")
    assert caught.value.details == "/tmp/report: Is a directory"
