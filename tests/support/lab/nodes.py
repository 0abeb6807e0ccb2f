"""A lab: nodes on a network of their own, made when it is entered and removed when it is left, swept up when its owner died."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import tarfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import EndpointConfig, IPAMConfig, IPAMPool

from lab import image
from upgrade_plans.adapters.hosts import DockerHosts

LABEL = "kubedeb.lab"
OWNER = "kubedeb.lab.owner"
KEPT = "kept"
BOOT_SECONDS = 60
COMMAND_SECONDS = 300
RUN_SECONDS = 600
# systemd as PID 1 needs these, and `--privileged` is refused where CAP_SYS_RESOURCE is missing.
OPTIONS: dict[str, Any] = {
    "stop_signal": "SIGRTMIN+3",
    "cap_add": ["SYS_ADMIN", "NET_ADMIN"],
    "security_opt": ["seccomp=unconfined"],
    "tmpfs": {"/run": "", "/tmp": ""},
    "volumes": {"/sys/fs/cgroup": {"bind": "/sys/fs/cgroup", "mode": "rw"}},
}


@dataclass(frozen=True)
class Node:
    """A node: its name, its container's name, its address on the lab's network."""

    name: str
    container: str
    address: str


@dataclass(frozen=True)
class Done:
    """A command that ended on a node."""

    status: int
    output: str


class Lab:
    """`names` become node containers named `PREFIX-NAME`; `keep` leaves them (for the demo; `python -m lab remove PREFIX`)."""

    def __init__(self, names: list[str], *, prefix: str | None = None, keep: bool = False) -> None:
        self.prefix = prefix or f"lab{os.getpid()}"
        self._names = names
        self._keep = keep
        self._client = docker.from_env(timeout=120)
        self._handlers: dict[int, Any] = {}
        self.nodes: dict[str, Node] = {}
        self.gateway = ""

    def __enter__(self) -> Lab:
        sweep()
        self._catch_signals()
        try:
            self._build()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._leave()

    def _leave(self) -> None:
        try:
            if not self._keep:
                remove(self.prefix)
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self._client.close()

    def _catch_signals(self) -> None:
        """Let SIGTERM end the block as Ctrl-C does, so that the nodes are removed."""
        if threading.current_thread() is not threading.main_thread():
            return

        def stop(number: int, frame: FrameType | None) -> NoReturn:
            raise SystemExit(128 + number)

        for number in (signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, stop)

    def _build(self) -> None:
        name = image.ensure()
        labels = {"kubedeb.test": "1", LABEL: self.prefix, OWNER: KEPT if self._keep else identity(os.getpid())}
        network, base = self._network(labels)
        self.gateway = f"{base}.1"
        for number, node in enumerate(self._names, 11):
            address = f"{base}.{number}"
            container = f"{self.prefix}-{node}"
            endpoint = EndpointConfig(self._client.api.api_version, ipv4_address=address)
            self._client.containers.run(
                name, name=container, hostname=node, labels=labels, detach=True, network=network.name,
                networking_config={str(network.name): endpoint}, **OPTIONS,
            )  # fmt: skip
            self.nodes[node] = Node(node, container, address)
        for node in self._names:
            self._booted(node)

    def _network(self, labels: dict[str, str]) -> tuple[Network, str]:
        """Make the lab's network in the first /24 that nobody uses."""
        for third in range(256):
            base = f"10.213.{third}"
            ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=f"{base}.0/24", gateway=f"{base}.1")])
            try:
                return self._client.networks.create(self.prefix, driver="bridge", ipam=ipam, labels=labels), base
            except APIError as error:
                if "overlaps" not in str(error):
                    raise
        raise RuntimeError("no free network in 10.213.0.0/16")

    def _booted(self, node: str) -> None:
        ends = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < ends:
            if self.run(node, "systemctl", "is-system-running", check=False).output.strip() in ("running", "degraded"):
                return
            time.sleep(0.1)
        log = self.run(node, "systemctl", "list-jobs", check=False).output
        raise RuntimeError(f"{node} did not boot within {BOOT_SECONDS} s\n{log}")

    def _container(self, node: str) -> Container:
        return self._client.containers.get(self.nodes[node].container)

    def run(self, node: str, *argv: str, check: bool = True) -> Done:
        """Run a command on a node to its end; a status other than 0 is an error unless `check` is False."""
        outcome = DockerHosts(self.nodes[node].container).run(node, argv, timeout=RUN_SECONDS)
        done = Done(outcome.status, (outcome.stdout + outcome.stderr).decode(errors="replace"))
        if check and done.status:
            raise RuntimeError(f"{node}: {' '.join(argv)}: exit status {done.status}\n{done.output}")
        return done

    def write(self, node: str, path: str, content: str | bytes, *, mode: int = 0o644) -> None:
        """Put a file on a node."""
        data = content.encode() if isinstance(content, str) else content
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.size, entry.mode, entry.mtime = len(data), mode, int(time.time())
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            archive.addfile(entry, io.BytesIO(data))
        self._container(node).put_archive("/", stream.getvalue())

    def stop(self, node: str) -> None:
        """Cut a node's power."""
        self._container(node).kill()

    def authorize(self, folder: Path) -> Path:
        """Make a key in `folder` that opens root's account on every node over ssh, and return the private key's path."""
        key = folder / "id_ed25519"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        public = key.with_suffix(".pub").read_text()
        for node in self.nodes:
            self.write(node, "/root/.ssh/authorized_keys", public, mode=0o600)
        return key


def identity(pid: int) -> str:
    """Return a process's id and start time, which together name it for ever; only the id when it is gone."""
    with contextlib.suppress(OSError):
        return f"{pid}@{Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]}"
    return str(pid)


def labs() -> dict[str, str]:
    """Return the owner of each lab that exists (`PID@START`, or `kept`), by prefix."""
    client = docker.from_env()
    try:
        filters: dict[str, str | list[str] | bool] = {"label": OWNER}
        things = [*client.containers.list(all=True, filters=filters), *client.networks.list(filters=filters)]
        found = {}
        for thing in things:
            labels = thing.labels if isinstance(thing, Container) else (thing.attrs or {})["Labels"]
            found[labels[LABEL]] = labels[OWNER]
        return found
    finally:
        client.close()


def sweep() -> list[str]:
    """Remove the labs whose owners died, and return their prefixes."""
    dead = [prefix for prefix, owner in labs().items() if owner != KEPT and identity(int(owner.partition("@")[0])) != owner]
    for prefix in dead:
        remove(prefix)
    return dead


def remove(prefix: str) -> None:
    """Remove every container and network of a lab."""
    client = docker.from_env(timeout=120)
    try:
        filters: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={prefix}"}
        for container in client.containers.list(all=True, filters=filters):
            with contextlib.suppress(NotFound):
                container.remove(force=True, v=True)
        for network in client.networks.list(filters=filters):
            with contextlib.suppress(NotFound):
                network.remove()
    finally:
        client.close()
