"""Set-up says what it does, does nothing twice, and says what it may not do."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import pytest

from kubedeb.errors import ExitCode
from kubedeb.process import PATH, run
from rootonly import root_only

TOP = Path(__file__).parents[3]
SCRIPT = TOP / "script/bootstrap"

pytestmark = pytest.mark.docker


def tool(folder: Path, name: str, script: str) -> None:
    """Put a program into `folder` that stands before the real one on the path."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_nothing_is_done_twice() -> None:
    run([SCRIPT], code=ExitCode.BUG)
    assert run([SCRIPT], code=ExitCode.BUG).stderr.decode() == "bootstrap: ready\n"


def test_without_the_rights_it_says_which_packages_are_missing(tmp_path: Path) -> None:
    tool(
        tmp_path / "bin", "dpkg-query", 'for name; do :; done; case "$name" in strace|sqv) exit 1;; *) printf installed;; esac'
    )
    tool(tmp_path / "bin", "id", "echo 1000")
    tool(tmp_path / "bin", "sudo", "exit 1")
    result = run([SCRIPT], code=ExitCode.BUG, ok=(1,), env={"PATH": f"{tmp_path / 'bin'}:{PATH}"})
    said = result.stderr.decode()
    assert "these system packages are missing and this user may not install them: sqv strace" in said
    assert "hint: As root: apt-get install sqv strace" in said


def test_without_the_rights_it_says_that_no_daemon_answers(tmp_path: Path) -> None:
    tool(tmp_path / "bin", "id", "echo 1000")
    tool(tmp_path / "bin", "sudo", "exit 1")
    environment = {"PATH": f"{tmp_path / 'bin'}:{PATH}", "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    said = run([SCRIPT], code=ExitCode.BUG, ok=(1,), env=environment).stderr.decode()
    assert "no docker daemon answers and this user may not start one" in said


def test_what_apt_says_is_not_lost(tmp_path: Path) -> None:
    tool(tmp_path / "bin", "dpkg-query", 'for name; do :; done; [ "$name" != strace ] && printf installed')
    tool(tmp_path / "bin", "id", "echo 1000")
    tool(tmp_path / "bin", "sudo", 'shift; "$@"')
    tool(tmp_path / "bin", "apt-get", '[ "$1" = update ] || { echo "dpkg: the reason"; exit 100; }')
    said = run([SCRIPT], code=ExitCode.BUG, ok=(1,), env={"PATH": f"{tmp_path / 'bin'}:{PATH}"}).stderr.decode()
    assert "installing system packages: strace\n" in said
    assert "dpkg: the reason\nerror: apt-get could not install them" in said


def test_all_that_is_needed_is_asked_for_and_nothing_of_it_without_docker(tmp_path: Path) -> None:
    tool(tmp_path / "bin", "dpkg-query", "exit 1")
    tool(tmp_path / "bin", "id", "echo 1000")
    tool(tmp_path / "bin", "sudo", "exit 1")
    environment = {"PATH": f"{tmp_path / 'bin'}:{PATH}"}
    said = run([SCRIPT], code=ExitCode.BUG, ok=(1,), env=environment).stderr.decode()
    missing = set(said.splitlines()[0].rpartition(": ")[2].split())
    assert {"docker.io", "mmdebstrap", "uidmap", "openssh-client", "gnupg", "debian-archive-keyring"} <= missing
    assert run([SCRIPT, "--without-docker"], code=ExitCode.BUG, env=environment).stderr.decode() == "bootstrap: ready\n"


def test_a_user_outside_the_group_docker_is_told_so_at_once(tmp_path: Path) -> None:
    root_only("becomes another user")
    with tempfile.TemporaryDirectory() as name:  # where another user can read it
        copy = Path(name) / "script/bootstrap"
        copy.parent.mkdir()
        shutil.copy(SCRIPT, copy)
        Path(name).chmod(0o755)
        tool(Path(name) / "bin", "sudo", "exit 0")
        began = time.monotonic()
        other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        result = run([*other, copy], code=ExitCode.BUG, ok=(1,), env={"PATH": f"{name}/bin:{PATH}"})
    said = result.stderr.decode()
    assert "this user may not use the docker daemon" in said
    assert "adduser nobody docker" in said
    assert time.monotonic() - began < 20


def test_a_daemon_named_by_docker_host_is_not_started(tmp_path: Path) -> None:
    environment = {"DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    said = run([SCRIPT], code=ExitCode.BUG, ok=(1,), env=environment).stderr.decode()
    assert f"no docker daemon answers at DOCKER_HOST=unix://{tmp_path}/no.sock" in said


def test_an_old_python_is_refused(tmp_path: Path) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        tool(tmp_path / "bin", name, "exit 1")
    said = run([SCRIPT], code=ExitCode.BUG, ok=(1,), env={"PATH": f"{tmp_path / 'bin'}:{PATH}"}).stderr.decode()
    assert "no Python 3.11 or newer" in said
