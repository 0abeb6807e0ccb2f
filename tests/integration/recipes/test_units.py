"""Every Kubernetes daemon of each version under a real systemd: started with its example as its settings, confined as its unit
says, untouched by upgrades and downgrades, the new version after a restart, gone with its package. The daemons are stand-ins.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.nodes import Lab
from stacks import Stack

pytestmark = [pytest.mark.docker, pytest.mark.turn]
NODE = "node1"
VERSIONS = ("1.7.16", "1.8.15", "1.9.11", "1.10.13")
MASTER = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
PORTS = {
    "kube-apiserver": 8080, "kube-controller-manager": 10252, "kube-scheduler": 10251, "kubelet": 10248, "kube-proxy": 10256,
}  # fmt: skip
"""By daemon, the port at which it answers without TLS on loopback; the stand-in tells its version at each."""
CERTIFICATE = """\
set -e
mkdir -p /etc/kubernetes/pki
cd /etc/kubernetes/pki
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout apiserver.key -out apiserver.crt
chown kube apiserver.key
"""
ASK = """\
for try in $(seq 100); do
    exec 3<>/dev/tcp/127.0.0.1/$0 && printf 'GET /version HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3 && exit 0
    sleep 0.1
done 2>/dev/null
exit 1
"""
NET_BIND_SERVICE = 1 << 10
"""CAP_NET_BIND_SERVICE, as a bit of what /proc/PID/status shows (capability.h)."""


@pytest.fixture
def node(stack: Stack) -> Iterator[Lab]:
    packages = stack.packages()
    with Lab([NODE]) as lab:
        for version in VERSIONS:
            for name in PORTS:
                lab.write(NODE, f"/packages/{name}_{version}.deb", packages[name, version].read_bytes())
        yield lab


def install(node: Lab, version: str) -> None:
    """Install the daemons of a version. What they depend on is not on the node, and the stand-ins need none of it."""
    node.run(NODE, "dpkg", "--install", "--force-depends", *(f"/packages/{name}_{version}.deb" for name in PORTS))


def write_example(node: Lab, package: Path, folder: Path) -> None:
    """Make the example that a package ships its daemon's settings: the node unpacks no documentation."""
    subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    (example,) = folder.glob("usr/share/doc/*/examples/*.default")
    node.write(NODE, f"/etc/default/{example.stem}", example.read_text())


def pids(node: Lab) -> dict[str, int]:
    """Return the main process of each daemon, 0 where it does not run."""
    said = node.run(NODE, "systemctl", "show", "--property=MainPID", "--value", *PORTS).output.split()
    return dict(zip(PORTS, map(int, said), strict=True))


def answers(node: Lab, version: str) -> bool:
    """Say whether each running daemon is of a version, waiting until it listens."""
    return all(f'"v{version}"' in node.run(NODE, "bash", "-c", ASK, str(port)).output for port in PORTS.values())


def confined(node: Lab, pid: int) -> tuple[bool, bool, int]:
    """Return whether a process is root, whether it may not gain privileges, and the capabilities that it can ever have."""
    lines = node.run(NODE, "cat", f"/proc/{pid}/status").output.splitlines()
    said = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    return said["Uid"][0] == "0", said["NoNewPrivs"] == ["1"], int(said["CapBnd"][0], 16)


def installing_starts_and_enables_nothing_and_a_unit_needs_no_settings(node: Lab) -> None:
    install(node, VERSIONS[0])
    for asked, answer in (("is-active", "inactive"), ("is-enabled", "disabled")):
        assert node.run(NODE, "systemctl", asked, *PORTS, check=False).output.split() == [answer] * len(PORTS)
    assert node.run(NODE, "stat", "--format=%U %G %a", "/run/kubernetes").output == "kube kube 750\n"
    node.run(NODE, "systemctl", "start", *PORTS)
    assert answers(node, VERSIONS[0])


def each_version_runs_with_its_example_after_a_restart_and_not_before(node: Lab, stack: Stack, folder: Path) -> None:
    node.run(NODE, "sh", "-c", CERTIFICATE)
    packages = stack.packages()
    for version in VERSIONS:
        before = pids(node)
        assert all(before.values())
        install(node, version)
        assert pids(node) == before, "an upgrade touches nothing"
        for name in PORTS:
            write_example(node, packages[name, version], folder / f"{name}-{version}")
        node.run(NODE, "systemctl", "restart", *PORTS)
        assert answers(node, version)
    running = pids(node)
    install(node, VERSIONS[-2])
    assert pids(node) == running, "a downgrade touches nothing"
    assert answers(node, VERSIONS[-1])
    install(node, VERSIONS[-1])


def a_control_plane_is_not_root_and_has_no_privilege_but_a_low_port(node: Lab) -> None:
    settings = node.run(NODE, "cat", "/etc/default/kube-apiserver").output
    node.write(NODE, "/etc/default/kube-apiserver", settings.replace('DAEMON_ARGS="', 'DAEMON_ARGS="--secure-port=443 '))
    node.run(NODE, "systemctl", "restart", "kube-apiserver")
    node.run(NODE, "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/443")
    running = pids(node)
    allowed = {name: NET_BIND_SERVICE if name == "kube-apiserver" else 0 for name in MASTER}
    assert {name: confined(node, running[name]) for name in MASTER} == {
        name: (False, True, capabilities) for name, capabilities in allowed.items()
    }
    assert confined(node, running["kube-proxy"])[:2] == (True, True)


def a_removal_stops_each_and_leaves_what_the_kubelet_holds(node: Lab) -> None:
    node.write(NODE, "/var/lib/kubelet/held", "by a pod\n")
    node.run(NODE, "dpkg", "--purge", *PORTS)
    assert [name for name in PORTS if node.run(NODE, "pgrep", "--exact", name[:15], check=False).output] == []
    assert node.run(NODE, "cat", "/var/lib/kubelet/held").output == "by a pod\n"


def test_a_daemons_life(node: Lab, stack: Stack, tmp_path: Path) -> None:
    installing_starts_and_enables_nothing_and_a_unit_needs_no_settings(node)
    each_version_runs_with_its_example_after_a_restart_and_not_before(node, stack, tmp_path)
    a_control_plane_is_not_root_and_has_no_privilege_but_a_low_port(node)
    a_removal_stops_each_and_leaves_what_the_kubelet_holds(node)
