"""What the file system refuses to the one who runs a command: one error, exit status 45, nothing lost."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from kubedeb.errors import ExitCode
from repo.store import FolderStore
from repositories import Made
from smalldisk import small_disk


@pytest.mark.parametrize("command", [("list",), ("stats",), ("snapshot", "diff"), ("search", "etcd")])
def test_what_may_not_be_read(
    published: Made, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: FolderStore, name: str) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)

    for method in ("read", "tagged"):
        monkeypatch.setattr(FolderStore, method, refuse)
    run = published.repo(*command) if command[0] != "snapshot" else published.snapshot("diff", "bookworm", "bookworm@1")
    assert run == ExitCode.REPOSITORY_STORAGE
    said = capsys.readouterr().err
    assert "Permission denied" in said
    assert "hint: Mend the rights" in said


def test_gc_takes_no_folder_that_it_may_not_read_for_an_empty_one(
    published: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert published.snapshot("create", "kept", "bookworm") == 0
    before = sorted(published.public.rglob("*"))
    real: Callable[..., Any] = os.scandir

    def closed(path: str | Path = ".") -> Any:
        if str(path).endswith("/public/named"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert published.repo("gc") == ExitCode.REPOSITORY_STORAGE
    assert "public/named: Permission denied" in capsys.readouterr().err
    monkeypatch.undo()
    assert sorted(published.public.rglob("*")) == before


def test_a_full_temporary_folder_is_no_damage(
    published: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path, "4k") as disk:
        (disk / "ballast").write_bytes(b"\0" * 4096)
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        assert published.repo("verify") == ExitCode.REPOSITORY_STORAGE
        assert "No space left on device" in capsys.readouterr().err
        monkeypatch.undo()
    assert published.repo("verify") == 0
