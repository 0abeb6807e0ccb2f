"""The only place that starts a program: argument lists, a clean environment, whole output, commands ready to paste.

A process whose lines somebody is told while it runs goes through sh. One that is only waited for, and may write a log, does
without: to import sh takes a tenth of a second, as long as all else that a short command does.
"""

from __future__ import annotations

import io
import os
import select
import shutil
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen

if TYPE_CHECKING:
    import sh

TAIL_LINES = 30
READ = 64 * 1024
ANY_STATUS = list(range(-signal.NSIG, 256))
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What a child may know of its parent: how to reach the network, nothing else.
PASSED_ON = (
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "DOCKER_HOST",
)  # fmt: skip

Argument = str | Path


@frozen
class Result:
    """A finished process: what ran, its exit status, its whole output in bytes, its wall time in seconds."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def text(self) -> str:
        """Return standard output as text."""
        return self.stdout.decode(errors="replace")

    @property
    def command(self) -> str:
        """Return the command line as one pastes it into a shell."""
        import shlex

        return shlex.join(self.argv)


class ProcessError(KubedebError):
    """A process failed; `result` holds its whole output (status -1: it could not be started or ran out of time)."""

    def __init__(self, brief: str, result: Result, *, code: ExitCode, hint: str = "") -> None:
        output = (result.stderr + result.stdout).decode(errors="replace").strip().splitlines()
        shown = output[-TAIL_LINES:]
        if len(output) > len(shown):
            shown.insert(0, f"… {len(output) - len(shown)} lines above …")
        super().__init__(brief, details="\n".join([f"$ {result.command}", *shown]), hint=hint, code=code)
        self.result = result


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment built from nothing: path, C locale, UTC, the proxy settings, and `extra`."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    home = os.environ.get("HOME", "/nonexistent")
    return {"PATH": PATH, "HOME": home, "LC_ALL": "C.UTF-8", "TZ": "UTC", **passed, **(extra or {})}


def run(
    argv: Sequence[Argument],
    *,
    code: ExitCode,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | str | IO[bytes] | None = None,
    timeout: float = 600,
    ok: Collection[int] = (0,),
    log: IO[bytes] | None = None,
    announce: bool = True,
    on_line: Callable[[str], None] | None = None,
    on_error_line: Callable[[str], None] | None = None,
    started: Callable[[int], object] | None = None,
    hint: str = "",
) -> Result:
    """Run `argv` to its end and return its `Result`.

    `env` is added to the clean environment. `stdin` is what the process reads, or an open file with a descriptor. `log`
    gets the command line (unless `announce` is off), then both outputs as they come; `on_line` each line of stdout,
    `on_error_line` each line of stderr; `started` the id of the process, which leads a group of its own, so that another
    thread can end it. Raises `ProcessError` with `code` when the program is missing, its status is not in `ok`, or
    `timeout` seconds have passed (the whole process group is then killed).
    """
    words = tuple(str(word) for word in argv)
    began = time.monotonic()
    if log is not None and announce:
        import shlex

        log.write(f"$ {shlex.join(words)}\n".encode())
    outputs = _Output(log, on_line), _Output(log, on_error_line)
    if on_line is not None or on_error_line is not None or cwd is not None or not _has_pidfd():
        ended = _listening(words, env, cwd, stdin, outputs, timeout, started)
    else:
        ended = _quietly(words, env, stdin, outputs, timeout, started)
    result = Result(words, ended.status, ended.stdout, ended.stderr, time.monotonic() - began)
    if ended.missing:
        raise ProcessError(f"{words[0]} is not installed", result, code=code, hint=hint or "Run script/bootstrap.")
    if ended.expired and ended.status == -signal.SIGKILL:
        raise ProcessError(f"{words[0]} did not end within {timeout:g} s", result, code=code, hint=hint)
    if ended.status not in ok:
        how = f"was ended by signal {-ended.status}" if ended.status < 0 else f"failed with exit status {ended.status}"
        raise ProcessError(f"{words[0]} {how}", result, code=code, hint=hint)
    return result


@frozen
class _Ended:
    """How a process ended: its status, its output, whether its time had run out, whether there is no such program."""

    status: int
    stdout: bytes = b""
    stderr: bytes = b""
    expired: bool = False
    missing: bool = False


_MISSING = _Ended(-1, missing=True)


def _has_pidfd() -> bool:
    """Return whether the kernel tells by a descriptor that a process has ended (Linux 5.3; some containers forbid it)."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


