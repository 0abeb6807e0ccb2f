"""SIGTERM as Ctrl-C: whoever stops a service or a CI job gives it the time to end what it began."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM, and SIGHUP where nobody ignores it (nohup does), raise `KeyboardInterrupt` in the block, as Ctrl-C does.

    In another thread than the main one, which alone gets signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.getsignal(number) for number in ENDING}
    try:
        for number, handler in previous.items():
            if handler == signal.SIG_DFL:
                signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
