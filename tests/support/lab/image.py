"""The image that nodes start from: Debian bookworm with systemd, made once and tagged by the digest of its recipe."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import docker

from kubedeb.errors import ExitCode
from kubedeb.process import run
from pkgbuild.apt import host_entries
from pkgbuild.base import mmdebstrap
from pkgbuild.recipe import Architecture, Suite

SUITE = Suite.BOOKWORM
REPOSITORY = "kubedeb-lab"
LABEL = "kubedeb.lab"
PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "openssh-server", "apt", "ca-certificates", "procps", "iproute2", "adduser",
    "init-system-helpers",
)  # fmt: skip
MASKED = ("console-getty.service", "getty@.service", "systemd-logind.service", "apt-daily.timer", "apt-daily-upgrade.timer")
# The nodes have no Debian mirror; what they need of Debian is in the image.
HOOKS = (
    f'chroot "$1" systemctl mask {" ".join(MASKED)}',
    'rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/etc/apt/apt.conf.d/99mmdebstrap',
    ': > "$1"/etc/machine-id',
    'mkdir -p -m 0700 "$1"/root/.ssh',
)
CHANGES = ['CMD ["/sbin/init"]', f"LABEL {LABEL}=1"]
OPTIONS = (
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")),
    *(f"--customize-hook={hook}" for hook in HOOKS),
)


def tag() -> str:
    """Return the image's name: another recipe is another image; where Debian's packages came from makes no difference."""
    digest = hashlib.sha256("\0".join((*PACKAGES, *OPTIONS, *CHANGES, SUITE)).encode()).hexdigest()
    return f"{REPOSITORY}:{digest[:16]}"


def make_root(suite: Suite, target: Path, include: Sequence[str] = (), more: Sequence[str] = ()) -> None:
    """Make a root for this machine's architecture from its own Debian mirror, and from no other archive that it knows."""
    machine = run(["dpkg", "--print-architecture"], code=ExitCode.FETCH).text.strip()
    mmdebstrap(suite, Architecture(machine), host_entries(suite, "", pockets=True), target, include, more)


def ensure() -> str:
    """Return the image's name, making the image first when this machine has none (20 s)."""
    name = tag()
    client = docker.from_env()
    try:
        if client.images.list(name=name):
            return name
        with tempfile.TemporaryDirectory(prefix="kubedeb-lab-") as folder:
            target = Path(folder) / "root.tar"
            make_root(SUITE, target, PACKAGES, OPTIONS)
            client.api.import_image_from_file(str(target), repository=REPOSITORY, tag=name.partition(":")[2], changes=CHANGES)
        return name
    finally:
        client.close()
