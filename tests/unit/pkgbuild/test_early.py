"""What is read while the build goes on: begun by the hook's line alone, and of no account when it fails."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, cast

import pytest

import debs
from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.early import PACKED, Early, early
from pkgbuild.reading import Readings
from pkgbuild.sandbox import PLAIN, Sandbox
from pkgbuild.unsharesandbox import open_below

DEB = debs.deb()
FILES = b"x_1_amd64.deb net optional\n../evil.deb net optional\nx_1_amd64.buildinfo net optional\n"


class Built:
    """A sandbox with these files, of which `peek` sees those that are not withheld."""

    surroundings = PLAIN

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []

    def peek(self, path: str, target: Path) -> bool:
        self.asked.append(path)
        if path not in self.files:
            return False
        target.write_bytes(self.files[path])
        return True


def heard(tmp_path: Path, files: dict[str, bytes], *blocks: bytes) -> tuple[Early, Built, bytes]:
    log, built = io.BytesIO(), Built(files)
    with early(cast("Sandbox", built), "/build/x-1", tmp_path, Readings().of) as known:
        hearing: Any = known.hearing(log)
        for block in blocks:
            hearing.write(block)
            hearing.flush()
    return known, built, log.getvalue()


def test_packages_are_read_when_the_hook_says_so(tmp_path: Path) -> None:
    line = f"before\n{PACKED}\nafter {PACKED}\n".encode()
    files = {"/build/x-1/debian/files": FILES, "/build/x_1_amd64.deb": DEB}
    known, built, said = heard(tmp_path, files, line[:20], line[20:], b"end")
    assert said == line + b"end"
    assert known.sha256 == {"x_1_amd64.deb": Readings().of(tmp_path / "x_1_amd64.deb").contents.deb.sha256}
    assert built.asked == ["/build/x-1/debian/files", "/build/x_1_amd64.deb"]  # once, and nothing that leads elsewhere
    assert [path.name for path in tmp_path.iterdir()] == ["x_1_amd64.deb"]


def test_without_the_line_nothing_is_read(tmp_path: Path) -> None:
    known, built, _ = heard(tmp_path, {}, PACKED[:-1].encode(), b"!")
    assert (known.sha256, built.asked) == ({}, [])


@pytest.mark.parametrize(
    "files",
    [{}, {"/build/x-1/debian/files": FILES}, {"/build/x-1/debian/files": FILES, "/build/x_1_amd64.deb": b"no package"}],
)
def test_what_cannot_be_read_early_is_left_for_later(files: dict[str, bytes], tmp_path: Path) -> None:
    known, _, _ = heard(tmp_path, files, PACKED.encode())
    assert known.sha256 == {}


def test_a_sandbox_that_fails_is_left_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bool:
        raise KubedebError("the daemon is gone", code=ExitCode.SANDBOX)

    monkeypatch.setattr(Built, "peek", fail)
    assert heard(tmp_path, {}, PACKED.encode())[0].sha256 == {}


def test_a_link_is_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "upper/build").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "upper/build/x.deb").symlink_to(tmp_path / "secret")
    (tmp_path / "upper/out").symlink_to(tmp_path)
    (tmp_path / "upper/build/file").write_text("file")
    for path in ("/build/x.deb", "/out/secret", "/build/missing", "/build/file/below"):
        with pytest.raises(OSError, match=r"Errno"):
            open_below(tmp_path / "upper", path)
    with os.fdopen(open_below(tmp_path / "upper", "/build/file")) as stream:
        assert stream.read() == "file"
