"""The invariants of docs/semantics.md, section 4, on packed states: levels, clauses, exposures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from upgrade_plans.models.state import Direction, FaultKind
from upgrade_plans.prover.blocked import BLOCKED
from upgrade_plans.prover.machine import NO_FAULT, NOT_RUNNING, Ints, Machine, Packed

# Numbered after the clauses of the transitions (machine.py).
NO_MAJORITY, REST_DOWN, NO_SPARE, REST_DIFFERS, TWO_DIFFER, OTHER_DIFFERS, DEAD_END, ENDLESS = range(9, 17)


@dataclass(frozen=True)
class Clause:
    """One clause of an invariant: the invariant's id, the clause's name, what its violation means, the rules behind it."""

    invariant: str
    name: str
    what: str
    rules: tuple[str, ...] = ()


CLAUSES = (
    Clause("etcd-quorum", "two-stopped", "two members are being restarted at once", ("etcd-rolling", "etcd-quorum")),
    Clause("etcd-quorum", "others-down", "a member is restarted while another one is not up",
           ("etcd-quorum", "etcd-healthy-first")),
    Clause("etcd-hop", "below", "a member starts a version below the cluster version", ("etcd-no-downgrade",)),
    Clause("etcd-hop", "beyond", "a member starts a version that skips a line", ("etcd-one-minor",)),
    Clause("etcd-hop", "ahead", "a member starts the next line while another one is still below the cluster version",
           ("etcd-cluster-version",)),
    Clause("packages", "uncached", "a version is installed while its packages, or those of the way back, are not on the node"),
    Clause("snapshot", "begin", "a step that blocks the way back begins without a backup that was restored and compared",
           ("etcd-backup-first", "etcd-backup-drill")),
    Clause("snapshot", "rise", "the cluster version rises, and no backup of the line before was restored and compared",
           ("etcd-backup-first", "etcd-backup-drill", "etcd-no-downgrade")),
    Clause("snapshot", "undeclared", "the cluster version rises in a step that does not say that it blocks the way back",
           ("etcd-no-downgrade",)),
    Clause("etcd-quorum", "majority", "fewer than a majority of the members are up, by the plan's own doing", ("etcd-quorum",)),
    Clause("etcd-quorum", "rest", "a member is not up although nothing is in flight", ("etcd-quorum",)),
    Clause("etcd-quorum", "spare", "one more fault would take the majority, and the plan need not have gone there",
           ("etcd-quorum",)),
    Clause("installed-running", "rest", "a member runs another version than the installed one although nothing is in flight"),
    Clause("installed-running", "two", "more than one member runs another version than the installed one"),
    Clause("installed-running", "other", "a member that is not being changed runs another version than the installed one"),
    Clause("no-dead-end", "stuck", "neither the end nor the way back can be reached from here"),
    Clause("reaches-end", "endless", "the plan can only be turned back: no way leads from its start to its end"),
)  # fmt: skip
NODE_FAULTS = (FaultKind.PROCESS, FaultKind.NODE, FaultKind.LINK)


class Judge:
    """Judges states and counts levels and exposures; `inherited` are the ranks of versions that are blocked."""

    def __init__(self, machine: Machine, inherited: frozenset[int] = frozenset()) -> None:
        self._machine, self._inherited = machine, inherited
        self._program = machine.program
        self.levels: Counter[str] = Counter()
        self.exposures: Counter[tuple[int, str]] = Counter()
        self._differing: dict[tuple[Ints, Ints], int] = {}

    def judge(self, state: Packed, weight: int = 1) -> Ints:
        """Count in a state that stands for `weight` of them and return the clauses that it violates."""
        place = self._program.places[state[7]]
        differ = self._differ(state[0], state[1])
        if self._inherited and not self._inherited.isdisjoint((*state[0], *state[1])):
            self.exposures[place.step, BLOCKED] += weight
        if state[9] != NO_FAULT:
            self.levels["F"] += weight
            return self._differs(differ, 0 if place.finished else place.mask) if differ else ()
        resting = place.finished or (place.direction is Direction.FORWARD and not state[8] and place.act == 0)
        up = self._machine.up(state[1], NO_FAULT)
        broken: Ints = (NO_MAJORITY,) if up.bit_count() < self._machine.majority else ()
        if resting:
            self.levels["R"] += weight
            broken += (REST_DOWN,) if up != self._machine.full else ()
            return broken + ((REST_DIFFERS,) if differ else ())
        self.levels["N"] += weight
        if self._exposed(up, place.step, weight):
            broken += (NO_SPARE,)
        return broken + (self._differs(differ, place.mask) if differ else ())

    def _differ(self, installed: Ints, running: Ints) -> int:
        key = installed, running
        mask = self._differing.get(key)
        if mask is None:
            pairs = enumerate(zip(installed, running, strict=True))
            mask = sum(1 << i for i, (disk, live) in pairs if live not in (NOT_RUNNING, disk))
            self._differing[key] = mask
        return mask

    @staticmethod
    def _differs(differ: int, allowed: int) -> Ints:
        broken: Ints = (TWO_DIFFER,) if differ.bit_count() > 1 else ()
        return broken + ((OTHER_DIFFERS,) if differ & ~allowed else ())

    def _exposed(self, up: int, step: int, weight: int) -> bool:
        """Count the forced exposures of a nominal state; say whether there is one that is not forced."""
        count, majority = up.bit_count(), self._machine.majority
        classes = list(NODE_FAULTS) if up and count - 1 < majority else []
        lost = ((mask & up).bit_count() for _, mask in self._program.rows)
        if any(gone and count - gone < majority for gone in lost):
            classes.append(FaultKind.ROW)
        if self._program.size - count > 1:
            return bool(classes)
        for kind in classes:
            self.exposures[step, kind] += weight
        return False
