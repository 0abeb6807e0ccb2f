"""The reader of .deb files against dpkg-deb itself."""

from __future__ import annotations

import stat
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from debs import control
from kubedeb.deb import list_files, read_contents, read_deb

KINDS = {"file": stat.S_IFREG, "folder": stat.S_IFDIR, "symlink": stat.S_IFLNK}


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
    contents = read_contents(path)
    modes = {entry.path: (stat.filemode(KINDS[entry.kind] | entry.mode), entry.size) for entry in contents.entries}
    assert [modes["/" + name.removeprefix("./").rstrip("/")] for name in theirs] == [
        (line.split()[0], int(line.split()[2])) for line in listed
    ]
    assert contents.scripts == {"preinst": "#!/bin/sh\n"}
    unpacked = tmp_path / "unpacked"
    subprocess.run(["dpkg-deb", "--extract", path, unpacked], check=True)
    for entry in contents.entries:
        if entry.kind == "file":
            assert entry.sha256 == sha256((unpacked / entry.path[1:]).read_bytes()).hexdigest()
