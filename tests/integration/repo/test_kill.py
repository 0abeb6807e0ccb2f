"""Killed at any system call that writes, a publish leaves the old or the new generation, and the next one completes it."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from kubedeb.errors import ExitCode
from repo.keys import short_name_prefix
from repositories import VERSIONS, Made
from testseed import seed

BEFORE, AFTER = [VERSIONS[2]], list(VERSIONS)
WRITING = ("rename", "renameat", "renameat2", "fsync", "fdatasync", "write", "pwrite64", "unlink", "unlinkat", "rmdir", "mkdir",
           "symlink", "link", "chmod", "fchmod", "ftruncate")  # fmt: skip
SAMPLE = 12


def strace(made: Made, *options: str) -> subprocess.CompletedProcess[bytes]:
    """Run `publish` under strace. Python's own main thread does all the writing, so children are not followed unless asked."""
    command = ["strace", "-qq", "-o", str(made.folder / "trace"), *options, sys.executable, "-m", "kubedeb"]
    return subprocess.run([*command, "repo", "publish", "-r", str(made.root), "bookworm"], capture_output=True, check=False, timeout=120)  # fmt: skip # noqa: E501


def check(made: Made) -> list[str]:
    """Return what a client sees after the kill, having seen that it and the next publish are content."""
    client = made.client("waiting")
    answer = client.update()
    assert answer.clean, answer.text
    seen = client.versions()
    assert seen in (BEFORE, AFTER)
    assert made.repo("publish", "bookworm") == 0
    assert made.repo("verify") == 0
    answer = client.update()
    assert answer.clean, answer.text
    assert client.versions() == AFTER
    assert not (made.root / "staging").exists()
    assert made.agent_is_gone()
    assert list(Path(tempfile.gettempdir()).glob(f"{short_name_prefix(made.root / 'gnupg')}*")) == []
    return seen


def kill_at(made: Made, call: str, number: int) -> list[str]:
    """Kill a publish at the `number`th time that it makes a call, and return what a waiting client sees."""
    assert made.client("waiting").update().clean
    done = strace(made, "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}")
    assert done.returncode in (-9, 137), (call, number, done.returncode, done.stderr.decode())
    return check(made)


def points(copied: Callable[[str], Made]) -> list[tuple[str, int]]:
    """Return every point at which a publish can be killed: strace counts each call for itself."""
    made = copied("counted")
    done = strace(made, "-e", f"trace={','.join(WRITING)}")
    assert done.returncode == 0, done.stderr.decode()
    names = (line.partition("(")[0] for line in (made.folder / "trace").read_text().splitlines())
    counted = Counter(name for name in names if name in WRITING)
    assert {"rename", "fsync", "write", "mkdir"} <= set(counted)
    return [(call, number) for call in sorted(counted) for number in range(1, counted[call] + 1)]


def test_a_kill_at_any_point_leaves_the_old_or_the_new(copied: Callable[[str], Made]) -> None:
    everywhere = points(copied)
    renames = [point for point in everywhere if point[0] == "rename"]
    chosen = random.Random(seed()).sample(everywhere, SAMPLE)  # noqa: S311 - reproducible on purpose
    # Before and after the moment of going live is always among them.
    seen = [kill_at(copied(f"{index}-{call}-{number}"), call, number)
            for index, (call, number) in enumerate([*chosen, renames[0], renames[-1]])]  # fmt: skip
    assert {tuple(versions) for versions in seen} == {tuple(BEFORE), tuple(AFTER)}


@pytest.mark.long
def test_a_kill_at_every_point(copied: Callable[[str], Made]) -> None:
    for call, number in points(copied):
        kill_at(copied(f"{call}-{number}"), call, number)


@pytest.mark.parametrize("when", [1, 2, 5, 20])
def test_a_child_that_is_killed_publishes_nothing_half(copied: Callable[[str], Made], when: int) -> None:
    made = copied("child")
    assert made.client("waiting").update().clean
    # With -f each child counts for itself: gpg, gpgv, sqv or apt dies at its own `when`th write, or python does.
    done = strace(made, "-f", "-e", "trace=write", "-e", f"inject=write:signal=SIGKILL:when={when}")
    assert done.returncode in (0, -9, 137, ExitCode.KEY, ExitCode.CLIENT, ExitCode.REPOSITORY), done.stderr.decode()
    check(made)
