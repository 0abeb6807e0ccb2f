"""What the maintainer scripts do to a running daemon, seen from the commands that they call: nothing, until a removal.

A container without systemd: `systemctl` and `deb-systemd-invoke` write down what they are asked to do.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container

from kubedeb.cli import run
from kubedeb.dockerexec import execute
from kubedeb.errors import ExitCode
from pkgbuild import dockerd

pytestmark = pytest.mark.docker
RECORDER = '#!/bin/sh\necho "$(basename "$0") $*" >>/asked\n'
SYSUSERS = "#!/bin/sh\ngetent passwd etcd >/dev/null || useradd --system --home-dir /var/lib/etcd etcd\n"
SERVER = "/packages/etcd-server_3.4.23-{}~deb12u1_amd64.deb"
STEPS = [
    # what is done, what was asked of systemd by it
    ("dpkg --force-depends --install " + SERVER.format(1), ["systemctl --system daemon-reload"]),
    ("install --directory --owner etcd --mode 0700 /var/lib/etcd/default", []),
    ("dpkg --force-depends --install " + SERVER.format(2), ["systemctl --system daemon-reload"]),
    ("dpkg --force-depends --install " + SERVER.format(1), ["systemctl --system daemon-reload"]),
    ("dpkg --remove etcd-server", ["deb-systemd-invoke stop etcd.service", "systemctl --system daemon-reload"]),
    ("dpkg --purge etcd-server", []),
]


@pytest.fixture(scope="module")
def packages(etcd: Any, kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two revisions of etcd-server."""
    folder = tmp_path_factory.mktemp("install")
    shutil.copytree(Path(__file__).parents[3] / "recipes/etcd", folder / "recipes/etcd")
    recipe = folder / "recipes/etcd/recipe.yaml"
    recipe.write_text(recipe.read_text().replace("revision: 1", "revision: 2"))
    where = ["--store", str(etcd.out.parent / "store"), "--cache", str(kept / "sources"), "-o", str(folder / "packages")]
    assert (
        run(["build", "etcd@3.4.23", "--no-lintian", "--no-root-tests", "--recipes", str(folder / "recipes"), *where])
        == ExitCode.DONE
    )
    shutil.copy(etcd.out / "etcd-server_3.4.23-1~deb12u1_amd64.deb", folder / "packages")
    return folder / "packages"


@pytest.fixture
def root(image: str, packages: Path) -> Iterator[Container]:
    """Give a container of the base as root, without a network, with the packages and the recorders in it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.add(packages, "packages")
        for name, text in {"systemctl": RECORDER, "deb-systemd-invoke": RECORDER, "systemd-sysusers": SYSUSERS}.items():
            member = tarfile.TarInfo(f"usr/local/bin/{name}")
            member.mode, member.size = 0o755, len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    with dockerd.connect() as client:
        container = client.containers.run(
            image, ["sleep", "300"], user="root", detach=True, network_mode="none", labels={"kubedeb.test": "1"}
        )
        try:
            container.put_archive("/", stream.getvalue())
            yield container
        finally:
            container.remove(force=True)


def do(container: Container, command: str) -> str:
    assert container.client is not None
    output = bytearray()
    argv = ["sh", "-ec", command]
    status = execute(container.client, str(container.id), argv, lambda _, block: output.extend(block), timeout=300)
    assert status == 0, f"{command}\n{output.decode()}"
    return str(output.decode())


@pytest.mark.turn("long looks")
def test_only_a_removal_stops_the_daemon_and_nothing_deletes_its_data(root: Container) -> None:
    do(root, "mkdir -p /run/systemd/system")
    for command, asked in STEPS:
        do(root, f": >/asked; {command}")
        assert do(root, "cat /asked").splitlines() == asked, command
    assert do(root, "stat -c '%a %U' /var/lib/etcd/default") == "700 etcd\n"
    assert "no packages found" in do(root, "dpkg-query --show etcd-server 2>&1 || true")
    left = do(root, "find /etc /usr/lib /lib/ -name '*etcd*' -not -path '*/sysusers.d/*'")
    assert left == ""


@pytest.mark.turn("long looks")
def test_the_unit_is_not_enabled_by_installing(root: Container) -> None:
    do(root, f"mkdir -p /run/systemd/system; dpkg --force-depends --install {SERVER.format(1)}")
    assert do(root, "find /etc/systemd -name 'etcd*'") == ""
