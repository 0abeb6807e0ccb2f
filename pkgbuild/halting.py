"""Ctrl-C in a run whose work is done by threads: what each waits for is ended at once, so that none need be waited for."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TypeVar

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.inthreads import settle

Made = TypeVar("Made")


class Halt:
    """Knows how to end what the threads of a run wait for: sandboxes, containers, programs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[object, Callable[[], object]] = {}
        self._halted = False

    def is_set(self) -> bool:
        """Say whether the run was halted."""
        return self._halted

    def now(self) -> None:
        """End everything, and whatever would be begun; called from another thread than those that wait."""
        with self._lock:
            self._halted = True
            ends = list(self._ends.values())
        for end in ends:
            with suppress(KubedebError):
                end()

    @contextmanager
    def ending(self, end: Callable[[], object]) -> Iterator[None]:
        """Have `end` called when the run is halted in the block. Raises `KubedebError` (INTERRUPTED) when it was before."""
        key = object()
        with self._lock:
            self._refuse()
            self._ends[key] = end
        try:
            yield
        finally:
            with self._lock:
                del self._ends[key]

    @contextmanager
    def program(self) -> Iterator[Callable[[int], object]]:
        """Give what is told the id of a program that leads a process group (`started` of `process.run`): it is killed."""
        groups: list[int] = []

        def end() -> None:
            for group in groups:
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)

        def started(group: int) -> None:
            groups.append(group)
            if self._halted:  # while it was begun
                end()

        with self.ending(end):
            yield started

    def leaving(self, work: Callable[[], Made]) -> Made:
        """Return what `work` returns, which cannot be ended from here: when the run is halted, nobody waits for it.

        It ends with this process, and must leave nothing half done then. Raises what it raises, `KubedebError` (INTERRUPTED).
        """
        future: Future[Made] = Future()
        over = threading.Event()
        future.add_done_callback(lambda _: over.set())
        with self.ending(over.set):
            threading.Thread(target=settle, args=(future, work), daemon=True).start()
            over.wait()
        if not future.done():
            self._refuse()
        return future.result()

    def _refuse(self) -> None:
        if self._halted:
            raise KubedebError("the run was interrupted", code=ExitCode.INTERRUPTED)
