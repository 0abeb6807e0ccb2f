"""Progress: a live line on a terminal, plain lines otherwise; always on stderr, so that stdout can carry data."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO


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


def progress(stream: TextIO | None = None) -> Progress:
    """Return the progress that fits `stream` (stderr by default): rich on a terminal, plain lines elsewhere."""
    out = stream or sys.stderr
    fancy = out.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
    return _Terminal(out) if fancy else _Plain(out)


class _Plain:
    """One line when a task begins, one when it ends."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def say(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    @contextmanager
    def task(self, title: str) -> Iterator[Task]:
        self.say(f"{title} …")
        began = time.monotonic()
        yield self
        self.say(f"{title}: done in {time.monotonic() - began:.1f} s")

    def note(self, text: str) -> None:
        self.say(f"  {text}")


class _Terminal:
    """A spinner with the running task's last note; what `say` prints stays above it."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=out, highlight=False)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    @contextmanager
    def task(self, title: str) -> Iterator[Task]:
        began = time.monotonic()
        with self._console.status(title) as status:
            yield _Note(status.update, title)
        self.say(f"{title}: done in {time.monotonic() - began:.1f} s")


class _Note:
    def __init__(self, update: Callable[[str], None], title: str) -> None:
        self._update = update
        self._title = title

    def note(self, text: str) -> None:
        self._update(f"{self._title}: {text}")
