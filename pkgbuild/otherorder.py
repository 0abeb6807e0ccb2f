"""Another order of files for the second build of `--check`: its folder lies in memory, where the newest file is listed first.

A file system on a disk lists by a hash of the name or by age. disorderfs would need /dev/fuse, which an ordinary user may
not open; a folder below /dev/shm is had by everybody, and both sandboxes can be given it.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kubedeb.errors import ExitCode, storage_errors
from pkgbuild.session import is_dead
from pkgbuild.unsharesandbox import remove_tree

MEMORY = Path("/dev/shm")  # noqa: S108 - the machine's file system in memory, not a place for temporary names
PREFIX, LOCK = "kubedeb-check-", "lock"
EMPTY = ("find", ".", "-mindepth", "1", "-delete")
"""What the builder does at the end, who alone may remove the files of his id."""


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Give an empty folder in memory, which is gone afterwards; what killed runs left there is removed first.

    Raises `KubedebError` (SANDBOX) when the machine has none.
    """
    for left in MEMORY.glob(f"{PREFIX}*"):
        if (left / LOCK).exists() and is_dead(left / LOCK):
            remove_tree(left)
    with storage_errors(f"{MEMORY}, where --check has files listed in another order", ExitCode.SANDBOX):
        around = Path(tempfile.mkdtemp(dir=MEMORY, prefix=PREFIX))
        held = (around / LOCK).open("wb")
    try:
        with held:
            fcntl.flock(held, fcntl.LOCK_EX)
            around.chmod(0o755)
            (around / "build").mkdir()
            yield around / "build"
    finally:
        remove_tree(around)
