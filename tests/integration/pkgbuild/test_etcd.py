"""The shipped etcd recipe: real sources, real packages, the same bytes from two empty stores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubedeb.cli import run
from kubedeb.deb import list_files, read_contents, read_deb
from kubedeb.errors import ExitCode

pytestmark = pytest.mark.docker
GONE = "NOT RUN: source gone: etcd-server 3.3.25+dfsg-6+b6 (bullseye, amd64)"
SERVER = "etcd-server_3.4.23-1~deb12u1_amd64.deb"
DEBIANS = "3a9445d4560ad6de1c375756b2a17d97713df44cbd20a658c871fe108af7ef5d"


def digests(build: dict[str, Any]) -> dict[str, str]:
    """Return {file name: sha256}, read from the files themselves."""
    found = {}
    for package in build["packages"]:
        path = Path(package["file"])
        found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        assert (found[path.name], path.stat().st_size) == (package["sha256"], package["size"])
    return found


def test_every_version_is_built_or_says_that_its_source_is_gone(etcd: Any) -> None:
    # Debian's oldest suite may leave the mirror: then that version, and only that one, says so.
    gone = [build["version"] for build in etcd.builds if build["action"] == "not-run"]
    assert gone in ([], ["3.3.25"])
    assert etcd.status == (ExitCode.SOURCE_GONE if gone else ExitCode.DONE)
    assert (GONE in etcd.said) == bool(gone)
    versions = [version for version in ("3.3.25", "3.4.23", "3.5.16") if version not in gone]
    wanted = {
        f"{name}_{version}-1~deb12u1_amd64.deb"
        for version in versions
        for name in ("etcd-client", "etcd-server", f"etcd-{version[:3]}")
    }
    assert {path.name for path in etcd.out.glob("*.deb")} == wanted


@pytest.mark.turn
def test_two_empty_stores_give_the_same_bytes_and_the_third_run_needs_nothing(
    etcd: Any, kept: Path, new_store: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    argv = ["build", "etcd@3.4.23", "--no-lintian", "--no-root-tests", "--json", "--store", str(new_store("two"))]
    assert run([*argv, "--cache", str(kept / "sources")]) == ExitCode.DONE
    again = json.loads(capsys.readouterr().out)["builds"][0]
    first = next(build for build in etcd.builds if build["version"] == "3.4.23")
    assert digests(first) == digests(again)
    assert len(digests(again)) == 3
    listed = (etcd.out / "etcd_3.4.23-1~deb12u1_amd64.changes").read_text()
    assert all(digest in listed for digest in digests(again).values())

    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    assert run([*argv, "--cache", str(tmp_path / "empty")]) == ExitCode.DONE
    skipped = json.loads(capsys.readouterr().out)["builds"][0]
    assert (skipped["action"], skipped["packages"]) == ("skip", again["packages"])
    assert skipped["reason"].startswith("the store holds this build")


def test_the_package_is_debians_binary_with_our_manners(etcd: Any, kept: Path) -> None:
    control = read_deb(etcd.out / SERVER).control
    assert "libc6 (>= 2." in control["Depends"]
    assert "systemd-sysusers" in control["Depends"]
    ours, theirs = read_contents(etcd.out / SERVER), read_contents(kept / "sources/sha256" / DEBIANS)
    binary = [[file.sha256 for file in facts.entries if file.path == "/usr/bin/etcd"] for facts in (ours, theirs)]
    assert binary[0] == binary[1]
    assert ours.conffiles == ("/etc/needrestart/conf.d/etcd-server.conf",)
    paths = {entry.path for entry in list_files(etcd.out / SERVER) if entry.kind == "file"}
    assert not [path for path in paths if path.startswith(("/etc/default", "/etc/init.d", "/var"))]
