"""calico-node's unit of each generation, booted, over one file of settings; docker is a script that notes what it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from lab.nodes import Lab
from stacks import Stack

pytestmark = [pytest.mark.docker, pytest.mark.turn]
VERSIONS = ("2.2.0", "2.6.12", "3.1.7")
OLD = ("2.2.0", "2.6.12")
IMAGE = "registry.example.org/calico/node@sha256:" + "0" * 64
SETTINGS = f"""\
CALICO_NODE_IMAGE={IMAGE}
CALICO_NODENAME=kept
ETCD_ENDPOINTS=http://192.0.2.1:2379
ETCD_AUTHORITY=192.0.2.1:2379
DATASTORE_TYPE=etcdv3
"""
DOCKER = """\
#!/bin/sh
[ "$1" = run ] || exit 0
printf '%s\\n' "$@" >/var/log/docker-asked
env >/var/log/docker-environment
exec sleep 600
"""
DOCKER_UNIT = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"


@pytest.fixture(scope="module")
def node(stack: Stack) -> Iterator[Lab]:
    with Lab(["node1"]) as lab:
        for version in VERSIONS:
            lab.write("node1", f"/packages/{version}.deb", stack.packages()["calico-node", version].read_bytes())
        lab.write("node1", "/usr/bin/docker", DOCKER, mode=0o755)
        lab.write("node1", "/etc/systemd/system/docker.service", DOCKER_UNIT)
        lab.run("node1", "systemctl", "daemon-reload")
        yield lab


def asked(node: Lab) -> list[str]:
    """Return the words that docker was given."""
    return node.run("node1", "cat", "/var/log/docker-asked").output.splitlines()


def in_container(node: Lab) -> dict[str, str]:
    """Return the variables that the container gets: `-e NAME=VALUE`, or `-e NAME` of what docker itself has."""
    words = asked(node)
    own = dict(line.split("=", 1) for line in node.run("node1", "cat", "/var/log/docker-environment").output.splitlines())
    given = [word for before, word in pairwise(words) if before == "-e"]
    passed = [word if "=" in word else f"{word}={own[word]}" for word in given if "=" in word or word in own]
    return dict(word.split("=", 1) for word in passed)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_unit_gives_its_image_what_that_generation_reads(node: Lab, version: str) -> None:
    node.run("node1", "dpkg", "--install", f"/packages/{version}.deb")
    node.write("node1", "/etc/default/calico-node", SETTINGS)
    node.run("node1", "systemd-analyze", "verify", "calico-node.service")
    node.run("node1", "systemctl", "restart", "calico-node")
    given, mounts = in_container(node), [word for before, word in pairwise(asked(node)) if before == "-v"]
    assert (given["NODENAME"], given["ETCD_ENDPOINTS"]) == ("kept", "http://192.0.2.1:2379")
    old = ("kept", "192.0.2.1:2379") if version in OLD else (None, None)
    assert (given.get("HOSTNAME"), given.get("ETCD_AUTHORITY")) == old
    assert ("/var/lib/calico:/var/lib/calico" in mounts) == (version not in OLD)
    assert asked(node)[-1] == IMAGE
    assert "DATASTORE_TYPE" not in given
    node.run("node1", "systemctl", "stop", "calico-node")


def test_a_tag_is_never_run_and_the_name_is_the_hosts_unless_it_is_said(node: Lab) -> None:
    node.run("node1", "dpkg", "--install", "/packages/3.1.7.deb")
    node.run("node1", "rm", "--force", "/var/log/docker-asked")
    node.write("node1", "/etc/default/calico-node", "CALICO_NODE_IMAGE=registry.example.org/calico/node:v3.1.7\n")
    node.run("node1", "systemctl", "start", "--no-block", "calico-node")
    node.run("node1", "sh", "-c", "until systemctl show -p Result calico-node | grep -q exit-code; do sleep 0.1; done")
    assert "must be REGISTRY/NAME@sha256:DIGEST" in node.run("node1", "journalctl", "-u", "calico-node").output
    assert node.run("node1", "ls", "/var/log/docker-asked", check=False).status != 0
    node.write("node1", "/etc/default/calico-node", f"CALICO_NODE_IMAGE={IMAGE}\n")
    node.run("node1", "systemctl", "restart", "calico-node")
    assert in_container(node)["NODENAME"] == "node1"
