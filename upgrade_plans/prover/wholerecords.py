"""What a compiled plan of a whole stack consists of: records of daemons, boundaries between steps, the parts of a step.

`docs/semantics.md`, 11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kubedeb.versions import Version
from upgrade_plans.models.upgrade import Step, Upgrade
from upgrade_plans.models.upgradekinds import Service, Store
from upgrade_plans.models.upgradekinds import StepKind as Kind
from upgrade_plans.prover.verdict import Violation

Key = tuple[str, str]
"""A daemon and where it is: a host's node, a group of workers or of Tillers."""
Lines = tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Record:
    """A daemon: what runs, what is installed, whether a reboot starts nothing, its settings on disk.

    Of an API server: the store that it uses, and the one that it would use after a reboot. Known by itself: a compiled plan has
    one for all that are equal, and looks the same few up for every group of workers and in every state.
    """

    run: Version | None
    disk: Version | None
    masked: bool = False
    lines: Lines = ()
    store: Store | None = None
    boot: Store | None = None

    @property
    def content(self) -> tuple[object, ...]:
        """Return all that it says: equal for those that are the same."""
        return self.run, self.disk, self.masked, self.lines, self.store, self.boot

    @property
    def starts(self) -> Version | None:
        """Return what a reboot would start."""
        return None if self.masked else self.disk

    @cached_property
    def versions(self) -> frozenset[Version]:
        """Return what runs, and what a reboot would start."""
        return frozenset(version for version in (self.run, self.starts) if version is not None)


@dataclass(frozen=True, eq=False)
class Boundary:
    """The world between two steps, as far as it is the same whichever way led there. Known by itself."""

    hosts: Mapping[Key, Record]
    fleet: frozenset[tuple[str, Record]] = frozenset()
    depooled: frozenset[str] = frozenset()
    held: bool = False
    frozen: bool = False
    closed: bool = False
    outages: tuple[int, ...] = ()
    calico: str = "before"
    away: bool = False

    @cached_property
    def rests(self) -> bool:
        """Say whether nothing is stopped, closed, depooled or half moved."""
        still = not any(one.masked for one in self.hosts.values()) and not any(one.masked for _, one in self.fleet)
        return still and not self.depooled and not self.closed and not self.outages and self.calico != "open"


@dataclass(frozen=True)
class Part:
    """What of a step goes together: a host's daemons, before and after, or all that is counted."""

    name: str
    hosts: Mapping[Key, tuple[Record, Record]] = field(default_factory=dict)
    fleet: bool = False


@dataclass(frozen=True)
class Compiled:
    """A step: its phase, its parts (none: one act), and the boundary below which its blocks let nobody go back."""

    step: Step
    phase: int
    parts: tuple[Part, ...]
    floor: int = 0


@dataclass(frozen=True)
class WholeCase:
    """A compiled plan: `boundaries[i]` is what lies before step i."""

    plan: Upgrade
    steps: tuple[Compiled, ...]
    boundaries: tuple[Boundary, ...]
    wrong: tuple[Violation, ...]

    @cached_property
    def index(self) -> dict[str, int]:
        """Return the place of each step."""
        return {one.step.id: number for number, one in enumerate(self.steps)}

    @cached_property
    def holds(self) -> bool:
        """Say whether the plan holds configuration anywhere."""
        return any(one.step.kind is Kind.HOLD_CONFIG for one in self.steps)

    @cached_property
    def members(self) -> tuple[Key, ...]:
        """Return the etcd members."""
        return tuple(key for key in self.boundaries[0].hosts if key[0] == "etcd")

    def stopped(self, here: Boundary) -> frozenset[Service]:
        """Return what the outages that are open at a boundary stop."""
        if not here.outages:
            return frozenset()
        outages = (self.steps[number].step.outage for number in here.outages)
        return frozenset(service for outage in outages if outage is not None for service in outage.stops)

    @cached_property
    def apiservers(self) -> tuple[Key, ...]:
        """Return the API servers."""
        return tuple(key for key in self.boundaries[0].hosts if key[0] == "kube-apiserver")

    @cached_property
    def astray(self) -> frozenset[tuple[Key, Record]]:
        """Return the API servers that a reboot would, before the plan begins, start on another store than the one in use."""
        kept, hosts = self.plan.stores.kubernetes, self.boundaries[0].hosts
        servers = [(key, hosts[key]) for key in self.apiservers] if kept is not None else []
        return frozenset((key, one) for key, one in servers if one.starts is not None and one.boot not in (None, kept))

    @cached_property
    def watchers(self) -> dict[Key, int]:
        """Return how many there are of each daemon that watches, by where it is; in the order of their names."""
        counts = {group.id: group.count for group in self.plan.workers if not group.down}
        keys = [(name, group.id) for group in self.plan.workers if not group.down for name in group.daemons]
        keys += [key for key in self.boundaries[0].hosts if key[1] not in counts]
        return {key: counts.get(key[1], 1) for key in sorted(keys) if key[0] in ("kubelet", "kube-proxy")}
