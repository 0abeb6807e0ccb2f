"""The command among others in a shell."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kubedeb.errors import ExitCode


@pytest.mark.parametrize("arguments", [("config", "show"), ("config", "show", "--json"), ("--help",)])
def test_a_reader_that_went_away_is_nothing_wrong(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    argv = [sys.executable, "-m", "kubedeb", *arguments]
    done = subprocess.run(argv, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (ExitCode.DONE, "")
