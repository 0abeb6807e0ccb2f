"""Killed at any system call that writes, a run leaves whole files or none in store and cache; the next completes it."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from testseed import seed

WRITING = ("rename", "renameat", "renameat2", "fsync", "fdatasync", "write", "unlink", "unlinkat", "rmdir", "mkdir", "chmod",
           "fchmod", "flock")  # fmt: skip
SAMPLE = 4
# What a run does to store and cache, without the sandbox between: fetch, build, record.
PROGRAM = """\
import sys
from pathlib import Path
sys.path[:0] = ["tests/unit/pkgbuild"]
import test_powerloss as sample
from pkgbuild.cache import Cache
from pkgbuild.checksum import Checksum
from pkgbuild.session import session
from pkgbuild.store import Store
folder = Path(sys.argv[1])
store, cache, file = Store(folder / "store"), Cache(folder / "cache"), folder / "file"
with session(store.folder):
    cache.adopt(file, Checksum.sha256("").of(file))
    with store.alone(sample.SPEC, lambda: None, lambda: False):
        if store.result(sample.SPEC) is None:
            sample.fill(store)
"""
CHECK = (
    PROGRAM.partition("with session")[0]
    + """\
held = store.result(sample.SPEC)
assert held in (None, sample.RESULT)
for path in (folder / "cache").rglob("*"):
    assert path.is_dir() or path.name.endswith(".part") or path.read_bytes() == file.read_bytes()
for path in (folder / "store/builds").glob("[!.]*"):
    assert {name: (path / name).read_bytes() for name in sample.FILES} == sample.FILES
print("held" if held else "nothing")
"""
)
TOP = Path(__file__).parents[3]


def python(program: str, folder: Path, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", program, str(folder)]
    environment = {"PYTHONPATH": f"{TOP}:{TOP}/tests/support", "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=False, timeout=60)


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "file").write_bytes(b"source" * 1000)
    return folder


def points(folder: Path) -> list[tuple[str, int]]:
    """Return every call of a run at which it can be killed."""
    trace = folder / "trace"
    done = python(PROGRAM, folder, "strace", "-qq", "-o", str(trace), "-e", f"trace={','.join(WRITING)}")
    assert done.returncode == 0, done.stderr
    made = Counter(line.partition("(")[0] for line in trace.read_text().splitlines() if "(" in line)
    return [(call, number) for call, count in sorted(made.items()) for number in range(1, count + 1)]


def killed(folder: Path, call: str, number: int) -> str:
    """Kill a run at one call; return what is there then, having seen that it is whole and that the next run completes it."""
    inject = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}"]
    done = python(PROGRAM, fresh(folder), *inject)
    assert done.returncode in (-9, 137), (call, number, done.returncode, done.stderr)
    found = python(CHECK, folder)
    assert found.returncode == 0, (call, number, found.stderr)
    assert python(PROGRAM, folder).returncode == 0
    after = python(CHECK, folder)
    assert after.stdout == "held\n", (call, number, after.stderr)
    left = [path.name for path in (folder / "store").rglob("*") if path.name.startswith(".") or path.name.startswith("run-")]
    assert left == [], (call, number)
    return found.stdout.strip()


def test_killed_at_some_calls(tmp_path: Path) -> None:
    every = points(fresh(tmp_path / "run"))
    chosen = random.Random(seed()).sample(every, SAMPLE)  # noqa: S311 - which calls, not a secret
    renames = [point for point in every if point[0].startswith("rename")]
    seen = {killed(tmp_path / "run", *point) for point in [*chosen, renames[0], *every[-1:]]}
    assert seen <= {"held", "nothing"}


@pytest.mark.long
def test_killed_at_every_call(tmp_path: Path) -> None:
    seen = {killed(tmp_path / "run", *point) for point in points(fresh(tmp_path / "run"))}
    assert seen == {"held", "nothing"}
