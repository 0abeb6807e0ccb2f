"""What a run holds while it lives, so that a later one can tell what a dead one left and remove it.

Locks are flock(2): the kernel drops them when their holder dies, however it dies.
"""

from __future__ import annotations

import fcntl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.interrupting import interruptible

LOCKS = "locks"
POLL = 0.05
LEFTOVERS = ("builds/.*", "tmp/*", ".check-*", ".farm-*", "*/.*.part", "bases/locks/.*.part", "layers/locks/.*.part",
             f"{LOCKS}/run-*")  # fmt: skip
"""What only a running kubedeb needs; complete results never match."""


@contextmanager
def session(store: Path) -> Iterator[Path]:
    """Sweep the store when nobody else works in it, and yield the file that is locked as long as this run lives.

    SIGTERM ends the run as Ctrl-C does, so that it takes its sandboxes with it. Raises `KubedebError` (BUILD_STORAGE) when the
    store cannot be written.
    """
    with storage_errors(f"the store {store}", ExitCode.BUILD_STORAGE):
        folder = store / LOCKS
        folder.mkdir(parents=True, exist_ok=True)
        everybody = (folder / "store").open("wb")
    with everybody:
        if _alone(everybody.fileno()):
            sweep(store)
        # Between the two locks another run may sweep: there is nothing of ours yet.
        fcntl.flock(everybody, fcntl.LOCK_SH)
        with storage_errors(f"the store {store}", ExitCode.BUILD_STORAGE):
            own = tempfile.NamedTemporaryFile(dir=folder, prefix="run-", delete=False)  # noqa: SIM115 - closed below
        with own:
            fcntl.flock(own, fcntl.LOCK_EX)
            try:
                with interruptible():
                    yield Path(own.name)
            finally:
                Path(own.name).unlink(missing_ok=True)


@contextmanager
def alone(store: Path) -> Iterator[None]:
    """Hold a store that nobody else works in. Raises `KubedebError` (BUILD_STORAGE) at once when somebody does."""
    with storage_errors(f"the store {store}", ExitCode.BUILD_STORAGE):
        (store / LOCKS).mkdir(parents=True, exist_ok=True)
        (store / "tmp").mkdir(exist_ok=True)
        everybody = (store / LOCKS / "store").open("wb")
    with everybody:
        if not _alone(everybody.fileno()):
            raise KubedebError(
                f"another run works in the store {store}", hint="Wait for its end, then run this again.",
                code=ExitCode.BUILD_STORAGE,
            )  # fmt: skip
        yield


def _alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sweep(store: Path) -> list[Path]:
    """Remove what dead runs left, and return it; the caller knows that no other run lives."""
    found = [path for pattern in LEFTOVERS for path in store.glob(pattern)]
    for path in found:
        if path.is_dir() and not path.is_symlink():
            from pkgbuild.unsharesandbox import remove_tree  # there is seldom anything to remove

            remove_tree(path)
        else:
            with suppress(OSError):
                path.unlink()
    return found


def is_dead(run: Path) -> bool:
    """Say whether the run whose file this is has ended, however."""
    try:
        with run.open("rb") as stream:
            return _alone(stream.fileno())
    except OSError:
        return True


@contextmanager
def locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold the lock of a file, which is made, as soon as nobody else does; `how`: alone, or beside others (LOCK_SH)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        fcntl.flock(stream, how)
        yield


def locked_within(stream: IO[bytes], waiting: Callable[[], object], stopped: Callable[[], bool], *, seconds: float) -> bool:
    """Lock an open file; say whether that was possible within `seconds` and before `stopped`. `waiting`: another has it."""
    ends = time.monotonic() + seconds
    if _alone(stream.fileno()):
        return True
    waiting()
    while time.monotonic() < ends and not stopped():
        if _alone(stream.fileno()):
            return True
        time.sleep(POLL)
    return False
