"""What nodes need of docker on each kind of host, and whose labs are swept up."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.nodes import Owner, cgroup_options, is_orphan

HERE = Owner(pid=100, start="555", namespace="pid:[1]", boot="aaaa")


def test_with_cgroup_v1_docker_shares_the_hosts_cgroups_by_itself(tmp_path: Path) -> None:
    options = cgroup_options(tmp_path)
    assert "cgroupns" not in options
    assert options["volumes"] == {str(tmp_path): {"bind": "/sys/fs/cgroup", "mode": "rw"}}


def test_with_cgroup_v2_the_namespace_must_be_the_hosts_too(tmp_path: Path) -> None:
    # In a namespace of its own, systemd would take the host's tree, which is mounted, for its own.
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    options = cgroup_options(tmp_path)
    assert options["cgroupns"] == "host"
    assert options["volumes"] == {str(tmp_path): {"bind": "/sys/fs/cgroup", "mode": "rw"}}


def test_an_owner_is_written_and_read() -> None:
    assert Owner.parse(str(HERE)) == HERE


@pytest.mark.parametrize(
    ("label", "living", "orphan"),
    [
        (str(HERE), {100: "555"}, False),
        (str(HERE), {}, True),
        (str(HERE), {100: "556"}, True),  # the number was given to another process
        (str(Owner(100, "555", "pid:[2]", "aaaa")), {}, False),  # another container on the same machine
        (str(Owner(100, "555", "pid:[1]", "bbbb")), {}, False),  # another machine, or before a restart
        ("kept", {}, False),
        ("100@555", {}, False),  # a form that does not say where
        ("", {}, False),
    ],
)
def test_only_our_own_dead_are_swept_up(label: str, living: dict[int, str], orphan: bool) -> None:
    assert is_orphan(label, HERE, living.get) is orphan