def _quietly(
    words: Sequence[str], env: Mapping[str, str] | None, stdin: bytes | str | IO[bytes] | None,
    outputs: tuple[_Output, _Output], timeout: float, started: Callable[[int], object] | None,
) -> _Ended:  # fmt: skip
    """Run a process in a session of its own and read what it says; what outlives it with its output open is not waited for."""
    environment = clean_environment(env)
    program = shutil.which(words[0], path=environment["PATH"])
    if program is None:
        return _MISSING
    with _readable(stdin) as given, _pipe() as (out, out_end), _pipe() as (err, err_end):
        ends = [(os.POSIX_SPAWN_DUP2, end.fileno(), number) for number, end in enumerate((given, out_end, err_end))]
        pid = os.posix_spawn(
            program, tuple(words), environment, file_actions=ends, setsid=True, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ]
        )
        try:
            with _known(pid):  # until it is waited for: then its number may be another program's
                out_end.close()
                err_end.close()
                if started is not None:
                    started(pid)
                expired = _read_to_end(dict(zip((out.fileno(), err.fileno()), outputs, strict=True)), pid, timeout)
        except BaseException:
            _kill_group(pid)
            os.waitpid(pid, 0)
            raise
        if expired:
            _kill_group(pid)
        _, status = os.waitpid(pid, 0)
    return _Ended(os.waitstatus_to_exitcode(status), outputs[0].take(), outputs[1].take(), expired)


@contextmanager
def _readable(stdin: bytes | str | IO[bytes] | None) -> Iterator[IO[bytes]]:
    if not isinstance(stdin, bytes | str | None):
        yield stdin
        return
    with os.fdopen(os.memfd_create("stdin"), "w+b") as given:
        given.write(stdin.encode() if isinstance(stdin, str) else stdin or b"")
        given.seek(0)
        yield given


@contextmanager
def _pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    out, into = os.pipe()
    os.set_blocking(out, False)
    with os.fdopen(out, "rb", buffering=0) as reader, os.fdopen(into, "wb", buffering=0) as writer:
        yield reader, writer


def _read_to_end(kept: Mapping[int, _Output], pid: int, timeout: float) -> bool:
    """Read outputs until the process has ended, not yet waited for; return whether its time had run out before."""
    deadline = time.monotonic() + timeout
    poll = select.poll()
    watch = os.pidfd_open(pid)
    try:
        for descriptor in (*kept, watch):
            poll.register(descriptor, select.POLLIN)
        ended = False
        while not ended and (left := deadline - time.monotonic()) > 0:
            ready = dict(poll.poll(left * 1000))
            ended = watch in ready
            for descriptor in ready.keys() & kept.keys():
                if not _drain(descriptor, kept[descriptor]):
                    poll.unregister(descriptor)
    finally:
        os.close(watch)
    for descriptor, output in kept.items():
        _drain(descriptor, output)
    return not ended


def _drain(descriptor: int, output: _Output) -> bool:
    """Read what is there; return whether more may come."""
    try:
        while block := os.read(descriptor, READ):
            output.write(block)
    except BlockingIOError:
        return True
    return False


_running: set[int] = set()
"""The programs that `run` waits for, in whatever thread; each leads a process group."""


@contextmanager
def _known(pid: int) -> Iterator[None]:
    _running.add(pid)
    try:
        yield
    finally:
        _running.discard(pid)


