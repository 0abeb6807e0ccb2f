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
SAMPLE = 3
PARTS = 6
"""Of every call that a run can be killed at: each part takes a minute or two."""
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
# What a kit does: it is made from one cache, and taken into another with a store.
KIT = "import sys, kitsample; from pathlib import Path; kitsample.carry(Path(sys.argv[1]))"
KIT_CHECK = (
    "import sys, kitsample; from pathlib import Path; print('held' if kitsample.whole(Path(sys.argv[1])) else 'nothing')"
)
# What an update of a base and of a layer on it does, mmdebstrap and the mirror left out.
BASE = "import sys, basesample; from pathlib import Path; basesample.update(Path(sys.argv[1]))"
BASE_CHECK = (
    "import sys, basesample; from pathlib import Path; print('held' if basesample.whole(Path(sys.argv[1])) else 'nothing')"
)
WORK = {"build": (PROGRAM, CHECK), "kit": (KIT, KIT_CHECK), "base": (BASE, BASE_CHECK)}
TOP = Path(__file__).parents[3]


def python(program: str, folder: Path, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", program, str(folder)]
    environment = {"PYTHONPATH": f"{TOP}:{TOP}/tests/support", "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=False, timeout=600)


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "file").write_bytes(b"source" * 1000)
    return folder


def points(work: str, folder: Path) -> list[tuple[str, int]]:
    """Return every call of a run at which it can be killed."""
    trace = folder / "trace"
    done = python(WORK[work][0], folder, "strace", "-qq", "-o", str(trace), "-e", f"trace={','.join(WRITING)}")
    assert done.returncode == 0, done.stderr
    made = Counter(line.partition("(")[0] for line in trace.read_text().splitlines() if "(" in line)
    return [(call, number) for call, count in sorted(made.items()) for number in range(1, count + 1)]


def killed(work: str, folder: Path, call: str, number: int) -> str:
    """Kill a run at one call; return what is there then, having seen that it is whole and that the next run completes it."""
    program, check = WORK[work]
    inject = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}"]
    done = python(program, fresh(folder), *inject)
    assert done.returncode in (-9, 137), (call, number, done.returncode, done.stderr)
    found = python(check, folder)
    assert found.returncode == 0, (call, number, found.stderr)
    assert python(program, folder).returncode == 0
    after = python(check, folder)
    assert after.stdout == "held\n", (call, number, after.stderr)
    left = [path.name for path in (folder / "store").rglob("*") if path.name.startswith(".") or path.name.startswith("run-")]
    assert left == [], (call, number)
    return found.stdout.strip()


# A build by Go, without the sandbox between: a copy of the cache, new entries in it, its swap, and what is surplus goes.
COMPILES = """\
import sys
from pathlib import Path
sys.path[:0] = ["tests/unit/pkgbuild"]
import test_compilecache as sample
from pkgbuild.session import session
folder, mark = Path(sys.argv[1]), Path(sys.argv[1]).name
with session(folder):
    with sample.compile_cache(folder, sample.SPEC) as bind:
        for name in [f"{number}-{kind}" for number in range(4) for kind in "ad"]:
            (bind.source / name).unlink(missing_ok=True)
            (bind.source / name).write_text(name * 1000)
        (bind.source / sys.argv[2]).write_text(sys.argv[2])
"""
WHOLE = {f"{number}-{kind}" for number in range(4) for kind in "ad"}
SWAPPING = ("rename", "flock", "sync", "link", "linkat", "mkdir", "unlink", "unlinkat", "rmdir")


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def compiled(folder: Path, mark: str, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", COMPILES, str(folder), mark]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize(
    ("call", "number"),
    [*(pytest.param(*point, marks=pytest.mark.turn("killed compile caches")) for point in (("rename", 2), ("sync", 1))),
     *(pytest.param(call, number, marks=pytest.mark.long) for call in SWAPPING for number in range(1, 6))],
)  # fmt: skip
def test_a_killed_build_leaves_a_whole_compile_cache_or_none(call: str, number: int, tmp_path: Path) -> None:
    assert compiled(tmp_path, "one").returncode == 0
    [kept] = (tmp_path / "compile").iterdir()
    inject = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}"]
    died = compiled(tmp_path, "two", *inject).returncode != 0
    left = files(kept)
    assert left in (set(), {*WHOLE, "one"}, {*WHOLE, "one", "two"})
    assert all((kept / name).read_text() == name * 1000 for name in left & WHOLE)
    assert died or "two" in left
    assert compiled(tmp_path, "three").returncode == 0
    assert files(kept) == {*left, *WHOLE, "three"}
    assert list((tmp_path / "tmp").iterdir()) == []
    assert [path.name for path in (tmp_path / "locks").glob("run-*")] == []


@pytest.mark.turn("kills")
@pytest.mark.parametrize("work", WORK)
def test_killed_at_some_calls(work: str, tmp_path: Path) -> None:
    every = points(work, fresh(tmp_path / "run"))
    chosen = random.Random(seed()).sample(every, SAMPLE)  # noqa: S311 - which calls, not a secret
    renames = [point for point in every if point[0].startswith("rename")]
    seen = {killed(work, tmp_path / "run", *point) for point in [*chosen, renames[0], *every[-1:]]}
    assert seen <= {"held", "nothing"}


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("work", WORK)
def test_killed_at_every_call(work: str, part: int, tmp_path: Path) -> None:
    every = points(work, fresh(tmp_path / "run"))[part::PARTS]
    assert len(every) > 5
    assert {killed(work, tmp_path / "run", *point) for point in every} <= {"held", "nothing"}
