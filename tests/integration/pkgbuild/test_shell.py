"""`--shell` on a real terminal: the shell is in the failed build's sandbox, as the builder, and leaves nothing behind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import samplerecipe
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from kubedeb.process import run as run_process
from pkgbuild import dockerd

pytestmark = [pytest.mark.docker, pytest.mark.turn]
RULES = samplerecipe.RULES + "override_dh_auto_configure:\n\techo half-done >left-by-the-build; false\n"
# Typed on the terminal once the prompt is there; what is echoed back of it never holds the answers themselves.
TYPED = "cat left-by-the-*; echo u$(id -u) $SOURCE_DATE_EPOCH; umask; ls /sys/class/net; exit 0\n"
ON_A_TERMINAL = """\
import os, pty, sys, time
seen, sent = b"", False
def read(descriptor):
    global seen, sent
    block = os.read(descriptor, 4096)
    seen += block  # a prompt may come in two blocks
    if not sent and b"kubedeb:" in seen:
        os.write(descriptor, TYPED)
        sent = True
    return block
TYPED = sys.argv[1].encode()
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[2:], read)))
"""


@pytest.mark.parametrize("sandbox", ["docker", "unshare"])
def test_a_failed_build_is_entered_and_goes(
    sandbox: str, store: Path, with_root: Callable[[Path], Path], tmp_path: Path
) -> None:
    with_root(store)
    folder = samplerecipe.write_recipe(tmp_path / "recipes", rules=RULES)
    where = ["--recipes", str(folder), "--store", str(store), "--cache", str(tmp_path / "cache")]
    assert run(["recipe", "fetch", "hello", *where[:2], *where[4:], "--from", str(folder / "sources")]) == ExitCode.DONE
    kubedeb = [sys.executable, "-m", "kubedeb", "build", "hello@1.10", *where, "--sandbox", sandbox, "--shell"]
    shown = run_process(
        [sys.executable, "-c", ON_A_TERMINAL, TYPED, *kubedeb], code=ExitCode.BUG, ok=(ExitCode.BUILD,), timeout=120
    ).text
    for seen in ("half-done\r\n", "u1000 1795435200", "0022", "did not build: dpkg-buildpackage failed with exit status 2"):
        assert seen in shown
    assert list(store.rglob(".sandbox-*")) == []
    with dockerd.connect() as client:
        left = client.containers.list(all=True, filters={"label": dockerd.SANDBOX}, ignore_removed=True)
    assert not [container for container in left if f":{store}/" in container.labels[dockerd.SANDBOX]]


@pytest.mark.parametrize("sandbox", ["docker", "unshare"])
def test_the_addresses_that_a_build_tried_are_named(
    sandbox: str, store: Path, with_root: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_root(store)
    connect = "perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => $$ARGV[0], Timeout => 2) or die $$@'"
    tries = "".join(f"\t-{connect} {address}\n" for address in ("127.0.0.1:9", "192.0.2.1:80", "mirror.example.invalid:443"))
    rules = samplerecipe.RULES + f"override_dh_auto_configure:\n{tries}\t@echo Network is unreachable; false\n"
    folder = samplerecipe.write_recipe(tmp_path / "recipes", rules=rules)
    assert run(["recipe", "fetch", "hello", "--recipes", str(folder), "--from", str(folder / "sources")]) == ExitCode.DONE
    words = ["build", "hello@1.10", "--recipes", str(folder), "--sandbox", sandbox]
    assert run(words) == ExitCode.BUILD
    shown = capsys.readouterr().err
    assert "did not build: dpkg-buildpackage failed with exit status 2; it asked for the network, which is off" in shown
    assert f"kubedeb {' '.join(words)} --trace-network" in shown
    assert run([*words, "--trace-network"]) == ExitCode.BUILD
    shown = capsys.readouterr().err
    for tried in ("tried 127.0.0.1:9 (", "tried 192.0.2.1:80 (", "asked for the address of mirror.example.invalid"):
        assert f"The network is off; perl {tried}" in shown
    assert shown.splitlines()[-1].strip() == f"kubedeb {' '.join(words)} --shell"


def test_without_a_terminal_it_is_refused(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = samplerecipe.write_recipe(tmp_path / "recipes", rules=RULES)
    assert run(["build", "hello@1.10", "--recipes", str(folder), "--shell"]) == ExitCode.USAGE
    assert "--shell needs a terminal, and neither --jobs, --json nor --farm." in capsys.readouterr().err
