"""Upstream's own Debian packages as stand-ins: their names, versions, relations, file lists, conffiles, and scripts that start.

As kubernetes/release has them in debian/xenial: kubelet/debian/kubelet.install at 2241c89a (/usr/bin/kubelet, its unit and
/etc/default/kubelet), kubelet/debian/control at 9d5c894d (without the container runtime, which is of no matter here),
kubelet/debian/postinst at 0a3da543, kubectl/debian/rules at 34baec72; the plugins of CNI 0.6.0's release.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

VERSION, CNI = "1.10.13-00", "0.6.0-00"
PLUGINS = (
    "bridge", "dhcp", "flannel", "host-local", "ipvlan", "loopback", "macvlan", "portmap", "ptp", "sample", "tuning", "vlan",
)  # fmt: skip
DEPENDS = "iptables (>= 1.4.21), kubernetes-cni (>= 0.3.0.1), iproute2, socat, util-linux, mount, ebtables, ethtool"
POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then systemctl enable kubelet; systemctl start kubelet; fi
mkdir -p /etc/kubernetes/manifests
"""
FILES = {
    "kubelet": {
        "usr/bin/kubelet": "upstream's\n", "lib/systemd/system/kubelet.service": "[Service]\nExecStart=/usr/bin/kubelet\n",
        "etc/default/kubelet": "KUBELET_EXTRA_ARGS=\n",
    },
    "kubectl": {"usr/bin/kubectl": "upstream's\n"},
    "kubernetes-cni": {f"opt/cni/bin/{name}": "upstream's\n" for name in PLUGINS},
}  # fmt: skip


def write(folder: Path) -> Path:
    """Make `folder` a flat apt repository of the three packages; return it."""
    index = []
    for name, files in FILES.items():
        tree = folder / f".{name}"
        for path, text in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
            (tree / path).chmod(0o755 if "/bin/" in path else 0o644)
        about, depends = tree / "DEBIAN", f"Depends: {DEPENDS}\n" if name == "kubelet" else ""
        about.mkdir()
        version = CNI if name == "kubernetes-cni" else VERSION
        (about / "control").write_text(
            f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: nobody <nobody@localhost>\n{depends}"
            f"Description: upstream's {name}\n"
        )
        if name == "kubelet":
            (about / "conffiles").write_text("/etc/default/kubelet\n")
            (about / "postinst").write_text(POSTINST)
            (about / "postinst").chmod(0o755)
        package = folder / f"{name}.deb"
        argv = ["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", "-z1", str(tree), str(package)]
        subprocess.run(argv, check=True, capture_output=True)
        sha256 = hashlib.sha256(package.read_bytes()).hexdigest()
        place = f"Filename: ./{package.name}\nSize: {package.stat().st_size}\nSHA256: {sha256}\n"
        index.append((about / "control").read_text() + place)
    (folder / "Packages").write_text("\n".join(index))
    return folder
