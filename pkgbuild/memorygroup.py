"""A control group that limits a sandbox's memory, where the kernel's files may be written: cgroup v1 and v2."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import sha256_bytes
from kubedeb.records import frozen
from pkgbuild.sandbox import Bind

PREFIX = "kubedeb-"
CONTROLLERS = "cgroup.subtree_control"
# What has no swap has no limit of it either: then the file is not there.
LIMITS = {1: ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"), 2: ("memory.max", "memory.swap.max")}
INSIDE = {1: "/sys/fs/cgroup/memory", 2: "/sys/fs/cgroup"}
"""Where the sandbox sees its group, so that it can be asked how often the kernel killed (`whyfailed.OOM_FILES`)."""
MOUNT = re.compile(r"^\S+ \S+ \S+ (?P<root>\S+) (?P<point>\S+) .* - (?P<kind>cgroup2?) \S+ (?P<options>\S+)$", re.MULTILINE)
ENTER = 'echo 0 >"$1/cgroup.procs" || { echo "enter: the control group $1 takes no process" >&2; exit 125; }; shift; exec "$@"'


@frozen
class Place:
    """The control group of this process that can limit memory: of which version, and its folder."""

    version: int
    folder: Path


def place(groups: str, mounts: str) -> Place | None:
    """Return it from /proc/self/cgroup and /proc/self/mountinfo, None when neither version is mounted; pure.

    Memory belongs to one version at a time: to v1 where a hierarchy of v1 has it (cgroups(7)).
    """
    own = dict(line.split(":", 2)[1:] for line in groups.splitlines())
    for mount in MOUNT.finditer(mounts):
        if mount["kind"] == "cgroup" and "memory" in mount["options"].split(","):
            path = next((path for names, path in own.items() if "memory" in names.split(",")), None)
            return Place(1, _below(mount, path)) if path else None
    for mount in MOUNT.finditer(mounts):
        if mount["kind"] == "cgroup2" and "" in own:
            return Place(2, _below(mount, own[""]))
    return None


def _below(mount: re.Match[str], path: str) -> Path:
    """Return the folder of a group; a container sees a part of the hierarchy as the whole."""
    inner = PurePosixPath(path)
    within = inner.relative_to(mount["root"]) if inner.is_relative_to(mount["root"]) else PurePosixPath()
    return Path(mount["point"]) / within


@frozen
class MemoryGroup:
    """A group that is made: what enters it does not leave it."""

    version: int
    folder: Path

    def entering(self) -> list[str]:
        """Return the words that stand before a command, so that it and all that it starts are in the group."""
        return ["sh", "-c", ENTER, "sh", str(self.folder)]

    def bind(self) -> Bind:
        """Return what shows the group's own count to the sandbox, read-only."""
        return Bind(self.folder, INSIDE[self.version])


@contextmanager
def memory_group(limit: int) -> Iterator[MemoryGroup]:
    """Give a group of this process's own with a limit in bytes, swap included; it is gone afterwards.

    Raises `KubedebError` (SANDBOX) that says what is missing where no group can be made.
    """
    try:
        found = place(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())
    except OSError as error:
        raise _refused(str(error)) from error
    if found is None:
        raise _refused("no control group of this machine limits memory")
    group = MemoryGroup(found.version, found.folder / f"{PREFIX}{os.getpid()}-{sha256_bytes(os.urandom(8))[:8]}")
    try:
        _sweep(found.folder)
        if found.version == 2 and "memory" not in (found.folder / CONTROLLERS).read_text().split():
            (found.folder / CONTROLLERS).write_text("+memory")
        group.folder.mkdir()
    except OSError as error:
        raise _refused(f"{error.filename}: {error.strerror}") from error
    try:
        _limit(group, limit)
        yield group
    finally:
        _remove(group.folder)


def _limit(group: MemoryGroup, limit: int) -> None:
    memory, swap = LIMITS[group.version]
    try:
        (group.folder / memory).write_text(str(limit))
        if (group.folder / swap).exists():  # v1 counts both together, v2 swap alone
            (group.folder / swap).write_text(str(limit) if group.version == 1 else "0")
    except OSError as error:
        raise _refused(f"{error.filename}: {error.strerror}") from error


def _refused(why: str) -> KubedebError:
    return KubedebError(
        "the unshare sandbox cannot limit memory here", details=why,
        hint="A user needs a control group of its own (systemd-run --user --scope -p Delegate=yes COMMAND). Or build without "
        "--memory, or in docker: --sandbox docker",
        code=ExitCode.SANDBOX,
    )  # fmt: skip


def _remove(folder: Path, *, seconds: float = 5) -> None:
    """Remove a group; its last processes may still be ending, and the kernel refuses until they have."""
    ends = time.monotonic() + seconds
    while folder.is_dir() and time.monotonic() < ends:
        with suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.02)


def _sweep(parent: Path) -> None:
    """Remove the groups of runs that were killed: their names hold the process id."""
    for folder in parent.glob(f"{PREFIX}[0-9]*-*"):
        process = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", process).exists():
            with suppress(OSError):
                folder.rmdir()
