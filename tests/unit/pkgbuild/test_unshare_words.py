"""What a machine lacks for the unshare sandbox, told from what unshare said; and the command that every sandbox starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from pkgbuild.memorygroup import Place, place
from pkgbuild.sandbox import Surroundings, command
from pkgbuild.unsharesandbox import missing, namespaces, overlay_option

SAID = {
    "unshare: failed to find subuid range for user 1001": "uid 1001 has no range in /etc/subuid and /etc/subgid",
    "newuidmap: write to uid_map failed: Operation not permitted": "uid 1001 has no range in /etc/subuid",
    "unshare: unshare failed: Operation not permitted": "the kernel refuses user namespaces to ordinary users",
    "unshare: unshare failed: No space left on device": "no further user namespace may be made",
    "setpriv: something new": "setpriv: something new",
}


@pytest.mark.parametrize("said", SAID)
def test_what_is_missing_is_named(said: str) -> None:
    assert missing(said, 1001).startswith(SAID[said])


def test_only_root_needs_no_user_namespace() -> None:
    assert "--map-auto" not in namespaces(0)
    assert "--map-auto" in namespaces(1001)
    assert (overlay_option(0), overlay_option(1001)) == ("", ",userxattr")


def test_a_command_gets_its_surroundings_and_nothing_else() -> None:
    around = Surroundings(umask=0o077, zone="Asia/Kathmandu", processors=2)
    assert command(around, {"A": "b c"}, ["make", "all"], "/build/x") == [
        "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/nonexistent", "LC_ALL=C.UTF-8", "TZ=Asia/Kathmandu",
        "TERM=dumb", "A=b c", "sh", "-c", 'umask 077 && cd "$1" && shift && exec "$@"', "sh", "/build/x",
        "taskset", "--cpu-list", "0-1", "make", "all",
    ]  # fmt: skip


V1 = """\
25 1 0:22 / /sys/fs/cgroup ro - tmpfs tmpfs rw,size=4096k
26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
27 25 0:24 ROOT /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
"""
V2 = "30 1 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
GROUPS = {
    "v1": ("9:cpu,cpuacct:/\n8:memory:/user/7\n", V1.replace("ROOT", "/"), Place(1, Path("/sys/fs/cgroup/memory/user/7"))),
    "v1 in a container": ("8:memory:/docker/a/b\n", V1.replace("ROOT", "/docker/a"), Place(1, Path("/sys/fs/cgroup/memory/b"))),
    "v1 seen from outside": ("8:memory:/x\n", V1.replace("ROOT", "/docker/a"), Place(1, Path("/sys/fs/cgroup/memory"))),
    "v2": ("0::/user.slice/run-1.scope\n", V2, Place(2, Path("/sys/fs/cgroup/user.slice/run-1.scope"))),
    "both, memory in v1": ("8:memory:/\n0::/y\n", V2 + V1.replace("ROOT", "/"), Place(1, Path("/sys/fs/cgroup/memory"))),
    "both, memory in v2": ("9:cpu,cpuacct:/\n0::/y\n", V2 + V1.rpartition("27 ")[0], Place(2, Path("/sys/fs/cgroup/y"))),
    "neither": ("", "1 0 8:1 / / rw - ext4 /dev/vda rw\n", None),
}


@pytest.mark.parametrize("machine", GROUPS)
def test_the_control_group_that_limits_memory_is_found(machine: str) -> None:
    groups, mounts, expected = GROUPS[machine]
    assert place(groups, mounts) == expected
