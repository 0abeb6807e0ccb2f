"""What a root holds at one moment, and what differs between two moments; pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

# What every run of dpkg touches, and what belongs to nobody's package.
PASSING = (
    "/var/lib/dpkg/*", "/var/log/*", "/var/cache/*", "/run/*", "/tmp/*", "/etc/ld.so.cache",  # noqa: S108
    "/root/*",
    "/etc/passwd*", "/etc/group*", "/etc/shadow*", "/etc/gshadow*", "/etc/subuid*", "/etc/subgid*", "/etc/.pwd.lock",
    "/var/lib/systemd/catalog/*", "/var/lib/apt/*",
)  # fmt: skip
FIELDS = 7


@dataclass(frozen=True)
class Thing:
    """A file, folder or link: find's letter for its kind, mode in octal, uid:gid, size in bytes, time of change, target."""

    kind: str
    mode: str
    owner: str
    size: str
    changed: str
    target: str


@dataclass(frozen=True)
class Snapshot:
    """Everything that an installation could leave behind: files by path, users and groups by name, packages with their
    state, running programs by process id.
    """

    files: Mapping[str, Thing]
    users: frozenset[str]
    groups: frozenset[str]
    packages: frozenset[str]
    processes: Mapping[str, str]


def parse(files: str, users: str, groups: str, packages: str, processes: str) -> Snapshot:
    """Return the snapshot that the collecting commands printed.

    `files`: records ended by NUL with the fields of `Thing` after the path, tab-separated; the others a line each:
    passwd(5), group(5), `PACKAGE STATE VERSION`, `PID PROGRAM`.
    """
    things = {}
    # A folder's time and size change with what is in it: only what it is counts.
    for record in filter(None, files.split("\0")):
        path, kind, mode, owner, size, changed, target = record.rsplit("\t", FIELDS - 1)
        folder = kind == "d"
        things[path] = Thing(kind, mode, owner, "" if folder else size, "" if folder else changed, target)
    return Snapshot(
        things,
        frozenset(line.split(":")[0] for line in users.splitlines()),
        frozenset(line.split(":")[0] for line in groups.splitlines()),
        frozenset(packages.splitlines()),
        dict(line.split(" ", 1) for line in processes.splitlines() if " " in line),
    )


def left_behind(before: Snapshot, installed: Snapshot, after: Snapshot, ours: frozenset[str] = frozenset()) -> list[str]:
    """Return what a package left of itself, changed or took away, once it is purged.

    System users and groups that it made when it was installed stay. `ours` are paths that the test itself made (with the
    folders above them) and that must still be there.
    """
    above = {str(folder) for path in ours for folder in PurePosixPath(path).parents}
    found = [
        f"left {path} behind" for path in sorted(after.files.keys() - before.files.keys() - ours - above) if not passing(path)
    ]
    found += [f"took {path} away" for path in sorted(before.files.keys() - after.files.keys()) if not passing(path)]
    found += [
        f"changed {path}" for path in sorted(before.files.keys() & after.files.keys())
        if before.files[path] != after.files[path] and not passing(path)
    ]  # fmt: skip
    found += [f"deleted {path}, which is not its own" for path in sorted(ours - after.files.keys())]
    found += [f"deleted the user {name}" for name in sorted(installed.users - after.users)]
    found += [f"deleted the group {name}" for name in sorted(installed.groups - after.groups)]
    found += [f"left the package {line}" for line in sorted(after.packages - before.packages)]
    found += [f"changed the package {line}" for line in sorted(before.packages - after.packages)]
    return found


def started(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the programs that run now and did not before."""
    return [f"{program} runs" for pid, program in sorted(after.processes.items()) if pid not in before.processes]


def enabled(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the links that enable units and were not there before."""
    return [
        path for path in sorted(after.files.keys() - before.files.keys())
        if after.files[path].kind == "l" and "/systemd/system/" in path and (".wants/" in path or ".requires/" in path)
    ]  # fmt: skip


def state_folders(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the folders directly below /var/lib that are there now and were not before."""
    new = (path for path in sorted(after.files.keys() - before.files.keys()) if after.files[path].kind == "d")
    return [path for path in new if path.startswith("/var/lib/") and path.count("/") == 3 and not passing(path)]


def passing(path: str) -> bool:
    """Say whether a path is nobody's concern."""
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in PASSING)
