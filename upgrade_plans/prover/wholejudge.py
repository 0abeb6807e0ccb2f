"""The invariants of docs/semantics.md, 15, on the states of a whole stack's plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial

from kubedeb.knowledge import Knowledge
from upgrade_plans.models.upgradekinds import StepKind as Kind
from upgrade_plans.models.upgradekinds import Store
from upgrade_plans.prover.wholedata import migrated_by, saved_before, stored, stores
from upgrade_plans.prover.wholekinds import HANDLED, components
from upgrade_plans.prover.wholerecords import WholeCase
from upgrade_plans.prover.wholeserving import exposed, off, quorum, served
from upgrade_plans.prover.wholestate import FORWARD, Line, Memory, Parts, Standing, State, View
from upgrade_plans.prover.wholeversions import Clause, Versions, all_of, first

RESTARTING = (Kind.RESTART, Kind.CONFIG, Kind.STOP, Kind.START)


@dataclass(frozen=True, eq=False)
class Sight:
    """What a place says by itself, whatever is remembered.

    Whether it is at rest, what one more fault would be too much of, whether managers may lead, whether somebody watches, the
    stores that API servers write to and those that they would write to after a reboot, and the clauses about who serves and
    about configuration that it violates. `inherited`: the rows against blocked versions of the start that are still there;
    `first`: what is violated because something else moves before they are left.
    """

    view: View
    begun: bool
    step: str
    rest: bool
    exposed: tuple[str, ...]
    leads: bool
    watched: bool
    stores: tuple[frozenset[Store], frozenset[Store]]
    etcd: tuple[Clause, ...]
    servers: tuple[Clause, ...]
    kept: tuple[Clause, ...]
    inherited: tuple[str, ...]
    first: tuple[Clause, ...]


class WholeJudge:
    """Judges states; counts levels and exposures. `view` gives what is there at a place: a step, and how far its parts are.

    There are several states to a place, which differ in what is remembered and in whether the program goes forward: what a
    place says is worked out once, and what it violates once for each of the few things remembered that this depends on.
    """

    def __init__(self, case: WholeCase, knowledge: Knowledge, view: Callable[[int, Parts], View]) -> None:
        self.case, self.knowledge, self.view = case, knowledge, view
        self.versions = Versions(case, knowledge)
        self.rules, self.warned = self.versions.rules, self.versions.warned
        self.levels: Counter[str] = Counter()
        self.exposures: Counter[tuple[str, str]] = Counter()
        self._next = cache(partial(knowledge.next_line, "etcd"))
        self._sight = cache(self._seen)
        self._back = cache(lambda *at: tuple(self.versions.unreadable(*at)))
        self._hop = cache(lambda *at: tuple(self._hopping(*at)))
        kinds: dict[tuple[object, ...], int] = {}
        self._kind = cache(lambda memory: kinds.setdefault(memory.judged, len(kinds)))
        """Numbers memories, the same for those that are judged alike."""
        self._known: dict[tuple[Sight, int], tuple[Clause, ...]] = {}

    def judge(self, state: State, *, finished: bool) -> tuple[Clause, ...]:
        """Count a state in and return the clauses that it violates."""
        sight, memory = self._sight(state.step, state.parts), state.memory
        self.levels["R" if sight.rest or finished else "N"] += 1
        for fault in sight.exposed:
            self.exposures[sight.step, fault] += 1
        key = sight, self._kind(memory)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = tuple(self._either_way(sight, memory))
        if sight.begun and state.direction == FORWARD:
            found += (*migrated_by(self.case, state, sight.view), *saved_before(self.case, state, sight.view))
        if sight.inherited:
            found += tuple(self._left_late(sight, state, finished=finished))
        if sight.kept or finished:
            found += (*sight.kept, *(self._end(state, sight.view) if finished else ()))
        return tuple(dict.fromkeys(found)) if found else found

    def _either_way(self, sight: Sight, memory: Memory) -> Iterator[Clause]:
        """Yield what a place violates with what is remembered, whichever way the program goes."""
        view = sight.view
        yield from self.versions.judge(view.there, view.step, memory.newest, begun=sight.begun)
        yield from self._back(view.there.writes[0], memory.wrote)
        yield from sight.etcd
        if memory.cluster is not None:
            yield from self._hop(view.there, memory.cluster)
        yield from sight.servers
        if sight.leads and view.there.serving and not memory.beat:
            yield "no-mass-eviction", "stale", ()
        if memory.since and sight.watched and memory.newest is Store.V3:
            yield "watch-continuity", "since", ()
        yield from self._networked(sight, memory)
        yield from stored(memory, *sight.stores)

    def _seen(self, step: int, parts: Parts) -> Sight:
        case, view, begun = self.case, self.view(step, parts), any(parts)
        inherited = self.versions.inherited(view.there)
        return Sight(
            view=view, begun=begun, step=view.step.id if view.step is not None else "",
            rest=not view.hand and not begun and view.around.rests, exposed=tuple(exposed(case, view)),
            leads=view.there.leads, watched=view.there.serving and (view.there.leads or not off(case, view)),
            stores=stores(case, view), etcd=tuple(quorum(case, view)), servers=tuple(served(case, view)),
            kept=tuple(self._kept(view)) if begun else (), inherited=tuple(sorted({one.id for one in inherited.values()})),
            first=tuple(first(view.step, inherited)) if begun else (),
        )  # fmt: skip

    def _left_late(self, sight: Sight, state: State, *, finished: bool) -> Iterator[Clause]:
        """Count the exposure to blocked versions of the start, and yield what is violated because they are still there."""
        if finished and state.direction == FORWARD:
            yield "blocked", "stays", sight.inherited
            return
        self.exposures[sight.step, "blocked"] += 1
        yield from sight.first

    def _hopping(self, there: Standing, cluster: Line) -> Iterator[Clause]:
        """Yield what members violate beside each other and the cluster's version."""
        following = self._next(cluster)
        lines = {key: {version.line for version in all_of(there.may[key])} for key in self.case.members}
        for key, here in lines.items():
            if any(line < cluster for line in here):
                yield "etcd-hop", "below", ("etcd-no-downgrade",)
            if any(line > cluster and line != following for line in here):
                yield "etcd-hop", "skip", ("etcd-one-minor",)
            if any(line > cluster for line in here) and any(
                one < cluster for other in lines if other != key for one in lines[other]
            ):
                yield "etcd-hop", "lag", ("etcd-cluster-version",)

    def _networked(self, sight: Sight, memory: Memory) -> Iterator[Clause]:
        """Yield what Calico's versions violate beside where its data is, and a step inside its window."""
        view, step = sight.view, sight.view.step
        versions = view.there.versions.get("calico-node", set())
        window = view.around.calico
        if window == "before" and any(version.major >= 3 for version in versions) and self.case.plan.stores.calico is Store.V2:
            yield "calico-datastore", "early", ("calico-migration-window",)
        if window == "after" and any(version.major < 3 for version in versions):
            yield "calico-datastore", "behind", ("calico-migration-back",)
        if step is None or not sight.begun:
            return
        if step.kind is Kind.CALICO_START and window == "open":
            oldest = self.knowledge.by_id.get("calico-2.6.5-first")
            if oldest is not None and any(version in oldest.from_ for version in versions):
                yield "calico-datastore", "old", (oldest.id,)
            if memory.left:
                yield "calico-datastore", "unclean", ("calico-migration-clean",)
            if not view.around.frozen:
                yield "calico-datastore", "unfrozen", ("calico-migration-window",)
        if window == "open" and step.kind is not Kind.CALICO_START:
            kubelet = step.kind in RESTARTING and "kubelet" in components(step)
            if step.kind in (Kind.WORKERS, Kind.PROBE, Kind.TILLERS) or step.drains or kubelet:
                yield "calico-datastore", "pods", ("calico-migration-window",)

    def _kept(self, view: View) -> Iterator[Clause]:
        if view.step is not None and self.case.holds and not view.around.held and view.step.kind in HANDLED:
            yield "config-owner", "released", ()

    @staticmethod
    def _end(state: State, view: View) -> Iterator[Clause]:
        if not view.around.rests:
            yield "dwell", "stopped", ()
        if state.direction == FORWARD:
            if view.around.held or view.around.frozen or view.around.away:
                yield "dwell", "held", ()
            if any(None not in (one.run, one.disk) and one.run != one.disk for _, one in view.there.records):
                yield "installed-running", "end", ()
