"""What the oracle of whole plans speaks of: daemons, states, what each kind of step does to a daemon, act by act."""

from __future__ import annotations

from typing import NamedTuple

from kubedeb.versions import Version

MANAGERS = ("kube-controller-manager", "kube-scheduler")
WORKERS = ("kubelet", "kube-proxy")
MOVE = {
    "apiserver": ("kube-apiserver",), "managers": MANAGERS, "workers": WORKERS, "etcd-hop": ("etcd",),
    "calico-nodes": ("calico-node",), "tillers": ("tiller",),
}  # fmt: skip
TOUCH = {**MOVE, "migrate": ("etcd",), "switch-store": ("kube-apiserver",)}
NAMES = {"managers": MANAGERS, "workers": WORKERS}
ACTS = {
    "stop": ("stop",), "start": ("start",), "restart": ("halt", "start"), "config": ("write", "halt", "start"),
    "switch-store": ("write",), "migrate": ("copy",),
}  # fmt: skip
MOVING = ("stop", "write", "install", "start")
BACK_TO = {"stop": ("start",), "start": ("stop",)}
STAYS = (*MOVE, "config", "migrate", "switch-store", "calico-start", "calico-complete")
"""What these kinds do stays when the step is left, so that they need an undo to be taken back."""
Key = tuple[str, str]
Lines = tuple[tuple[str, str], ...]


class Daemon(NamedTuple):
    """What runs and with which settings, what is on disk and with which, whether a reboot starts nothing, the store in use."""

    run: Version | None
    disk: Version
    masked: bool
    lines: Lines
    live: Lines
    used: str


class State(NamedTuple):
    """A state: the program, the acts still to do by part, the daemons, what the world remembers, the fault."""

    direction: str
    step: int
    stages: tuple[int, ...]
    left: tuple[tuple[str, ...], ...]
    daemons: tuple[Daemon, ...]
    newest: str
    wrote: frozenset[Version]
    cluster: tuple[int, int]
    facts: frozenset[str]
    floor: int
    fault: str


class Around(NamedTuple):
    """What lies around a step, before it: who is out of the pool, which outages are open and what they excuse, and so on."""

    out: frozenset[str] = frozenset()
    outages: frozenset[str] = frozenset()
    excused: frozenset[str] = frozenset()
    stopped: frozenset[str] = frozenset()
    closed: bool = False
    held: bool = False
    frozen: bool = False
    away: bool = False
    calico: str = "before"

    @property
    def rests(self) -> bool:
        """Say whether nothing is stopped, closed, out of the pool or half moved."""
        return not (self.out or self.outages or self.stopped or self.closed or self.calico == "open")


def store_of(lines: Lines, version: Version) -> str:
    """Return the store that an API server uses with these settings: etcd3 by itself from 1.6 on."""
    told = dict(lines).get("--storage-backend")
    if told is None:
        return "v3" if version.minor >= 6 else "v2"
    return "v2" if told == "etcd2" else "v3"
