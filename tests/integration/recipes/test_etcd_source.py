"""etcd compiled from Debian's sources, with the Go and the libraries of its suite: exactly that version, linked without C."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kubedeb.cli import run
from kubedeb.deb import read_deb
from kubedeb.errors import ExitCode
from pkgbuild.store import Store
from stacks import files

VERSIONS = [
    pytest.param("3.4.23", "bookworm", marks=pytest.mark.turn),
    pytest.param("3.5.16", "trixie", marks=pytest.mark.long),  # another base, and its libraries
]
pytestmark = pytest.mark.docker


@pytest.mark.parametrize(("version", "suite"), VERSIONS)
def test_it_is_that_version_and_needs_no_library(
    with_base: Store, kept: Path, tmp_path: Path, version: str, suite: str
) -> None:
    where = ["--store", str(with_base.folder), "--cache", str(kept / "sources"), "-o", str(tmp_path)]
    assert run(["build", f"etcd-source@{version}", "--suite", suite, *where]) == ExitCode.DONE
    packages = {read_deb(path).control["Package"]: path for path in tmp_path.glob("*.deb")}
    line = f"etcd-{version.rpartition('.')[0]}"
    assert packages.keys() == {"etcd-server", "etcd-client", line}
    place = f"/usr/lib/etcd/{line.removeprefix('etcd-')}"
    held = files(packages[line])
    assert held[f"{place}/etcd"] == files(packages["etcd-server"])["/usr/bin/etcd"]
    assert held[f"{place}/etcdctl"] == files(packages["etcd-client"])["/usr/bin/etcdctl"]
    subprocess.run(["dpkg-deb", "--extract", packages[line], tmp_path / "root"], check=True)
    for name, words, said in (
        ("etcd", "--version", f"etcd Version: {version}\n"),
        ("etcdctl", "version", f"version: {version}\n"),
    ):
        program = f"{tmp_path}/root{place}/{name}"
        environment = {"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"}
        done = subprocess.run([program, words], check=True, capture_output=True, text=True, env=environment)
        assert said in done.stdout
        assert b"INTERP" not in subprocess.run(["readelf", "--segments", program], check=True, capture_output=True).stdout
    assert "libc6" not in read_deb(packages["etcd-server"]).control.get("Depends", "")
