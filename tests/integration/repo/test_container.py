"""A clean Debian 12 with Debian's own mirror beside ours: what is installed stays until a version is named."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cleanroot import Root, clean_root
from clientimages import ensure
from debs import write_deb
from repositories import VERSIONS, Made

pytestmark = pytest.mark.docker
NEWEST, MIDDLE, OLDEST = VERSIONS
COMPLAINT = re.compile(r"^[WEN]: .*", re.MULTILINE)
FILES = {
    "kubedeb-archive-keyring.gpg": "/usr/share/keyrings/",
    "kubedeb.sources": "/etc/apt/sources.list.d/",
    "kubedeb.pref": "/etc/apt/preferences.d/",
}
# Debian's own indices need not be fetched eight times over.
OURS_ALONE = ("-o", "Dir::Etc::sourcelist=/etc/apt/sources.list.d/kubedeb.sources", "-o", "Dir::Etc::sourceparts=-",
              "-o", "APT::Get::List-Cleanup=0")  # fmt: skip


@pytest.fixture(scope="session")
def image() -> str:
    return ensure("bookworm")


@dataclass(frozen=True)
class Node:
    """A clean root that is a client of a repository which is served to it."""

    root: Root
    made: Made

    def copy_files(self) -> None:
        """Copy what `docs/repository.md` tells a person to copy."""
        for name, folder in FILES.items():
            self.root.put(folder + name, (self.made.public / name).read_bytes())

    def ok(self, *command: str) -> str:
        return self.root.ok(*command)

    def update(self) -> None:
        said = self.ok("apt-get", "update")
        assert COMPLAINT.findall(said) == []

    def installed(self) -> str:
        return self.ok("dpkg-query", "--show", "--showformat=${Version}", "etcd-server")

    def moves(self) -> list[str]:
        """Return what a dist-upgrade would do to our package."""
        return re.findall(r"^(?:Inst|Remv) etcd-server .*", self.ok("apt-get", "--simulate", "dist-upgrade"), re.MULTILINE)


@pytest.fixture
def node(image: str, published: Made) -> Iterator[Node]:
    command = [sys.executable, "-m", "kubedeb", "repo", "serve", "-r", str(published.root), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            assert published.repo("init", "--origin", "kubedeb", "--url", url) == 0
            assert published.repo("publish", "bookworm") == 0
            with clean_root(image) as root:
                made = Node(root, published)
                made.copy_files()
                made.update()
                yield made
        finally:
            server.terminate()


def test_what_is_installed_stays_until_a_version_is_named(node: Node) -> None:
    policy = node.ok("apt-cache", "policy", "etcd-server")
    debian = re.findall(r"^ +(3\.4\.23-4\S*) (-?\d+)$", policy, re.MULTILINE)
    assert debian, policy
    assert {priority for _, priority in debian} == {"-1"}

    node.ok("apt-get", "install", "-y", f"etcd-server={OLDEST}")
    assert node.installed() == OLDEST
    assert node.moves() == []
    node.ok("apt-get", "dist-upgrade", "-y")
    node.ok("apt-get", "install", "-y", "etcd-server")
    assert node.installed() == OLDEST

    node.ok("apt-get", "install", "-y", f"etcd-server={MIDDLE}")
    # Debian's own 3.4.23-4 sorts above ours, and our next minor is in the same suite.
    assert (node.installed(), node.moves()) == (MIDDLE, [])
    node.ok("apt-get", "install", "-y", "--allow-downgrades", f"etcd-server={OLDEST}")
    assert node.installed() == OLDEST


def test_the_preferences_are_what_holds_it(node: Node) -> None:
    node.ok("apt-get", "install", "-y", f"etcd-server={MIDDLE}")
    preferences = (node.made.public / "kubedeb.pref").read_text()
    records = preferences.split("\n\n")
    node.root.put("/etc/apt/preferences.d/kubedeb.pref", "\n\n".join(records[1:]).encode())
    assert [NEWEST in move for move in node.moves()] == [True]
    node.root.put("/etc/apt/preferences.d/kubedeb.pref", records[1].encode())
    node.ok("apt-get", "remove", "-y", "etcd-server")
    # Without the last record Debian's 500 beats our 50.
    assert "3.4.23-4" in node.ok("apt-get", "--simulate", "install", "etcd-server")
    node.root.put("/etc/apt/preferences.d/kubedeb.pref", preferences.encode())
    assert f"Inst etcd-server ({NEWEST} kubedeb:bookworm" in node.ok("apt-get", "--simulate", "install", "etcd-server")


def test_a_new_generation_arrives_and_a_flipped_byte_does_not(node: Node) -> None:
    package = write_deb(node.made.folder / "more", "etcd-server", "3.6.0-1~deb12u1")
    assert node.made.repo("add", "--suite", "bookworm", "--publish", package) == 0
    node.update()
    assert "3.6.0-1~deb12u1" in node.ok("apt-cache", "madison", "etcd-server")
    published = next((node.made.public / "pool").rglob("etcd-server_3.6.0*.deb"))
    data = bytearray(published.read_bytes())
    data[len(data) // 2] ^= 1
    published.write_bytes(bytes(data))
    status, said = node.root.run("apt-get", "install", "-y", "etcd-server=3.6.0-1~deb12u1")
    assert (status, "Hash Sum mismatch" in said) == (100, True)


def key(node: Node, *words: str) -> str:
    """Run `kubedeb repo key …` and return what it said."""
    command = [sys.executable, "-m", "kubedeb", "repo", "key", words[0], "-r", str(node.made.root), *words[1:]]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.turn
def test_a_machine_follows_the_keys_by_its_keyring_package_alone(node: Node) -> None:
    node.root.run("rm", *(folder + name for name, folder in FILES.items()))
    old = key(node, "list").splitlines()[-1].split()[0]
    key(node, "package")
    package = next((node.made.public / "pool").rglob("kubedeb-archive-keyring_*.deb"))
    node.root.put(f"/root/{package.name}", package.read_bytes())
    node.ok("apt-get", "install", "-y", f"/root/{package.name}")
    node.update()
    assert NEWEST in node.ok("apt-cache", "madison", "etcd-server")
    node.ok("apt-get", "install", "-y", f"etcd-server={MIDDLE}")

    def moved() -> str:
        """Do what every machine does each day, and return what it has for a keyring package then."""
        said = node.ok("apt-get", "update", *OURS_ALONE)
        assert COMPLAINT.findall(said) == []
        node.ok("apt-get", "-y", "-o", "Dpkg::Options::=--force-confold", "upgrade")
        assert node.installed() == MIDDLE
        return node.ok("dpkg-query", "--show", "--showformat=${Version}", "kubedeb-archive-keyring")

    def ring() -> int:
        return int(node.ok("stat", "--format=%s", "/usr/share/keyrings/kubedeb-archive-keyring.gpg"))

    first, one_key = moved(), ring()
    new = key(node, "introduce").split()[1]
    key(node, "package")
    second = moved()
    two_keys = ring()
    assert (second > first, two_keys > one_key) == (True, True)
    key(node, "overlap", new)
    assert moved() == second
    key(node, "retire", old, "--yes")
    assert moved() == second
    key(node, "package")
    third = moved()
    assert (third > second, ring() < two_keys) == (True, True)
    key(node, "revoke", old, "--yes")
    moved()
    # The next key of all comes the same way.
    key(node, "introduce")
    key(node, "package")
    assert (moved() > third, ring() > one_key) == (True, True)