def end_all() -> None:
    """Kill every program that `run` waits for, whose threads then go on: only the main thread hears of Ctrl-C."""
    for pid in tuple(_running):
        _kill_group(pid)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _listening(
    words: Sequence[str], env: Mapping[str, str] | None, cwd: Path | None, stdin: bytes | str | IO[bytes] | None,
    outputs: tuple[_Output, _Output], timeout: float, started: Callable[[int], object] | None,
) -> _Ended:  # fmt: skip
    """Run a process whose output goes on to somebody as it comes."""
    running = _launch(words, env, cwd, stdin, outputs)
    if running is None:
        return _MISSING
    if started is not None:
        started(running.pid)
    # sh's own _timeout polls every 0.1 s, which every short command would pay; a timer costs nothing.
    clock = threading.Timer(timeout, running.signal_group, [signal.SIGKILL])
    clock.daemon = True
    clock.start()
    try:
        with _known(running.pid):
            running.wait()
    except BaseException:
        running.signal_group(signal.SIGKILL)
        raise
    finally:
        expired = not clock.is_alive()
        clock.cancel()
    return _Ended(int(running.exit_code), outputs[0].take(), outputs[1].take(), expired)


@contextmanager
def background(
    argv: Sequence[Argument],
    *,
    code: ExitCode,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: IO[bytes] | None = None,
    on_line: Callable[[str], None] | None = None,
    grace: float = 10,
) -> Iterator[int]:
    """Run `argv` while the block runs and yield its process id; then SIGTERM, and SIGKILL after `grace` seconds.

    Raises `ProcessError` with `code` when the program is missing. That it ended early is not an error here: whoever
    talks to it will notice.
    """
    words = tuple(str(word) for word in argv)
    outputs = _Output(log, on_line), _Output(log, on_line)
    running = _launch(words, env, cwd, None, outputs)
    if running is None:
        raise ProcessError(f"{words[0]} is not installed", Result(words, -1, b"", b"", 0), code=code)
    try:
        yield running.pid
    finally:
        if running.is_alive():
            running.signal_group(signal.SIGTERM)
        clock = threading.Timer(grace, running.signal_group, [signal.SIGKILL])
        clock.daemon = True
        clock.start()
        running.wait()
        clock.cancel()


def interactive(argv: Sequence[Argument], *, code: ExitCode, env: Mapping[str, str] | None = None) -> int:
    """Run `argv` on the terminal of this process until it ends, and return its exit status; nothing of it is captured.

    Raises `ProcessError` with `code` when the program is missing.
    """
    words = tuple(str(word) for word in argv)
    environment = clean_environment(env)
    program = shutil.which(words[0], path=environment["PATH"])
    if program is None:
        raise ProcessError(f"{words[0]} is not installed", Result(words, -1, b"", b"", 0), code=code)
    # sh gives its processes pipes; this one needs the descriptors of the terminal itself.
    _, ended = os.waitpid(os.posix_spawn(program, words, environment), 0)
    return os.waitstatus_to_exitcode(ended)


def _launch(
    words: Sequence[str],
    env: Mapping[str, str] | None,
    cwd: Path | None,
    stdin: bytes | str | IO[bytes] | None,
    outputs: tuple[_Output, _Output],
) -> sh.RunningCommand | None:
    """Start a program in a session of its own; None when it is not on the path."""
    import sh

    environment = clean_environment(env)
    program = shutil.which(words[0], path=environment["PATH"])
    if program is None:
        return None
    options: dict[str, Any] = {
        "_env": environment, "_cwd": str(cwd) if cwd else None, "_in": stdin if stdin is not None else b"",
        "_out": outputs[0], "_err": outputs[1], "_ok_code": ANY_STATUS, "_bg": True, "_bg_exc": False,
        "_tty_out": False, "_new_session": True, "_return_cmd": True,
    }  # fmt: skip
    running: sh.RunningCommand = sh.Command(program)(*words[1:], **options)
    return running


class _Output:
    """Collects one stream whole (sh's own exceptions cut it at 750 characters) and passes it on."""

    def __init__(self, log: IO[bytes] | None, on_line: Callable[[str], None] | None) -> None:
        self._kept = io.BytesIO()
        self._log = log
        self._on_line = on_line

    def write(self, data: bytes | str) -> None:
        block = data if isinstance(data, bytes) else data.encode()
        self._kept.write(block)
        if self._log is not None:
            self._log.write(block)
        if self._on_line is not None:
            for line in block.decode(errors="replace").splitlines():
                self._on_line(line)

    def flush(self) -> None:
        if self._log is not None:
            self._log.flush()

    def take(self) -> bytes:
        return self._kept.getvalue()
