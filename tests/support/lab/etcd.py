"""An etcd cluster on the lab's nodes, installed from an apt repository as an operator would."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from pathlib import Path

from lab.nodes import Lab

READY_SECONDS = 30
# A proxy of the environment is for the way out.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
DATA = "/var/lib/etcd/default"


def install_client_files(lab: Lab, public: Path, url: str) -> None:
    """Give each node the repository's key, its .sources with `url` for the address, and its preferences; update."""
    (sources,) = public.glob("*.sources")
    (preferences,) = public.glob("*.pref")
    (keyring,) = public.glob("*-archive-keyring.gpg")
    text = re.sub(r"^URIs: .*$", f"URIs: {url}", sources.read_text(), flags=re.M)
    for node in lab.nodes:
        lab.write(node, f"/usr/share/keyrings/{keyring.name}", keyring.read_bytes())
        lab.write(node, f"/etc/apt/sources.list.d/{sources.name}", text)
        lab.write(node, f"/etc/apt/preferences.d/{preferences.name}", preferences.read_bytes())
        output = lab.run(
            node, "apt-get", "-o", "Acquire::Check-Valid-Until=true", "-o", "Acquire::Check-Date=true", "update"
        ).output
        if problems := [line for line in output.splitlines() if line.startswith(("W:", "E:"))]:
            raise RuntimeError(f"{node}: apt-get update: {problems}")


def defaults(lab: Lab, node: str) -> str:
    """Return `/etc/default/etcd` of a member: etcd reads ETCD_* from its environment, the same in 3.3, 3.4 and 3.5."""
    address = lab.nodes[node].address
    cluster = ",".join(f"{other.name}=http://{other.address}:2380" for other in lab.nodes.values())
    settings = {
        "NAME": node,
        "DATA_DIR": DATA,
        "LISTEN_PEER_URLS": f"http://{address}:2380",
        "INITIAL_ADVERTISE_PEER_URLS": f"http://{address}:2380",
        "LISTEN_CLIENT_URLS": f"http://{address}:2379,http://127.0.0.1:2379",
        "ADVERTISE_CLIENT_URLS": f"http://{address}:2379",
        "INITIAL_CLUSTER": cluster,
        "INITIAL_CLUSTER_TOKEN": lab.prefix,
    }
    return "".join(f"ETCD_{name}={value}\n" for name, value in settings.items())


def start_etcd(lab: Lab, version: str) -> list[str]:
    """Install `etcd-server` and `etcd-client` in exactly this version, start a cluster of all nodes; return client URLs."""
    for node in lab.nodes:
        lab.write(node, "/etc/default/etcd", defaults(lab, node))
        packages = [f"{name}={version}" for name in ("etcd-server", "etcd-client")]
        lab.run(
            node,
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
            *packages,
        )
        lab.run(node, "systemctl", "enable", "--quiet", "etcd")
    for node in lab.nodes:
        # The first member's start waits for a majority, so nobody waits here.
        lab.run(node, "systemctl", "start", "--no-block", "etcd")
    urls = [f"http://{node.address}:2379" for node in lab.nodes.values()]
    ends = time.monotonic() + READY_SECONDS
    while not all(healthy(url) for url in urls):
        if time.monotonic() > ends:
            raise RuntimeError(f"etcd is not healthy after {READY_SECONDS} s: {urls}")
        time.sleep(0.1)
    return urls


def healthy(url: str) -> bool:
    """Return whether the member at `url` says that it is healthy."""
    try:
        with DIRECT.open(f"{url}/health", timeout=2) as answer:
            return str(json.load(answer)["health"]) == "true"
    except OSError:
        return False
