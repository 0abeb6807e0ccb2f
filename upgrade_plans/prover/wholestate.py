"""A state of a whole stack's plan, and what is there in it (docs/semantics.md, 11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from kubedeb.versions import Version
from upgrade_plans.models.upgrade import Step
from upgrade_plans.models.upgradekinds import Store
from upgrade_plans.prover.wholekinds import MANAGERS
from upgrade_plans.prover.wholerecords import Boundary, Key, Record

FORWARD, BACK, ENDED = 0, 1, 2
PENDING, IN_HAND, DONE = 0, 1, 2
BOTH = "both"
FLEET: Key = ("", "")
Line = tuple[int, int]
Parts = tuple[int, ...]
"""How far each part of a step is."""


class Watching(tuple[tuple[Key, int], ...]):
    """What has watched since before the migration, and how many of each, in order: as long as there are groups; hashed once."""

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return tuple.__hash__(self)


NOBODY = Watching()


@dataclass(frozen=True, eq=False)
class Memory:
    """What the world remembers of the way: it does not go back when a step does. Known by itself: see `Chronicle`.

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
    since: Watching = NOBODY
    beat: bool = True
    floor: int = 0

    @property
    def content(self) -> tuple[object, ...]:
        """Return all that is remembered: equal for those that are the same."""
        return (
            self.cluster, self.wrote, self.newest, self.left, self.gone, self.sentinel, self.migrated, self.compared,
            self.saved, self.proven, self.cold, self.since, self.beat, self.floor,
        )  # fmt: skip

    @property
    def judged(self) -> tuple[object, ...]:
        """Return all of it that decides what a place violates, whichever way the program goes (`wholejudge`, `_either_way`)."""
        return (self.cluster, self.wrote, self.newest, self.left, self.migrated, self.compared, "/registry" in self.gone,
                bool(self.since), self.beat)  # fmt: skip


class State(NamedTuple):
    """Where the program is, how far each part of its step is, and what the world remembers."""

    direction: int
    step: int
    parts: Parts
    memory: Memory


@dataclass(frozen=True, eq=False)
class Standing:
    """What is where: of each daemon every record that it may be in, and what counted units there are.

    Many places of a plan show the same, whatever step is at hand: there is one such value for all of them, known by itself, and
    what is asked of it is worked out once.
    """

    may: Mapping[Key, tuple[Record, ...]]
    fleet: frozenset[tuple[str, Record]] = frozenset()
    members: tuple[Key, ...] = ()

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

    @cached_property
    def writes(self) -> tuple[frozenset[Version], frozenset[Store | None]]:
        """Return the versions of API servers that write, or would after a reboot, and the stores that they write to."""
        pairs = [(version, store) for one in self.servers for version, store in ((one.run, one.store), (one.starts, one.boot))
                 if version is not None]  # fmt: skip
        return frozenset(version for version, _ in pairs), frozenset(store for _, store in pairs)

    @cached_property
    def stores(self) -> tuple[frozenset[Store], frozenset[Store]]:
        """Return the stores that API servers write to, and those that they would write to after a reboot."""
        writes = frozenset(one.store for one in self.servers if one.run is not None and one.store is not None)
        return writes, frozenset(one.boot for one in self.servers if one.starts is not None and one.boot is not None)

    @cached_property
    def line(self) -> Line | None:
        """Return the lowest line that a member of etcd runs, None unless every one surely runs."""
        if not self.members or not self.up.issuperset(self.members):
            return None
        return min(one.run.line for key in self.members for one in self.may[key] if one.run is not None)

    def runs(self, component: str) -> bool:
        """Say whether a daemon of hosts may run or would start anywhere."""
        return component in self._running

    @cached_property
    def _running(self) -> frozenset[str]:
        return frozenset(key[0] for key, records in self.may.items() if any(one.versions for one in records))

    @cached_property
    def leads(self) -> bool:
        """Say whether a controller-manager may run."""
        return MANAGERS[0] in self._running

    @cached_property
    def records(self) -> tuple[tuple[str, Record], ...]:
        """Return every record that a daemon may be in, with its component: each once."""
        hosts = ((name, record) for (name, _), records in self.may.items() for record in records)
        return tuple(dict.fromkeys((*hosts, *self.fleet)))

    @cached_property
    def versions(self) -> dict[str, set[Version]]:
        """Return by component every version of it that may run or would start, on hosts and on what is counted."""
        found: dict[str, set[Version]] = {}
        for name, record in self.records:
            found.setdefault(name, set()).update(record.versions)
        return found


@dataclass(frozen=True, eq=False)
class View:
    """What there is at a place, what of it is in hand, and the rest. `FLEET` in hand stands for counted units."""

    there: Standing
    hand: frozenset[Key]
    around: Boundary
    step: Step | None
