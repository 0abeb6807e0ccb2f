"""A full or read-only disk: a clear error, exit code 45, and clients see what they saw."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubedeb.errors import ExitCode
from repositories import VERSIONS, Made
from smalldisk import small_disk


@pytest.fixture
def small(template: Made, tmp_path: Path) -> Iterator[Made]:
    """A copy of the template on a disk of its own, of 4 MiB."""
    with small_disk(tmp_path, "4m") as disk:
        shutil.copytree(template.root, disk / "repository", copy_function=shutil.copy2)
        yield Made(disk / "repository", template.packages, tmp_path)


def fill(made: Made, leave: int) -> Path:
    """Fill the disk but for `leave` bytes."""
    ballast = made.root / "ballast"
    free = shutil.disk_usage(made.root).free
    ballast.write_bytes(b"\0" * max(0, free - leave))
    return ballast


def test_a_full_disk_leaves_the_published_tree_as_it_was(small: Made, capsys: pytest.CaptureFixture[str]) -> None:
    client, codes = small.client(), []
    assert client.update().clean
    for pages in (0, 1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 32):
        ballast = fill(small, pages * 4096)
        capsys.readouterr()
        codes.append(small.repo("publish", "bookworm"))
        message = capsys.readouterr().err
        ballast.unlink()
        assert client.update().clean
        if codes[-1] == 0:
            break
        assert codes[-1] == ExitCode.REPOSITORY_STORAGE, message
        assert "No space left on device" in message or "database or disk is full" in message
        live = "is live" in message
        assert client.versions() == (list(VERSIONS) if live else [VERSIONS[2]]), message
        if live:
            break
    assert len(codes) > 3
    assert small.repo("publish", "bookworm") == 0
    assert small.repo("verify") == 0
    assert client.update().clean
    assert client.versions() == list(VERSIONS)


def test_add_on_a_full_disk_adds_nothing(small: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from debs import write_deb

    packages = [write_deb(tmp_path / "more", "tools", f"1.{number}") for number in range(3)]
    ballast = fill(small, 2 * 4096)
    assert small.repo("add", "--suite", "bookworm", *packages) == ExitCode.REPOSITORY_STORAGE
    assert "hint: Make room" in capsys.readouterr().err
    ballast.unlink()
    assert small.repo("list", "tools") == 0
    assert "tools" not in capsys.readouterr().out
    assert small.repo("add", "--suite", "bookworm", "--publish", *packages) == 0


def test_a_read_only_disk(small: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small.root.parent], check=True)
    assert small.repo("publish", "bookworm") == ExitCode.REPOSITORY_STORAGE
    assert "Read-only file system" in capsys.readouterr().err
    assert small.repo("list") == 0
    assert small.repo("verify") == 0
