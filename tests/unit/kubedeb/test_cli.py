from __future__ import annotations

import errno
import importlib
import json
import os
from pathlib import Path

import click
import pytest

from kubedeb import cli
from kubedeb.errors import ExitCode, KubedebError


def test_every_command_can_be_loaded() -> None:
    for lazy in cli.COMMANDS.values():
        module, _, attribute = lazy.target.partition(":")
        assert isinstance(getattr(importlib.import_module(module), attribute), click.Command)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("kubedeb ")


def test_config_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["config", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["store"]["source"] == "default"


def test_a_near_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["plam"]) == ExitCode.USAGE
    assert "Did you mean 'plan'?" in capsys.readouterr().err


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    def raising() -> None:
        raise error

    monkeypatch.setattr("kubedeb.commands.config", click.Command("config", callback=raising))
    return cli.run(["config"])


def test_an_error_says_what_details_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = KubedebError("it broke", details="here\nand there", hint="mend it", code=ExitCode.PLAN)
    assert fail_with(monkeypatch, error) == ExitCode.PLAN
    assert capsys.readouterr().err == "error: it broke\n  here\n  and there\nhint: mend it\n"


def test_an_exit_that_is_not_of_a_closed_pipe_is_a_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No command ends the process by itself: what does would otherwise count as done."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert fail_with(monkeypatch, SystemExit(3)) == ExitCode.BUG
    assert "SystemExit: 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "said"), [("zsh_source", "#compdef kubedeb"), ("bash_complete", "plain,recipe\n"), ("bash_nothing", "")]
)
def test_a_shell_is_told_how_a_command_line_may_go_on(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], asked: str, said: str
) -> None:
    for name, value in {"_KUBEDEB_COMPLETE": asked, "COMP_WORDS": "kubedeb rec", "COMP_CWORD": "1"}.items():
        monkeypatch.setenv(name, value)
    assert cli.run([]) == (1 if asked == "bash_nothing" else ExitCode.DONE)
    out, err = capfdbinary.readouterr()
    assert said in out.decode()
    assert err == b""


def test_an_unexpected_exception_is_a_bug_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert fail_with(monkeypatch, ZeroDivisionError("by zero")) == ExitCode.BUG
    message = capsys.readouterr().err
    assert "ZeroDivisionError: by zero" in message
    assert "Traceback" not in message
    (report,) = tmp_path.iterdir()
    assert "Traceback" in report.read_text()


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fail_with(monkeypatch, KeyboardInterrupt()) == ExitCode.INTERRUPTED


def test_a_full_disk_under_the_output_is_no_bug(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    with os.fdopen(os.dup(1), "w") as spare:
        monkeypatch.setattr("sys.stdout", spare)
        assert fail_with(monkeypatch, OSError(errno.ENOSPC, "No space left on device")) == ExitCode.OUTPUT
    assert "error: cannot write the output: the disk is full\n" in capfd.readouterr().err


def test_a_closed_output_is_read_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert cli.run(["config", "show"]) == ExitCode.DONE
