"""A state of a whole stack's plan, and what is there in it (docs/model.md, 11)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from kubedeb.versions import Version
from upgrade_plans.models.upgrade import Step
from upgrade_plans.models.upgradekinds import Store
from upgrade_plans.prover.wholecase import Boundary, Key, Record

FORWARD, BACK, ENDED = 0, 1, 2
PENDING, IN_HAND, DONE = 0, 1, 2
BOTH = "both"
FLEET: Key = ("", "")
Line = tuple[int, int]


class Memory(NamedTuple):
    """What the world remembers of the way: it does not go back when a step does.

    `wrote`: the API servers' versions that have written. `newest`: the store that holds the newest write, `both` after the
    migration. `left`: Calico's keys that it copied and nobody wants. `gone`: prefixes deleted from the old store.
    `since`: what has watched since before the migration, and how many of each. `beat`: the kubelets' heartbeats are fresh.
    `floor`: below it nobody goes back.
    """

    cluster: Line | None
    wrote: frozenset[Version]
    newest: Store | str | None
    left: bool = False
    gone: frozenset[str] = frozenset()
    sentinel: bool = False
    migrated: bool = False
    compared: bool = False
    saved: frozenset[str] = frozenset()
    proven: frozenset[str] = frozenset()
    cold: bool = False
    since: tuple[tuple[Key, int], ...] = ()
    beat: bool = True
    floor: int = 0


class State(NamedTuple):
    """Where the program is, how far each part of its step is, and what the world remembers."""

    direction: int
    step: int
    parts: tuple[int, ...]
    memory: Memory


@dataclass(frozen=True)
class View:
    """What is there at a place: of each daemon every record that it may be in, what is in hand, and the rest.

    `FLEET` in hand stands for counted units.
    """

    may: dict[Key, tuple[Record, ...]]
    fleet: frozenset[tuple[str, Record]]
    hand: frozenset[Key]
    around: Boundary
    step: Step | None

    @cached_property
    def up(self) -> frozenset[Key]:
        """Return the daemons of hosts that surely run."""
        return frozenset(key for key, records in self.may.items() if len(records) == 1 and records[0].run is not None)

    @cached_property
    def servers(self) -> tuple[Record, ...]:
        """Return every record that an API server may be in."""
        return tuple(one for key, records in self.may.items() if key[0] == "kube-apiserver" for one in records)

    @cached_property
    def serving(self) -> bool:
        """Say whether some API server surely runs."""
        return any(key[0] == "kube-apiserver" for key in self.up)

    def runs(self, component: str) -> bool:
        """Say whether a daemon of hosts may run or would start anywhere."""
        return component in self._running

    @cached_property
    def _running(self) -> frozenset[str]:
        return frozenset(key[0] for key, records in self.may.items() if any(one.versions for one in records))

    @cached_property
    def versions(self) -> dict[str, set[Version]]:
        """Return by component every version of it that may run or would start, on hosts and on what is counted."""
        found: dict[str, set[Version]] = {}
        for (name, _), records in self.may.items():
            for record in records:
                found.setdefault(name, set()).update(record.versions)
        for name, record in self.fleet:
            found.setdefault(name, set()).update(record.versions)
        return found


def resting(here: Boundary) -> bool:
    """Say whether nothing is stopped, closed, depooled or half moved between two steps."""
    still = not any(one.masked for one in here.hosts.values()) and not any(one.masked for _, one in here.fleet)
    return still and not here.depooled and not here.closed and not here.outages and here.calico != "open"
