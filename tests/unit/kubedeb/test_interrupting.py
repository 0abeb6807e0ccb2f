from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from kubedeb.interrupting import ENDING, interruptible


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """The signals' handlers of a process that just began, whatever another test left; afterwards the old ones."""
    previous = {number: signal.signal(number, signal.SIG_DFL) for number in ENDING}
    yield
    for number, handler in previous.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_what_ends_a_process_ends_the_block_as_ctrl_c_does(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == signal.SIG_DFL


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruptible():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_a_thread_changes_nothing() -> None:
    seen = []

    def work() -> None:
        with interruptible():
            seen.extend(signal.getsignal(number) for number in ENDING)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL] * len(ENDING)
