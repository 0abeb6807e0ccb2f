"""Progress of several tasks at once: whole lines on a stream, one live table on a terminal."""

from __future__ import annotations

import io
import threading

import pytest

from kubedeb import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    return Terminal()


def test_lines_name_their_task() -> None:
    out = io.StringIO()
    shown = progress.progress(out)
    with shown.task("one") as one, shown.task("two") as two:
        one.note("half")
        two.note("whole")
    lines = out.getvalue().splitlines()
    assert lines[:4] == ["one …", "two …", "one: half", "two: whole"]
    assert lines[4:] == ["two: done in 0.0 s", "one: done in 0.0 s"]


def test_a_task_that_fails_is_not_said_to_be_done() -> None:
    out = io.StringIO()
    with pytest.raises(ValueError, match="x"), progress.progress(out).task("one"):
        raise ValueError("x")
    assert out.getvalue() == "one …\n"


def test_a_terminal_shows_several_tasks_and_keeps_what_was_said(terminal: Terminal) -> None:
    shown = progress.progress(terminal)
    both = threading.Barrier(2)

    def work(name: str) -> None:
        with shown.task(f"task [{name}]") as task:  # brackets are no markup
            both.wait(timeout=10)
            task.note("now")
            both.wait(timeout=10)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    shown.say("the end")
    text = terminal.getvalue()
    for said in ("task [a]: done in", "task [b]: done in", "the end"):
        assert text.count(said) == 1
    with shown.task("another"):  # the table can begin anew
        pass
    assert "another: done in" in terminal.getvalue()
