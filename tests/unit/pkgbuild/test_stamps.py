"""A stamp stands for a file's bytes only as long as nobody can have written to the file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kubedeb.files import sha256_bytes
from pkgbuild import stamps

DIGEST = sha256_bytes(b"abc")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a file that was written long before now, as far as stamps know."""
    path = tmp_path / "x.deb"
    path.write_bytes(b"abc")
    now = time.time_ns
    monkeypatch.setattr("pkgbuild.stamps.time.time_ns", lambda: now() + 10**9)
    return path


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the list of the files that were read."""
    read: list[Path] = []
    real = stamps.sha256_of

    def counted(path: Path) -> str:
        read.append(path)
        return real(path)

    monkeypatch.setattr(stamps, "sha256_of", counted)
    return read


def ask(file: Path, *, verify: bool = False) -> bool:
    return stamps.unchanged({file: DIGEST}, file.parent / "checked" / "record.json", verify=verify)


def test_a_file_is_read_once_and_with_verify_each_time(file: Path, hashed: list[Path]) -> None:
    assert [ask(file), ask(file), ask(file)] == [True] * 3
    assert hashed == [file]
    assert ask(file, verify=True)
    assert hashed == [file] * 2


def restore_times(file: Path) -> None:
    status = file.stat()
    file.write_bytes(b"abd")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(b"abd")
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)


CHANGES: dict[str, Callable[[Path], object]] = {
    "other bytes": lambda file: file.write_bytes(b"abd"),
    "other bytes, the old mtime": restore_times,
    "another file of the same size and mtime": replace,
    "longer": lambda file: file.write_bytes(b"abcd"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_seen(what: str, file: Path) -> None:
    assert ask(file)
    CHANGES[what](file)
    assert not ask(file)


def test_new_rights_cost_a_hash_and_no_more(file: Path, hashed: list[Path]) -> None:
    assert ask(file)
    time.sleep(0.02)  # longer than a step of the clock
    file.chmod(0o600)
    assert [ask(file), ask(file)] == [True, True]
    assert hashed == [file] * 2


def test_a_file_written_just_now_gets_no_stamp(tmp_path: Path, hashed: list[Path]) -> None:
    path = tmp_path / "x.deb"
    path.write_bytes(b"abc")
    assert [ask(path), ask(path)] == [True, True]
    assert len(hashed) == 2


def test_another_digest_is_asked_for(file: Path) -> None:
    assert ask(file)
    assert not stamps.unchanged({file: "0" * 64}, file.parent / "checked/record.json")


@pytest.mark.parametrize("record", ["", "[]", "{", '{"x.deb": 3}', '{"x.deb": ["' + DIGEST + '", 3]}'])
def test_a_broken_record_is_no_record(record: str, file: Path, hashed: list[Path]) -> None:
    (file.parent / "checked").mkdir()
    (file.parent / "checked/record.json").write_text(record)
    assert ask(file)
    assert hashed == [file]


def test_a_file_that_is_gone_is_an_os_error(file: Path) -> None:
    file.unlink()
    with pytest.raises(FileNotFoundError):
        ask(file)
