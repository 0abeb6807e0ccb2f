"""The image that nodes start from: Debian bookworm with systemd, made once and tagged by the digest of its recipe."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from pathlib import Path

import docker

SUITE = "bookworm"
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
PASSED_ON = re.compile(r'(?:Acquire::https?::[^ ]*Proxy[^ ]*|Acquire::Check-(?:Valid-Until|Date)) ".*";')


def recipe() -> tuple[str, ...]:
    """Return the mmdebstrap command without the machine's own sources and the target: what decides the content."""
    hooks = [f"--customize-hook={hook}" for hook in HOOKS]
    return ("mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*", *hooks)  # fmt: skip


def tag() -> str:
    """Return the image's name: another recipe is another image."""
    digest = hashlib.sha256("\0".join((*recipe(), *CHANGES, SUITE)).encode()).hexdigest()
    return f"{REPOSITORY}:{digest[:16]}"


def host_sources(suite: str) -> list[Path]:
    """Return this machine's apt source files that serve `suite`."""
    folder = Path("/etc/apt/sources.list.d")
    files = [Path("/etc/apt/sources.list"), *sorted(folder.glob("*.list")), *sorted(folder.glob("*.sources"))]
    return [path for path in files if path.is_file() and suite in path.read_text().split()]


def host_options() -> list[str]:
    """Return the settings of this machine's apt that say how archives are reached."""
    dump = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout
    return [line for line in dump.splitlines() if PASSED_ON.fullmatch(line)]


def ensure() -> str:
    """Return the image's name, making the image first when this machine has none (20 s)."""
    name = tag()
    client = docker.from_env()
    try:
        if client.images.list(name=name):
            return name
        with tempfile.TemporaryDirectory(prefix="kubedeb-lab-") as folder:
            target = Path(folder) / "root.tar"
            options = [f"--aptopt={option}" for option in host_options()]
            argv = [*recipe(), *options, SUITE, str(target), *map(str, host_sources(SUITE))]
            done = subprocess.run(argv, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"mmdebstrap failed: {' '.join(argv)}\n{done.stderr[-3000:]}")
            client.api.import_image_from_file(str(target), repository=REPOSITORY, tag=name.partition(":")[2], changes=CHANGES)
        return name
    finally:
        client.close()
