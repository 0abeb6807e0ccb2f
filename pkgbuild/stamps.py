"""Whether files still have the bytes that were hashed once, without reading them again.

A file's size, inode, mtime and ctime stand for its bytes, as in git's index: whoever writes to a file moves its ctime, which
no system call sets back. Two cases a stamp cannot tell are kept out: a file that was written so shortly before it was hashed
that the clock's step hides a second write gets no stamp, and a file with a stamp was made durable before it got one, so a
power cut does not leave other bytes behind the same stamp. What stamps cannot see is a disk that rots: `--verify` reads all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from kubedeb.files import canonical_json, sha256_of, write_text

STEP_NS = 100_000_000
"""Longer than the step of any file system's clock but FAT's, in nanoseconds."""


def stamp(path: Path) -> list[int]:
    """Return size, inode, mtime and ctime (both in nanoseconds) of a file, links not followed."""
    status = path.lstat()
    return [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]


def unchanged(files: Mapping[Path, str], record: Path, *, verify: bool = False) -> bool:
    """Say whether each file has the sha256 (hex) that is asked of it; `record` holds the stamps of those that had.

    Files whose stamps are not the recorded ones are hashed, all of them with `verify`. Raises `OSError` when one is gone.
    """
    began = time.time_ns()
    stamps = {path: stamp(path) for path in files}
    found = {path.name: [sha256, *stamps[path]] for path, sha256 in files.items()}
    known = {} if verify else _read(record)
    doubtful = [path for path in files if known.get(path.name) != found[path.name]]
    if any(sha256_of(path) != files[path] for path in doubtful):
        return False
    settled = all(entry[-1] < began - STEP_NS for entry in stamps.values())
    # One who may read the store and not write it hashes each time.
    if doubtful and settled and all(stamp(path) == stamps[path] for path in files):
        with suppress(OSError):
            write_text(record, canonical_json(found))
    return True


def _read(record: Path) -> dict[str, list[object]]:
    try:
        data = json.loads(record.read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
