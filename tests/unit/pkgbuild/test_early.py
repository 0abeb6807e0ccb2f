"""What is read while the build goes on: begun by the hook's line alone, and of no account when it fails."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, cast

import pytest

import debs
from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.early import ALL_MADE, Early, early
from pkgbuild.reading import Readings
from pkgbuild.sandbox import PLAIN, Sandbox
from pkgbuild.unsharesandbox import open_below

DEB = debs.deb()
LISTED = b"".join(b"kubedeb: made %s net optional\n" % name for name in (b"x_1_amd64.deb", b"../evil.deb", b"x_1.dsc"))
ALL = f"{ALL_MADE}\n".encode()


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
    with early(cast("Sandbox", built), tmp_path, Readings().of) as known:
        hearing: Any = known.hearing(log)
        for block in blocks:
            hearing.write(block)
            hearing.flush()
    return known, built, log.getvalue()


def test_packages_are_copied_and_read_when_the_hook_says_so(tmp_path: Path) -> None:
    said = b"before\n" + LISTED + ALL + b"after\n" + LISTED + ALL
    known, built, log = heard(tmp_path, {"/build/x_1_amd64.deb": DEB}, said[:20], said[20:50], said[50:], b"end")
    assert log == said + b"end"
    assert known.copied() == {"x_1_amd64.deb"}
    assert known.sha256() == {"x_1_amd64.deb": Readings().of(tmp_path / "x_1_amd64.deb").contents.deb.sha256}
    assert built.asked == ["/build/x_1_amd64.deb"]  # once, and nothing that leads elsewhere
    assert [path.name for path in tmp_path.iterdir()] == ["x_1_amd64.deb"]


def test_what_is_told_of_later_is_copied_too(tmp_path: Path) -> None:
    files = {"/build/x_1_amd64.deb": DEB, "/build/x_1_amd64.buildinfo": b"Format: 1.0\n"}
    later = LISTED + b"kubedeb: made x_1_amd64.buildinfo net optional\n" + ALL
    known, built, _ = heard(tmp_path, files, LISTED + ALL, later, later)
    assert known.copied() == {"x_1_amd64.deb", "x_1_amd64.buildinfo"}
    assert built.asked == ["/build/x_1_amd64.deb", "/build/x_1_amd64.buildinfo"]
    assert known.sha256().keys() == {"x_1_amd64.deb"}


@pytest.mark.parametrize("said", [LISTED, LISTED + ALL[:-2], LISTED + b"echo " + ALL, ALL])
def test_without_the_lines_nothing_is_copied(said: bytes, tmp_path: Path) -> None:
    known, built, _ = heard(tmp_path, {"/build/x_1_amd64.deb": DEB}, said, b"!")
    assert (known.copied(), known.sha256(), built.asked) == (set(), {}, [])


def test_a_package_that_is_none_is_copied_and_left_for_later(tmp_path: Path) -> None:
    known, _, _ = heard(tmp_path, {"/build/x_1_amd64.deb": b"no package"}, LISTED + ALL)
    assert (known.copied(), known.sha256()) == ({"x_1_amd64.deb"}, {})


def test_a_sandbox_that_fails_is_left_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bool:
        raise KubedebError("the daemon is gone", code=ExitCode.SANDBOX)

    assert heard(tmp_path, {}, LISTED + ALL)[0].copied() == set()
    monkeypatch.setattr(Built, "peek", fail)
    assert heard(tmp_path, {"/build/x_1_amd64.deb": DEB}, LISTED + ALL)[0].copied() == set()


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
