"""What the threads of a run wait for is ended when the run is halted: before, meanwhile, never after."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial

import pytest

from kubedeb.errors import ExitCode, KubedebError
from pkgbuild.halting import Halt


def test_what_is_going_on_is_ended_and_what_has_ended_is_left_alone() -> None:
    halt, ended = Halt(), []
    with halt.ending(partial(ended.append, "before")):
        pass
    with halt.ending(partial(ended.append, "one")), halt.ending(partial(ended.append, "other")):
        assert not halt.is_set()
        halt.now()
    assert halt.is_set()
    assert ended == ["one", "other"]


def test_nothing_is_begun_afterwards() -> None:
    halt = Halt()
    halt.now()
    with pytest.raises(KubedebError, match="interrupted") as error, halt.ending(lambda: None):
        raise AssertionError("it was begun")
    assert error.value.code == ExitCode.INTERRUPTED


def test_what_cannot_be_ended_keeps_nothing_else_from_its_end() -> None:
    def fail() -> None:
        raise KubedebError("docker is gone", code=ExitCode.SANDBOX)

    halt, ended = Halt(), []
    with halt.ending(fail), halt.ending(partial(ended.append, "other")):
        halt.now()
    assert ended == ["other"]


@pytest.mark.parametrize("order", [("started", "halted"), ("halted", "started")])
def test_a_program_is_killed_with_its_group_even_when_it_is_just_begun(
    order: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "killpg", lambda group, number: killed.append((group, number)))
    halt = Halt()
    with halt.program() as started:
        for what in order:
            if what == "started":
                started(4711)
            else:
                halt.now()
    assert killed == [(4711, signal.SIGKILL)]
    halt.now()
    assert len(killed) == 1


def test_nobody_waits_for_what_cannot_be_ended_from_here() -> None:
    halt, daemon = Halt(), threading.Event()
    threading.Timer(0.05, halt.now).start()
    with pytest.raises(KubedebError, match="interrupted") as error:
        halt.leaving(lambda: daemon.wait(30))
    assert error.value.code == ExitCode.INTERRUPTED
    assert not daemon.is_set()
    daemon.set()


def test_what_ends_by_itself_returns_or_raises_as_ever() -> None:
    assert Halt().leaving(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        Halt().leaving(lambda: 1 / 0)
