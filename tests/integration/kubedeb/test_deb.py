"""The reader of .deb files against dpkg-deb itself."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from debs import control
from kubedeb.deb import list_files, read_deb


def build(folder: Path, compression: str, text: str) -> Path:
    root = folder / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(text)
    (root / "DEBIAN/preinst").write_text("#!/bin/sh\n")
    (root / "DEBIAN/preinst").chmod(0o755)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/etcd").write_bytes(b"\x7fELF" * 1000)
    (root / "usr/bin/e").symlink_to("etcd")
    path = folder / "built.deb"
    subprocess.run(
        ["dpkg-deb", f"-Z{compression}", "--root-owner-group", "--build", root, path], check=True, capture_output=True
    )
    return path


@pytest.mark.parametrize("compression", ["none", "gzip", "xz", "zstd"])
def test_reads_what_dpkg_deb_built(tmp_path: Path, compression: str) -> None:
    text = control(version="1:3.4.23-1~deb12u1", more="Depends: libc6 (>= 2.34), adduser\nInstalled-Size: 5\n")
    path = build(tmp_path, compression, text)
    found = read_deb(path)
    assert (found.size, found.sha256) == (path.stat().st_size, sha256(path.read_bytes()).hexdigest())
    assert found.control.text() == subprocess.check_output(["dpkg-deb", "--field", path], text=True)
    listed = subprocess.check_output(["dpkg-deb", "--contents", path], text=True).splitlines()
    theirs = [line.split()[5] for line in listed]
    assert [entry.path for entry in list_files(path)] == ["/" + name.removeprefix("./").rstrip("/") for name in theirs]
