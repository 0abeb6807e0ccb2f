from __future__ import annotations

import io
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.parallel import spread
from kubedeb.process import ProcessError, background, end_all, run

CODE = ExitCode.BUILD


def test_output_is_whole_and_apart() -> None:
    result = run(["sh", "-c", "head -c 3000000 /dev/zero; echo problem >&2"], code=CODE)
    assert (len(result.stdout), result.stderr) == (3_000_000, b"problem\n")


def test_the_environment_is_built_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    lines = run(["env"], code=CODE, env={"ADDED": "1"}).text.splitlines()
    assert {"ADDED=1", "TZ=UTC", "LC_ALL=C.UTF-8"} <= set(lines)
    assert not [line for line in lines if line.startswith("SECRET")]


def test_input_log_and_lines() -> None:
    log, lines, errors = io.BytesIO(), list[str](), list[str]()
    run(["cat"], code=CODE, stdin=b"a\nb\n", log=log, on_line=lines.append)
    run(["sh", "-c", "echo c >&2"], code=CODE, on_line=lines.append, on_error_line=errors.append)
    assert log.getvalue() == b"$ cat\na\nb\n"
    assert (lines, errors) == (["a", "b"], ["c"])


FAILURES = {
    "status": (["sh", "-c", "echo why >&2; exit 4"], "sh failed with exit status 4", "why"),
    "signal": (["sh", "-c", "kill -9 $$"], "sh was ended by signal 9", "$ sh -c 'kill -9 $$'"),
    "missing": (["no-such-program"], "no-such-program is not installed", "hint: Run script/bootstrap."),
    "time": (["sleep", "60"], "sleep did not end within 0.3 s", "$ sleep 60"),
}


@pytest.mark.parametrize(("argv", "brief", "shown"), FAILURES.values(), ids=FAILURES)
def test_failures(argv: list[str], brief: str, shown: str) -> None:
    with pytest.raises(ProcessError) as caught:
        run(argv, code=CODE, timeout=0.3 if argv[0] == "sleep" else 10)
    assert caught.value.code == CODE
    assert caught.value.brief == brief
    assert shown in caught.value.render()


def test_only_the_end_of_a_long_output_is_shown_and_all_is_kept() -> None:
    with pytest.raises(ProcessError) as caught:
        run(["sh", "-c", "seq 1000; exit 1"], code=CODE)
    assert "… 970 lines above …" in caught.value.render()
    assert caught.value.result.text.splitlines()[0] == "1"


@pytest.mark.parametrize("script", ["echo up; sleep 60", "trap '' TERM; echo up; while :; do sleep 0.1; done"])
def test_a_process_lives_as_long_as_the_block(script: str) -> None:
    lines: list[str] = []
    with background(["sh", "-c", script], code=CODE, on_line=lines.append, grace=0.5) as pid:
        ends = time.monotonic() + 10
        while not lines and time.monotonic() < ends:
            time.sleep(0.01)
        assert lines == ["up"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_outlives_a_process_with_its_output_open_is_not_waited_for() -> None:
    result = run(["bash", "-c", "sleep 30 & echo $! here"], code=CODE, timeout=20)
    child, word = result.text.split()
    os.kill(int(child), signal.SIGKILL)
    assert (word, result.seconds < 10) == ("here", True)


def test_a_log_grows_while_the_process_runs_and_a_full_one_ends_it() -> None:
    class Log(io.BytesIO):
        def write(self, data: Any) -> int:
            times.append(time.monotonic())
            if b"second" in data:
                raise OSError("full")
            return super().write(data)

    times: list[float] = []
    log = Log()
    run(["sh", "-c", "echo first; echo aside >&2; sleep 0.5; echo third"], code=CODE, log=log, announce=False)
    assert sorted(log.getvalue().splitlines()) == [b"aside", b"first", b"third"]
    assert times[-1] - times[0] > 0.3
    with pytest.raises(OSError, match="full"):
        run(["sh", "-c", "echo second; sleep 60"], code=CODE, log=log, announce=False)
    assert time.monotonic() - times[-1] < 30


def test_much_goes_in_and_comes_out() -> None:
    data = bytes(range(256)) * 4096
    result = run(["bash", "-c", "cat; echo told >/dev/stderr"], code=CODE, stdin=data)
    assert (result.stdout, result.stderr) == (data, b"told\n")


def test_work_is_spread_over_processes_in_order() -> None:
    def work(number: int) -> tuple[int, int]:
        if number == 777:
            raise KubedebError("seven", details="of them", code=CODE)
        return number, os.getpid()

    done = spread(work, range(200), least=10)
    assert [number for number, _ in done] == list(range(200))
    assert len({pid for _, pid in done}) == min(os.cpu_count() or 1, 20)
    assert spread(work, [], least=1) == []
    for first in (777, 776):
        with pytest.raises(KubedebError, match="seven") as caught:
            spread(work, range(first, first + 20), least=10)
        assert (caught.value.details, caught.value.code) == ("of them", CODE)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("how", [{}, {"cwd": Path("/")}], ids=["quietly", "listening"])
def test_whatever_runs_in_any_thread_can_be_ended(how: dict[str, Any]) -> None:
    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run, ["sleep", "60"], code=CODE, started=lambda _: begun.set(), **how)
        assert begun.wait(10)
        while not future.done():  # between its start and its being known there is a moment
            end_all()
            time.sleep(0.01)
        with pytest.raises(ProcessError, match=r"sleep was ended by signal 9"):
            future.result()
    end_all()  # nothing is left to be ended
