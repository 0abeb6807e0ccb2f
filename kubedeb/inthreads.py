"""Work in threads that nobody waits for when Ctrl-C comes: downloads, and programs that wait for a server.

Only the main thread hears of Ctrl-C, and a pool of threads is waited for, however long what they are at takes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from kubedeb.process import end_all

Given = TypeVar("Given")
Made = TypeVar("Made")
GRACE, LOOK = 1.0, 0.05
"""Seconds that threads have to clear away what they were at, and between two looks whether they are done."""


def in_threads(work: Callable[[Given], Made], items: Sequence[Given], at_once: int) -> list[Made]:
    """Return what `work` makes of each item, in their order, so many at once. Raises what `work` raises.

    When that is raised, or the caller is interrupted, nothing more is begun, programs that were begun are killed, and the
    threads get a moment to clear away. One that still waits for a server then ends with this process.
    """
    futures: list[Future[Made]] = [Future() for _ in items]
    left = iter(zip(futures, items, strict=True))  # whichever thread takes the next of it

    def serve() -> None:
        for future, item in left:
            settle(future, partial(work, item))

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(min(at_once, len(items)))]
    try:
        for thread in threads:
            thread.start()
        return [future.result() for future in futures]
    except BaseException:
        for _ in left:  # nothing more is begun
            pass
        _leave(threads)
        raise


def settle(future: Future[Made], work: Callable[[], Made]) -> None:
    """Do a piece of work; its future says what came of it."""
    try:
        future.set_result(work())
    except BaseException as error:  # whoever asks for the result is told
        future.set_exception(error)


def _leave(threads: Sequence[threading.Thread]) -> None:
    ends = time.monotonic() + GRACE
    while time.monotonic() < ends and any(thread.is_alive() for thread in threads):
        end_all()  # again and again: a thread may begin another program where one was killed
        time.sleep(LOOK)
