"""Progress: a live line on a terminal, plain lines otherwise; always on stderr, so that stdout can carry data."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bars


class Progress(Protocol):
    """Where a run tells how far it is."""

    def say(self, text: str) -> None:
        """Print one line that stays."""

    def task(self, title: str) -> AbstractContextManager[Task]:
        """Begin a task; used as a context manager, it ends with its wall time."""


class Task(Protocol):
    """A task in progress."""

    def note(self, text: str) -> None:
        """Say what the task does right now."""


def progress(stream: TextIO | None = None, *, live: bool = True) -> Progress:
    """Return the progress that fits `stream` (stderr by default): rich on a terminal, plain lines elsewhere.

    Not `live`: plain lines there too, for a run that shares the terminal with a shell.
    """
    out = stream or sys.stderr
    fancy = live and out.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
    return _Terminal(out) if fancy else _Plain(out)


class _Plain:
    """One line when a task begins, one for each note, one when it ends; tasks of several threads may run at once."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def say(self, text: str) -> None:
        self._out.write(f"{text}\n")  # one write: lines of several threads do not mix
        self._out.flush()

    @contextmanager
    def task(self, title: str) -> Iterator[Task]:
        self.say(f"{title} …")
        began = time.monotonic()
        yield _Note(lambda text: self.say(f"{title}: {text}"))
        self.say(f"{title}: done in {time.monotonic() - began:.1f} s")


class _Terminal:
    """A live table of the running tasks, a spinner, the last note and the time of each; what `say` prints stays above it."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=out, highlight=False)
        self._lock = threading.Lock()
        self._bars: Bars | None = None
        self._running = 0

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    @contextmanager
    def task(self, title: str) -> Iterator[Task]:
        began = time.monotonic()
        bars = self._begin()
        row = bars.add_task(title, total=None, note="")
        try:
            yield _Note(lambda text: bars.update(row, note=text))
        finally:
            bars.remove_task(row)
            self._end()
        self.say(f"{title}: done in {time.monotonic() - began:.1f} s")

    def _begin(self) -> Bars:
        from rich.progress import Progress as Table
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.table import Column

        with self._lock:
            if self._bars is None:
                title = TextColumn("{task.description}", markup=False)
                note = TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
                self._bars = Table(SpinnerColumn(), title, TimeElapsedColumn(), note, console=self._console, transient=True)
                self._bars.start()
            self._running += 1
            return self._bars

    def _end(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0 and self._bars is not None:
                self._bars.stop()
                self._bars = None


class _Note:
    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show

    def note(self, text: str) -> None:
        self._show(text)
