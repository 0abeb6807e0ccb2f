"""The keyring package on a host, by dpkg: which suite the host follows is the host's."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from repo.clientfiles import client_paths, sources_text
from repo.keyringpackage import Plan, build
from repo.models import Identity, Suite, SuiteOptions

SUITES = (Suite("trixie", ("amd64",)), Suite("bookworm", ("amd64", "arm64")),
          Suite("forky", ("amd64",), SuiteOptions(unlisted=True)))  # fmt: skip
IDENTITY = Identity("Example", "Example", "http://apt.localhost/", "F" * 40, SUITES)
FILE = "etc/apt/sources.list.d/example.sources"


class Host:
    """A root of its own with dpkg's records, and the keyring package in versions that differ by their URL."""

    def __init__(self, root: Path, codename: str) -> None:
        self.root, self.stamp = root, 1_764_000_000
        for folder in ("etc/apt/sources.list.d", "var/lib/dpkg/info", "var/lib/dpkg/updates", "packed"):
            (root / folder).mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()
        (root / "etc/os-release").write_text(f"ID=debian\n{codename}")

    def install(self, url: str) -> str:
        """Install the next version, and return the file that apt reads then."""
        identity, self.stamp = replace(IDENTITY, url=url), self.stamp + 1
        folder = self.root / f"packed/{self.stamp}"
        folder.mkdir()
        package = build(Plan(identity, client_paths(identity, b"key", ["etcd-server"]), (), self.stamp), folder)
        self.dpkg("--install", str(package))
        return (self.root / FILE).read_text()

    def dpkg(self, *words: str) -> None:
        forced = [f"--force-{what}" for what in ("script-chrootless", "not-root", "unsafe-io")]
        command = ["dpkg", f"--root={self.root}", *forced, "--log=/dev/null", *words]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize(
    ("codename", "suite"),
    [("VERSION_CODENAME=bookworm\n", "bookworm"), ("VERSION_CODENAME=forky\n", "trixie"), ("", "trixie")],
)
def test_a_new_host_follows_the_suite_of_its_debian_or_the_archives_choice(tmp_path: Path, codename: str, suite: str) -> None:
    assert f"\nSuites: {suite}\n" in Host(tmp_path, codename).install("http://apt.localhost/")


@pytest.mark.parametrize("suite", ["trixie", "forky"])
def test_a_host_goes_on_following_its_suite_and_learns_the_rest(tmp_path: Path, suite: str) -> None:
    host = Host(tmp_path, "VERSION_CODENAME=bookworm\n")
    followed = next(one for one in SUITES if one.name == suite)
    (tmp_path / FILE).write_text(sources_text(IDENTITY, followed).replace(f"{suite}\n", f"{suite} \n"))
    host.install("http://one.localhost/")
    text = host.install("http://two.localhost/")
    assert text.endswith(sources_text(replace(IDENTITY, url="http://two.localhost/"), followed))
    assert text.startswith("# Written by a package")


def test_what_names_something_else_is_its_owners(tmp_path: Path) -> None:
    host = Host(tmp_path, "")
    own = "Types: deb\nURIs: http://mirror.localhost/\nSuites: bookworm trixie\nComponents: main\n"
    (tmp_path / FILE).write_text(own)
    assert host.install("http://apt.localhost/") == own


def test_it_goes_with_the_package(tmp_path: Path) -> None:
    host = Host(tmp_path, "")
    host.install("http://apt.localhost/")
    host.dpkg("--remove", "example-archive-keyring")
    assert not (tmp_path / FILE).exists()
