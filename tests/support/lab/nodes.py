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
from collections.abc import Callable
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
    # docker's own AppArmor profile, where there is AppArmor, refuses the mounts by which units are confined.
    "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
    "tmpfs": {"/run": "", "/tmp": ""},
}
CGROUPS = Path("/sys/fs/cgroup")


def cgroup_options(cgroups: Path) -> dict[str, Any]:
    """Return docker's options by which systemd in a node gets cgroups of its own below the host's.

    systemd reads from /proc/self/cgroup where in the mounted tree it stands. With cgroup v2 docker gives each container a
    cgroup namespace, in which that is "/": the host's root, because the host's tree is what is mounted. So that must be off.
    """
    options: dict[str, Any] = {"volumes": {str(cgroups): {"bind": "/sys/fs/cgroup", "mode": "rw"}}}
    return {**options, "cgroupns": "host"} if (cgroups / "cgroup.controllers").exists() else options


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
        labels = {"kubedeb.test": "1", LABEL: self.prefix, OWNER: KEPT if self._keep else str(here())}
        network, base = self._network(labels)
        self.gateway = f"{base}.1"
        options = {**OPTIONS, **cgroup_options(CGROUPS)}
        for number, node in enumerate(self._names, 11):
            address = f"{base}.{number}"
            container = f"{self.prefix}-{node}"
            endpoint = EndpointConfig(self._client.api.api_version, ipv4_address=address)
            self._client.containers.run(
                name, name=container, hostname=node, labels=labels, detach=True, network=network.name,
                networking_config={str(network.name): endpoint}, **options,
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


@dataclass(frozen=True)
class Owner:
    """A process, named so that no other ever has the name: `start` is its start time, in ticks since the kernel's boot."""

    pid: int
    start: str
    namespace: str
    boot: str

    def __str__(self) -> str:
        return f"{self.pid}@{self.start}@{self.namespace}@{self.boot}"

    @classmethod
    def parse(cls, label: str) -> Owner | None:
        """Return the owner that a label names, None when it names none in this form."""
        match label.split("@"):
            case [pid, start, namespace, boot] if pid.isdecimal():
                return cls(int(pid), start, namespace, boot)
        return None


def started(pid: int) -> str | None:
    """Return a process's start time, None when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def here() -> Owner:
    """Return this process as an owner."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Owner(os.getpid(), started(os.getpid()) or "", os.readlink("/proc/self/ns/pid"), boot)  # noqa: PTH115 - no path


def is_orphan(label: str, me: Owner, start_of: Callable[[int], str | None]) -> bool:
    """Say whether a label's owner is dead; of processes in another PID namespace or on another machine nobody can know."""
    owner = Owner.parse(label)
    if owner is None or (owner.namespace, owner.boot) != (me.namespace, me.boot):
        return False
    return start_of(owner.pid) != owner.start


def labs() -> dict[str, str]:
    """Return the owner of each lab that exists (an `Owner`, or `kept`), by prefix."""
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
    """Remove the labs whose owners died, as far as this process can know, and return their prefixes."""
    me = here()
    dead = [prefix for prefix, owner in labs().items() if is_orphan(owner, me, started)]
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
