"""The nodes of tests and demo go away, however the one who made them ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab import Lab, nodes

pytestmark = pytest.mark.docker

MAKER = """
import sys, time
from lab import Lab
with Lab(["one"], prefix=sys.argv[1]):
    print("up", flush=True)
    time.sleep(600)
"""


def make(prefix: str) -> subprocess.Popen[str]:
    support = Path(nodes.__file__).parents[1]
    made = subprocess.Popen(
        [sys.executable, "-c", MAKER, prefix], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": f"{support}:{support.parents[1]}"},
    )  # fmt: skip
    assert made.stdout is not None
    assert made.stdout.readline() == "up\n"
    assert prefix in nodes.labs()
    return made


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_removes_them(number: signal.Signals) -> None:
    with make(f"signalled-{number}") as maker:
        maker.send_signal(number)
        maker.wait(60)
    assert f"signalled-{number}" not in nodes.labs()


def test_what_a_killed_owner_left_is_swept_up() -> None:
    with make("orphan") as maker:
        assert "orphan" not in nodes.sweep(), "its owner lives"
        maker.kill()
        maker.wait(60)
    assert "orphan" in nodes.labs()
    assert nodes.sweep() == ["orphan"]
    assert "orphan" not in nodes.labs()


def test_sshd_lets_the_test_key_in(tmp_path: Path) -> None:
    with Lab(["one"], prefix="keyed") as lab:
        key = lab.authorize(tmp_path)
        known = ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path / 'known'}", "-o", "LogLevel=ERROR"]
        argv = ["ssh", "-i", str(key), *known, f"root@{lab.nodes['one'].address}", "systemctl", "is-active", "ssh"]
        assert subprocess.run(argv, capture_output=True, text=True, timeout=30).stdout == "active\n"


def fail() -> None:
    with Lab(["one"], prefix="failing"):
        raise ZeroDivisionError


def test_a_failure_removes_them() -> None:
    with pytest.raises(ZeroDivisionError):
        fail()
    assert "failing" not in nodes.labs()
