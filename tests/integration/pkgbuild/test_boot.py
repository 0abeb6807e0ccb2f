"""Under a real systemd: a daemon's process outlives every change of its package, and ends when the package is removed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab import Lab

pytestmark = pytest.mark.docker
OLD, NEW = "3.4.23-1~deb12u1", "3.5.16-1~deb12u1"
NODE = "boot"


@pytest.fixture(scope="module")
def node() -> Iterator[Lab]:
    with Lab([NODE]) as lab:
        yield lab


def main_pid(lab: Lab, unit: str) -> int:
    return int(lab.run(NODE, "systemctl", "show", "--property=MainPID", "--value", unit).output)


def install(lab: Lab, *files: str) -> None:
    lab.run(NODE, "dpkg", "--install", *(f"/root/{file}" for file in files))


@pytest.mark.turn("long looks")
def test_etcd_outlives_upgrade_and_downgrade_and_ends_with_its_package(node: Lab, etcd: Any) -> None:
    files = {version: f"etcd-server_{version}_amd64.deb" for version in (OLD, NEW)}
    for file in files.values():
        node.write(NODE, f"/root/{file}", (etcd.out / file).read_bytes())
    install(node, files[OLD])
    assert main_pid(node, "etcd") == 0, "installing starts nothing"
    assert node.run(NODE, "systemctl", "is-enabled", "etcd", check=False).output.strip() == "disabled"
    node.run(NODE, "systemctl", "start", "etcd")
    running = main_pid(node, "etcd")
    assert running
    for version in (NEW, OLD, OLD):
        install(node, files[version])
        assert main_pid(node, "etcd") == running
    node.run(NODE, "apt-get", "remove", "-y", "-qq", "etcd-server")
    assert node.run(NODE, "test", "-d", f"/proc/{running}", check=False).status != 0
    assert node.run(NODE, "test", "-d", "/var/lib/etcd/default/member", check=False).status == 0, "data stay"
