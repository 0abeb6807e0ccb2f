"""Ours take the place of Debian's and upstream's packages, and these take it back: real apt, a clean Debian 12, real packages.

Debian's etcd-server, etcd-client and kubernetes-client come from its own archive; upstream's kubelet, kubectl and
kubernetes-cni are stand-ins with their file lists. What an operator wrote into /etc/default survives all of it, a purge too.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import upstreamdebs
from cleanroot import Root, clean_root
from clientimages import ensure
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from pkgbuild.store import Store
from stacks import Stack

pytestmark = [pytest.mark.docker, pytest.mark.long]  # its minutes on a quiet machine are not measured yet
OURS, ETCD, PLUGINS = "1.10.13-1~deb12u1", "3.4.23-1~deb12u1", "0.6.0-1~deb12u1"
SETTINGS = "# an operator's\n"
POLICY = "#!/bin/sh\nexit 101\n"
"""What keeps Debian's own scripts from starting a daemon in a container (policy-rc.d)."""


@pytest.fixture(scope="module")
def image() -> str:
    return ensure("bookworm")


@pytest.fixture(scope="module")
def archive(stack: Stack, with_base: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish every version of Kubernetes and two of etcd in one suite, and what clients copy; return public/."""
    top = tmp_path_factory.mktemp("replacing")
    etcd = ["--store", str(with_base.folder), "--cache", str(with_base.folder / "sources"), "-o", str(top / "etcd")]
    assert run(["build", "etcd@3.4.23", "etcd@3.5.16", *etcd]) == ExitCode.DONE
    where = ["--repository", str(top / "repository")]
    assert (
        run(["repo", "init", *where, "--origin", "example", "--suite", "bookworm", "--url", "file:/srv/ours"]) == ExitCode.DONE
    )
    of_stack = [path for name in ("kubernetes_1.*", "containernetworking-plugins*") for path in _changes(stack, name)]
    built = [*of_stack, *(top / "etcd").glob("*.changes")]
    assert run(["repo", "add", *where, "--suite", "bookworm", "--publish", *map(str, sorted(built))]) == ExitCode.DONE
    return top / "repository/public"


def _changes(stack: Stack, name: str) -> list[Path]:
    return list((stack.out / "amd64").glob(f"{name}.changes"))


class Machine:
    """A clean root with Debian's archive, ours and upstream's."""

    def __init__(self, root: Root) -> None:
        self.root = root

    def ok(self, *command: str) -> str:
        return self.root.ok(*command)

    def install(self, *packages: str) -> str:
        """Install exactly these versions, as an operator or the executor does; a question would end it."""
        return self.ok("apt-get", "install", "-y", "--no-install-recommends", "--allow-downgrades", *packages)

    def installed(self, package: str) -> str:
        """Return the installed version, empty when it is not installed."""
        said = self.ok("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status} ${Version}\n")
        found = re.search(rf"^{re.escape(package)} installed (.*)$", said, re.MULTILINE)
        return found[1] if found else ""

    def moves(self) -> list[str]:
        """Return what a dist-upgrade would do to any package of ours, of Debian's or of upstream's."""
        said = self.ok("apt-get", "--simulate", "dist-upgrade")
        return re.findall(r"^(?:Inst|Remv) ((?:etcd|kube|containernetworking)\S*)", said, re.MULTILINE)

    def owner(self, path: str) -> str:
        """Return the package that has a file."""
        return self.ok("dpkg", "--search", path).partition(":")[0]

    def healthy(self) -> bool:
        """Say whether dpkg has nothing half done and no file of a package is missing or changed but for settings."""
        audit = self.ok("dpkg", "--audit")
        changed = self.root.run("dpkg", "--verify", "etcd-server", "etcd-client", "kubectl", "kubelet", "kubernetes-client")[1]
        wrong = [line for line in changed.splitlines() if line.startswith(("??", "missing"))]
        return not audit and [line for line in wrong if " c /" not in line] == []

    def put_folder(self, folder: Path, place: str) -> None:
        """Copy a folder's files to a place in the root."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            tar.add(folder, arcname=place.lstrip("/"))
        self.root.container.put_archive("/", out.getvalue())


@contextmanager
def machine(image: str, archive: Path, folder: Path) -> Iterator[Machine]:
    """Open a root that knows all three archives, with what the keyring package lays down for ours."""
    with clean_root(image) as root:
        made = Machine(root)
        root.put("/usr/sbin/policy-rc.d", POLICY.encode())
        made.ok("chmod", "755", "/usr/sbin/policy-rc.d")
        made.put_folder(archive, "/srv/ours")
        made.put_folder(upstreamdebs.write(folder), "/srv/upstreams")
        root.put("/etc/apt/sources.list.d/upstreams.list", b"deb [trusted=yes] file:/srv/upstreams ./\n")
        names = {"example-archive-keyring.gpg": "/usr/share/keyrings", "example.sources": "/etc/apt/sources.list.d"}
        for name, place in names.items():
            root.put(f"{place}/{name}", (archive / name).read_bytes())
        made.ok("apt-get", "update")
        yield made


def prefer(on: Machine, archive: Path) -> None:
    """Lay the preferences of the keyring package down: from now on nothing of ours moves by itself."""
    on.root.put("/etc/apt/preferences.d/example.pref", (archive / "example.pref").read_bytes())


def debians(on: Machine, package: str) -> str:
    """Return Debian's version of a package."""
    lines = [line.split("|") for line in on.ok("apt-cache", "madison", package).splitlines()]
    return next(version.strip() for _, version, where in lines if "/srv/" not in where)


def test_debians_etcd_and_ours_take_turns_and_its_settings_stay(image: str, archive: Path, tmp_path: Path) -> None:
    with machine(image, archive, tmp_path / "debs") as on:
        theirs = debians(on, "etcd-server")
        both = {where: [f"etcd-server={where}", f"etcd-client={where}"] for where in (theirs, ETCD)}
        on.install(*both[theirs])
        on.root.put("/etc/default/etcd", SETTINGS.encode())
        prefer(on, archive)
        for version in (ETCD, theirs, ETCD):
            assert on.moves() == []
            on.install(*both[version])
            assert (on.installed("etcd-server"), on.installed("etcd-client")) == (version, version)
            assert (on.owner("/usr/bin/etcd"), on.owner("/usr/bin/etcdctl")) == ("etcd-server", "etcd-client")
            assert on.ok("cat", "/etc/default/etcd") == SETTINGS
            assert on.healthy()
        on.ok("mkdir", "-p", "/var/lib/etcd/default/member")
        on.ok("apt-get", "purge", "-y", "etcd-server")
        assert on.ok("ls", "-d", "/var/lib/etcd/default/member").strip() == "/var/lib/etcd/default/member"


def test_debians_former_conffile_of_etcd_survives_a_purge(image: str, archive: Path, tmp_path: Path) -> None:
    with machine(image, archive, tmp_path / "debs") as on:
        on.install(f"etcd-server={debians(on, 'etcd-server')}")
        on.root.put("/etc/default/etcd", SETTINGS.encode())
        prefer(on, archive)
        on.install(f"etcd-server={ETCD}")
        on.ok("apt-get", "purge", "-y", "etcd-server")
        assert on.ok("cat", "/etc/default/etcd") == SETTINGS


def test_debians_kubernetes_client_and_ours_take_turns(image: str, archive: Path, tmp_path: Path) -> None:
    with machine(image, archive, tmp_path / "debs") as on:
        theirs = debians(on, "kubernetes-client")
        on.install(f"kubernetes-client={theirs}")
        prefer(on, archive)
        for _ in range(2):
            assert on.moves() == []
            on.install(f"kubectl={OURS}", f"kubernetes-client={OURS}")
            assert (on.installed("kubectl"), on.installed("kubernetes-client"), on.owner("/usr/bin/kubectl")) == (
                OURS,
                OURS,
                "kubectl",
            )
            assert on.moves() == []
            assert on.healthy()
            on.install(f"kubernetes-client={theirs}")
            assert (on.installed("kubectl"), on.installed("kubernetes-client")) == ("", theirs)
            assert on.owner("/usr/bin/kubectl") == "kubernetes-client"
            assert on.healthy()
        on.install(f"kubectl={OURS}")
        assert (on.installed("kubectl"), on.owner("/usr/bin/kubectl")) == (OURS, "kubectl")
        assert on.installed("kubernetes-client") != theirs, "it has the same program"


def test_upstreams_kubelet_and_kubectl_and_ours_take_turns_and_the_settings_stay(
    image: str, archive: Path, tmp_path: Path
) -> None:
    theirs = upstreamdebs.VERSION
    with machine(image, archive, tmp_path / "debs") as on:
        both = {where: [f"kubelet={where}", f"kubectl={where}"] for where in (theirs, OURS)}
        on.install(*both[theirs])
        on.root.put("/etc/default/kubelet", SETTINGS.encode())
        prefer(on, archive)
        for version in (OURS, theirs, OURS):
            assert on.moves() == []
            said = on.install(*both[version])
            assert (on.installed("kubelet"), on.installed("kubectl")) == (version, version), said
            assert on.installed("kubernetes-cni") == upstreamdebs.CNI
            assert on.ok("cat", "/etc/default/kubelet") == SETTINGS
            assert "kubelet.service" in on.ok("ls", "/lib/systemd/system")
            assert on.healthy()
        on.ok("apt-get", "purge", "-y", "kubelet")
        assert on.ok("cat", "/etc/default/kubelet") == SETTINGS
        assert ".kubelet.kept" not in on.ok("ls", "-A", "/etc/default")


def test_debians_plugins_and_upstreams_and_ours_take_turns(image: str, archive: Path, tmp_path: Path) -> None:
    name, ours, debian = "containernetworking-plugins", "/opt/cni/bin/loopback", "/usr/lib/cni/loopback"
    with machine(image, archive, tmp_path / "debs") as on:
        theirs = debians(on, name)
        on.install(f"{name}={theirs}")
        prefer(on, archive)
        for version, here, gone in ((PLUGINS, ours, debian), (theirs, debian, ours), (PLUGINS, ours, debian)):
            assert on.moves() == []
            on.install(f"{name}={version}")
            assert (on.installed(name), on.owner(here)) == (version, name)
            assert on.root.run("ls", gone)[0] == 2, f"{gone} is left"
            assert on.ok("dpkg", "--audit") == ""
        on.install(f"kubelet={upstreamdebs.VERSION}")
        assert (on.installed(name), on.installed("kubernetes-cni")) == (PLUGINS, ""), "ours is what upstream's kubelet wants"
        on.install(f"kubernetes-cni={upstreamdebs.CNI}")
        assert (on.installed(name), on.owner(ours)) == ("", "kubernetes-cni")
        on.install(f"{name}={PLUGINS}")
        assert (on.installed("kubernetes-cni"), on.owner(ours), on.installed("kubelet")) == ("", name, upstreamdebs.VERSION)
        on.ok("apt-get", "purge", "-y", name, "kubelet")
        assert on.ok("ls", "-d", "/opt").strip() == "/opt"
