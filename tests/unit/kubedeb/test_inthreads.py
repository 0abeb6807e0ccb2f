"""Work in threads: results in order, and nobody who waits once one of them failed or Ctrl-C came."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from kubedeb import inthreads
from kubedeb.inthreads import in_threads


@pytest.fixture(autouse=True)
def ended(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When programs were killed; threads get a tenth of a second."""
    times: list[float] = []
    monkeypatch.setattr(inthreads, "GRACE", 0.1)
    monkeypatch.setattr(inthreads, "end_all", lambda: times.append(time.monotonic()))
    return times


def test_results_come_in_the_order_of_what_was_given(ended: list[float]) -> None:
    both = threading.Barrier(2, timeout=10)

    def work(number: int) -> int:
        if number < 2:
            both.wait()  # each of the first two waits for the other: they are done side by side
        return -number

    assert in_threads(work, range(9), 2) == [-number for number in range(9)]
    assert in_threads(work, [], 2) == []
    assert not ended


def test_a_failure_is_raised_and_nothing_more_is_begun(ended: list[float]) -> None:
    begun = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise ValueError(number)
        time.sleep(0.01)

    with pytest.raises(ValueError, match="0"):
        in_threads(work, range(1000), 1)
    assert len(begun) < 1000


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let Ctrl-C raise, also where a shell began these tests in its background, and so deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_does_not_wait_for_what_waits_for_a_server(ended: list[float]) -> None:
    server, begun, main = threading.Event(), [], threading.get_ident()

    def work(number: int) -> None:
        begun.append(number)
        if len(begun) == 2:
            signal.pthread_kill(main, signal.SIGINT)
        server.wait(30)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        in_threads(work, range(5), 2)
    assert time.monotonic() - began < 5
    assert len(begun) == 2
    assert ended, "programs that were begun must be killed"
    server.set()
