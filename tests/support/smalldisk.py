"""A disk that is soon full: a file system in memory, for root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rootonly import root_only


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount one of `size` (`8m`) at `folder`/disk while the block runs; the test is skipped for anybody but root."""
    root_only("mounts a file system")
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
