"""Work of this process beside other work of it: in a thread while it waits, or in copies of the process on every core."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

Given = TypeVar("Given")
Made = TypeVar("Made")


def side_by_side(one: Callable[[], Made], other: Callable[[], Given]) -> tuple[Made, Given]:
    """Return what two calls return that need not wait for each other: each waits for a program or the disk.

    Raises what the first that fails raises, when both have ended.
    """
    wait = begun(other)
    try:
        first = one()
    except BaseException:
        with suppress(BaseException):
            wait()
        raise
    return first, wait()


def begun(work: Callable[[], Given]) -> Callable[[], Given]:
    """Begin a call that waits for a program or the disk; what is returned waits for its end, and returns or raises as it."""
    done: list[Given] = []
    failed: list[BaseException] = []

    def call() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)

    def wait() -> Given:
        helper.join()
        if failed:
            raise failed[0]
        return done[0]

    helper = threading.Thread(target=call)
    helper.start()
    return wait


def spread(work: Callable[[Given], Made], items: Sequence[Given], least: int = 64) -> list[Made]:
    """Return what `work` makes of each item, in their order, done on every core when there are many; `least` items a core.

    For work that Python itself does, of which threads could only do one at a time. What it returns is pickled. Raises what
    `work` raises. The children are copies of this process and end with it: for a process that has no threads yet.
    """
    workers = max(1, min(os.cpu_count() or 1, len(items) // least))
    helpers = [_Helper(work, items[number::workers]) for number in range(1, workers)]
    try:
        parts = [[work(item) for item in items[::workers]], *(helper.result() for helper in helpers)]
    finally:
        for helper in helpers:
            helper.end()
    made: list[Made] = [parts[0][0]] * len(items) if items else []
    for number, part in enumerate(parts):
        made[number::workers] = part
    return made


class _Helper:
    """A copy of this process that does its share of some work, and is read while it does."""

    def __init__(self, work: Callable[[Any], Any], items: Sequence[Any]) -> None:
        out, into = os.pipe()
        self._pid: int | None = os.fork()
        if self._pid == 0:
            os.close(out)
            _do_share(work, items, into)
        os.close(into)
        self._blocks: list[bytes] = []
        self._out = os.fdopen(out, "rb")
        self._reader = threading.Thread(target=lambda: self._blocks.append(self._out.read()), daemon=True)
        self._reader.start()

    def result(self) -> list[Any]:
        """Wait for the share, and return it. Raises what was raised there."""
        import pickle

        self._reader.join()
        self.end()
        killed: tuple[list[Any], Any] = [], (RuntimeError, ("a helper process was killed",), {})
        done, error = pickle.loads(self._blocks[0]) if self._blocks[0] else killed  # noqa: S301
        if error is not None:
            kind, arguments, state = error
            raised = kind.__new__(kind, *arguments)
            raised.__dict__.update(state)
            raise raised
        return cast("list[Any]", done)

    def end(self) -> None:
        """End the process, if it is still there, and see it gone."""
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = None
            self._reader.join()
            self._out.close()


def _do_share(work: Callable[[Any], Any], items: Sequence[Any], into: int) -> None:
    """Be the helper. It ends itself by a signal, so that nothing of the parent's is run at its end."""
    import pickle

    try:
        try:
            answer = pickle.dumps(([work(item) for item in items], None))
        except BaseException as error:
            # In parts: an exception would be made again of its arguments alone.
            answer = pickle.dumps(([], (type(error), error.args, error.__dict__)))
        with os.fdopen(into, "wb") as stream:
            stream.write(answer)
    finally:
        os.kill(os.getpid(), signal.SIGKILL)
