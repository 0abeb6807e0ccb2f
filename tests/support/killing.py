"""Kill `kubedeb repo …` by strace at the Nth time that it makes a system call that writes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from repositories import Made
from testseed import seed

WRITING = ("rename", "renameat", "renameat2", "fsync", "fdatasync", "write", "pwrite64", "unlink", "unlinkat", "rmdir", "mkdir",
           "symlink", "link", "linkat", "chmod", "fchmod", "ftruncate", "utimensat", "syncfs")  # fmt: skip
Point = tuple[str, int]


def strace(command: str, made: Made, tail: Sequence[str], *options: str) -> subprocess.CompletedProcess[bytes]:
    """Run under strace. Python's own main thread does all the writing, so children are not followed unless asked.

    Raises `AssertionError` after two minutes, with every process that still has the command's output open: it is waited for.
    """
    argv = ["strace", "-qq", "-o", str(made.folder / "trace"), *options, sys.executable, "-m", "kubedeb", "repo", command]
    argv += ["-r", str(made.root), *tail]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as running:
        try:
            out, err = running.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            assert running.stdout is not None
            left = holders(running.stdout.fileno())
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            trace = (made.folder / "trace").read_text().splitlines()[-3:]
            raise AssertionError("\n".join([f"{argv} did not end", *left.values(), "its last calls:", *trace])) from None
    return subprocess.CompletedProcess(argv, running.returncode, out, err)


def holders(descriptor: int) -> dict[int, str]:
    """Return the other processes that have the same pipe open: their command, state and what of the kernel they wait in."""
    pipe, found = Path(f"/proc/self/fd/{descriptor}").readlink(), {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(process.name) != os.getpid() and any(fd.readlink() == pipe for fd in (process / "fd").iterdir()):
                command = (process / "cmdline").read_text().replace("\0", " ")
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
                found[int(process.name)] = f"{process.name} {state} {(process / 'wchan').read_text()} {command}"
    return found


def strace_all(command: str, made: Made, tail: Sequence[str], *options: str) -> subprocess.CompletedProcess[bytes]:
    """Run under strace with all children. An agent that outlives its killed user is ended: strace would wait for it."""
    argv = ["strace", "-qq", "-f", "-o", str(made.folder / "trace"), *options, sys.executable, "-m", "kubedeb", "repo", command]
    deadline = time.monotonic() + 600
    with subprocess.Popen(
        [*argv, "-r", str(made.root), *tail], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as running:
        while time.monotonic() < deadline:
            try:
                out, err = running.communicate(timeout=1)
            except subprocess.TimeoutExpired:
                left = traced_by(running.pid)
                for pid in left if set(left.values()) == {"gpg-agent"} else ():
                    os.kill(pid, signal.SIGTERM)
            else:
                return subprocess.CompletedProcess(argv, running.returncode, out, err)
        running.kill()
    raise AssertionError(f"{argv} did not end")


def traced_by(tracer: int) -> dict[int, str]:
    """Return the processes that another one traces, with their names."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            if int(fields["TracerPid"]) == tracer:
                found[int(status.parent.name)] = fields["Name"]
    return found


def points(command: str, made: Made, tail: Sequence[str]) -> list[Point]:
    """Return every point at which a command can be killed, having run it to its end."""
    done = strace(command, made, tail, "-e", f"trace={','.join(WRITING)}")
    assert done.returncode == 0, done.stderr.decode()
    names = (line.partition("(")[0] for line in (made.folder / "trace").read_text().splitlines())
    counted = Counter(name for name in names if name in WRITING)
    return [(call, number) for call in sorted(counted) for number in range(1, counted[call] + 1)]


def chosen(everywhere: Sequence[Point], sample: int | None, always: str = "rename") -> list[Point]:
    """Return some of the points by the day's seed, the last of the call `always` among them; None: all."""
    if sample is None:
        return list(everywhere)
    some = random.Random(seed()).sample(list(everywhere), sample)  # noqa: S311 - reproducible on purpose
    return [*some, [point for point in everywhere if point[0] == always][-1]]


def kill(command: str, made: Made, tail: Sequence[str], call: str, number: int) -> bool:
    """Kill a command at the `number`th time that it makes a call; return whether it came to that.

    How often it makes one may differ by a few: sockets of gpg's agent are removed by whoever comes first.
    """
    done = strace(command, made, tail, "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}")
    assert done.returncode in (0, -9, 137), (call, number, done.returncode, done.stderr.decode())
    return done.returncode != 0
