"""A real API server, started from its package on a node, with an etcd of ours beside it, as small as it goes."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.nodes import Lab

TOKEN = "an-operators-token"
SETTINGS = {
    "etcd": "ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:2379\nETCD_ADVERTISE_CLIENT_URLS=http://127.0.0.1:2379\n",
    "kube-apiserver": """\
DAEMON_ARGS="--etcd-servers=http://127.0.0.1:2379 \\
 --service-cluster-ip-range=10.96.0.0/16 \\
 --authorization-mode=Node,RBAC \\
 --token-auth-file=/etc/kubernetes/tokens \\
 --service-account-issuer=https://kubernetes.default.svc.cluster.local \\
 --service-account-key-file=/etc/kubernetes/sa.pub \\
 --service-account-signing-key-file=/etc/kubernetes/sa.key"
""",
}
KEYS = """\
set -e
mkdir -p /etc/kubernetes
cd /etc/kubernetes
openssl genrsa -out sa.key 2048
openssl rsa -in sa.key -pubout -out sa.pub
echo "{token},admin,1,system:masters" >tokens
chown kube sa.key sa.pub tokens
systemd-tmpfiles --create
systemctl daemon-reload
"""
READY_SECONDS = 180


def install(lab: Lab, node: str, packages: Sequence[Path]) -> None:
    """Install packages on a node, write their settings and keys; nothing is started."""
    for package in packages:
        lab.write(node, f"/packages/{package.name}", package.read_bytes())
    lab.run(node, "dpkg", "--install", *(f"/packages/{package.name}" for package in packages))
    for name, text in SETTINGS.items():
        lab.write(node, f"/etc/default/{name}", text)
    lab.run(node, "sh", "-c", KEYS.replace("{token}", TOKEN))


def start(lab: Lab, node: str) -> None:
    """Start etcd and the API server through their units, and wait until it is ready."""
    lab.run(node, "systemctl", "start", "etcd")
    lab.run(node, "systemctl", "start", "--no-block", "kube-apiserver")
    ends = time.monotonic() + READY_SECONDS
    while kubectl(lab, node, "get", "--raw=/readyz", check=False)[1] != "ok":
        if time.monotonic() > ends:
            raise AssertionError(lab.run(node, "journalctl", "--unit=kube-apiserver", "--lines=40", check=False).output)
        time.sleep(1)


def kubectl(lab: Lab, node: str, *words: str, check: bool = True) -> tuple[int, str]:
    """Ask the node's API server as its administrator; return status and what was said."""
    where = ("--server=https://127.0.0.1:6443", "--insecure-skip-tls-verify=true", f"--token={TOKEN}")
    done = lab.run(node, "kubectl", *where, *words, check=check)
    return done.status, done.output.strip()


def version(lab: Lab, node: str) -> dict[str, Any]:
    """Return what the API server answers to /version."""
    answer: dict[str, Any] = json.loads(kubectl(lab, node, "get", "--raw=/version")[1])
    return answer
