"""The invariants of docs/model.md, 15, on the states of a whole stack's plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from kubedeb.knowledge import Knowledge, Severity
from kubedeb.knowledge.schema import Flag, Rule
from kubedeb.versions import Version
from upgrade_plans.models.surroundings import ManagersReach
from upgrade_plans.models.upgradekinds import Service, Store
from upgrade_plans.models.upgradekinds import StepKind as Kind
from upgrade_plans.prover.mixrules import CALLED, CLAUSES, MixRules
from upgrade_plans.prover.wholedata import data
from upgrade_plans.prover.wholekinds import HANDLED, MANAGERS, MOVERS, components
from upgrade_plans.prover.wholerecords import Key, Record, WholeCase
from upgrade_plans.prover.wholestate import BOTH, FORWARD, Line, Memory, Parts, State, View

Clause = tuple[str, str, tuple[str, ...]]
"""An invariant's id, which part of it, and the rules that it rests on."""
STORAGE = {Store.V2: Version(2, 0, 0), Store.V3: Version(3, 0, 0), BOTH: Version(3, 0, 0)}
LEADER = "--leader-elect"
RULE = "rule: "
RESTARTING = (Kind.RESTART, Kind.CONFIG, Kind.STOP, Kind.START)


@dataclass(frozen=True)
class Sight:
    """What a place says by itself, whatever is remembered.

    Whether it is at rest, what one more fault would be too much of, whether managers may lead, whether somebody watches, and
    the clauses about who serves and about configuration that it violates. `inherited`: the rows against blocked versions of
    the start that are still there; `first`: what is violated because something else moves before they are left.
    """

    rest: bool
    exposed: tuple[str, ...]
    leads: bool
    watched: bool
    etcd: tuple[Clause, ...]
    servers: tuple[Clause, ...]
    kept: tuple[Clause, ...]
    inherited: tuple[str, ...]
    first: tuple[Clause, ...]


class WholeJudge:
    """Judges states; counts levels and exposures. `view` gives what is there at a place: a step, and how far its parts are.

    There are several states to a place, which differ in what is remembered: what a place says is worked out once, and once for
    each of the few things remembered that it depends on.
    """

    def __init__(self, case: WholeCase, knowledge: Knowledge, view: Callable[[int, Parts], View]) -> None:
        self.case, self.knowledge, self.rules, self.view = case, knowledge, MixRules(knowledge), view
        self.levels: Counter[str] = Counter()
        self.exposures: Counter[tuple[str, str]] = Counter()
        self.warned: dict[str, str] = {}
        self._mixes = cache(self._broken)
        self._refused = cache(self._illegal)
        self._next = cache(partial(knowledge.next_line, "etcd"))
        self._sight = cache(self._seen)
        self._there = cache(lambda *at: tuple(self._of_place(*at)))
        self._back = cache(lambda *at: tuple(self._unreadable(*at)))
        self._hop = cache(lambda *at: tuple(self._hopping(*at)))
        self._calico = cache(lambda *at: tuple(self._networked(*at)))
        start = case.boundaries[0]
        self.given = {(name, one.starts, one.lines) for (name, _), one in start.hosts.items()}
        self.given |= {(name, one.starts, one.lines) for name, one in start.fleet}
        # Of a flag that older versions are not known to accept nothing follows for one that starts with it already.
        self.accepted = {(name, flag) for name, _, lines in self.given for flag, _ in lines}
        self.begun_on = self._begun_on()

    def judge(self, state: State, *, finished: bool) -> tuple[Clause, ...]:
        """Count a state in and return the clauses that it violates."""
        step, parts, memory = state.step, state.parts, state.memory
        view, sight = self.view(step, parts), self._sight(step, parts)
        self.levels["R" if sight.rest or finished else "N"] += 1
        for fault in sight.exposed:
            self.exposures[self._step(step), fault] += 1
        found = (
            *self._there(step, parts, memory.newest), *self._back(view.writes[0], memory.wrote), *sight.etcd,
            *self._hop(step, parts, memory.cluster), *sight.servers, *_remembered(sight, view, memory),
            *self._calico(step, parts, memory.left), *data(self.case, state, view),
            *self._left_late(sight, state, finished=finished), *sight.kept, *(self._end(state, view) if finished else ()),
        )  # fmt: skip
        return tuple(dict.fromkeys(found))

    def _seen(self, step: int, parts: Parts) -> Sight:
        view, begun = self.view(step, parts), any(parts)
        inherited = self._inherited(view)
        return Sight(
            rest=not view.hand and not begun and view.around.rests, exposed=tuple(self._exposed(view)),
            leads=_leads(view), watched=view.serving and (_leads(view) or not self._off(view)),
            etcd=tuple(self._etcd(view)), servers=tuple(self._servers(view)), kept=tuple(self._kept(view)) if begun else (),
            inherited=tuple(sorted({rule.id for rule in inherited.values()})),
            first=tuple(self._first(view, inherited)) if begun else (),
        )  # fmt: skip

    def _of_place(self, step: int, parts: Parts, newest: Store | str | None) -> Iterator[Clause]:
        """Yield what versions and settings violate beside each other, and beside the store that holds the newest write."""
        view = self.view(step, parts)
        yield from self._mix(step, parts, newest)
        yield from self._flags(view)
        yield from self._leaders(view)

    # Versions beside each other.

    def _mix(self, step: int, parts: Parts, newest: Store | str | None) -> Iterator[Clause]:
        view = self.view(step, parts)
        found: dict[str, set[Version]] = {}
        for name, versions in view.versions.items():
            found.setdefault(CALLED.get(name, name), set()).update(versions)
        loopback = self.case.plan.managers_reach is ManagersReach.LOOPBACK
        mix = {name: frozenset(versions) for name, versions in found.items() if not (loopback and name in MANAGERS)}
        if newest is not None:
            mix["storage"] = frozenset({STORAGE[newest]})
        yield from self._ruled(step, self._mixes(frozenset(mix.items()), self._excused(view, begun=any(parts))))
        if loopback:
            yield from self._ruled(step, self._beside(view))

    @staticmethod
    def _records(view: View) -> Iterator[tuple[str, Record]]:
        for (name, _), records in view.may.items():
            for record in records:
                yield name, record
        yield from view.fleet

    def _broken(
        self, mix: frozenset[tuple[str, frozenset[Version]]], given: frozenset[tuple[str, Version]]
    ) -> tuple[Rule, ...]:
        return tuple({rule.id: rule for rule in self.rules.broken(dict(mix), given)}.values())

    # Blocked versions that were there before the plan: left first of all, and an exposure until then.

    def _begun_on(self) -> dict[tuple[str, Version], Rule]:
        """Return the blocked versions of the start, by component as rows call it, each with the row that forbids it."""
        start = self.case.boundaries[0]
        there = [(name, one) for (name, _), one in start.hosts.items()] + list(start.fleet)
        named = {(CALLED.get(name, name), version) for name, one in there for version in one.versions}
        rules = {key: [rule for rule in self.knowledge.blocked(*key) if rule.severity is Severity.FORBID] for key in named}
        return {key: found[0] for key, found in rules.items() if found}

    def _excused(self, view: View, *, begun: bool) -> frozenset[tuple[str, Version]]:
        """Return the blocked versions that a state may have: those of the start, but where the step itself brings one."""
        step = view.step
        if not (self.begun_on and begun and step is not None and step.kind in MOVERS and step.to is not None):
            return frozenset(self.begun_on)
        brought = {(CALLED.get(name, name), Version.parse(step.to)) for name in components(step)}
        return frozenset(self.begun_on.keys() - brought)

    def _inherited(self, view: View) -> dict[tuple[str, Version], Rule]:
        """Return the blocked versions of the start that are still there."""
        if not self.begun_on:
            return {}
        there = {(CALLED.get(name, name), version) for name, versions in view.versions.items() for version in versions}
        return {key: rule for key, rule in self.begun_on.items() if key in there}

    @staticmethod
    def _first(view: View, inherited: Mapping[tuple[str, Version], Rule]) -> Iterator[Clause]:
        """Yield what is violated when a step under way moves something else than what is blocked."""
        step = view.step
        if not inherited or step is None or step.kind not in MOVERS or step.to is None:
            return
        if not {name for name, _ in inherited} & {CALLED.get(name, name) for name in components(step)}:
            yield "blocked", "first", tuple(sorted({rule.id for rule in inherited.values()}))

    def _left_late(self, sight: Sight, state: State, *, finished: bool) -> Iterator[Clause]:
        """Count the exposure to blocked versions of the start, and yield what is violated because they are still there."""
        if not sight.inherited:
            return
        if finished and state.direction == FORWARD:
            yield "blocked", "stays", sight.inherited
            return
        self.exposures[self._step(state.step), "blocked"] += 1
        yield from sight.first

    def _beside(self, view: View) -> Iterator[Rule]:
        """Yield the rows that managers break beside the API server on their own host."""
        for (name, where), records in view.may.items():
            if name in MANAGERS:
                servers = view.may.get(("kube-apiserver", where), ())
                yield from self.rules.between(name, "kube-apiserver", _all(records), _all(servers))

    def _ruled(self, step: int, rules: Iterable[Rule]) -> Iterator[Clause]:
        here = self.case.steps[step].step if step < len(self.case.steps) else None
        for rule in rules:
            clause = "blocked" if rule.kind.value == "blocked" else CLAUSES.get(rule.component, "blocked")
            forced = rule.severity is Severity.FORCE and here is not None and rule.id in here.findings
            if rule.severity is Severity.WARN or forced:
                self.warned.setdefault(rule.id, here.id if here is not None else "")
            else:
                yield clause, f"{RULE}{self.rules.met.get(rule.id, rule.component)}", (rule.id,)

    def _unreadable(self, versions: frozenset[Version], written: frozenset[Version]) -> Iterator[Clause]:
        """Yield what API servers of some versions cannot read of what newer ones wrote."""
        for version in versions:
            for wrote in written:
                if wrote.major == version.major and version.minor < wrote.minor - 1:
                    yield "storage-readable", "minors", ("kube-apiserver-skew",)
                for rule in self.rules.back("kube-apiserver", wrote, version):
                    yield "storage-readable", "row", (rule.id,)

    # Settings.

    def _flags(self, view: View) -> Iterator[Clause]:
        found = {", ".join(self._refused(name, record)) for name, record in self._records(view)}
        yield from (("flags-legal", flags, ()) for flags in sorted(found) if flags)

    def _illegal(self, component: str, record: Record) -> tuple[str, ...]:
        """Return the flags that what would start refuses; of one that is as it was at the start nothing is said."""
        version = record.starts
        if version is None or (component, version, record.lines) in self.given:
            return ()
        set_ = {name for name, _ in record.lines}
        return tuple(
            f"{row.flag} with {component} {version}" for row in self.knowledge.flags
            if row.component == component and row.flag in set_
            and (row.removed_from(version) or (self._unknown(row, version) and (component, row.flag) not in self.accepted))
        )  # fmt: skip

    @staticmethod
    def _unknown(row: Flag, version: Version) -> bool:
        return row.first is not None and version < Version.parse(row.first)

    @staticmethod
    def _leaders(view: View) -> Iterator[Clause]:
        for name in MANAGERS:
            able = {where for (component, where), records in view.may.items() if component == name
                    and any(one.starts is not None and dict(one.lines).get(LEADER) == "false" for one in records)}  # fmt: skip
            others = {where for (component, where), records in view.may.items() if component == name and _all(records)}
            if able and len(others) > 1:
                yield "leader-one", "off", ()

    # Who serves.

    def _exposed(self, view: View) -> Iterator[str]:
        """Yield a fault of what would, one more, take etcd's majority, or the pool below its threshold or its last server;
        and a reboot that would start an API server on another store, as it would have before the plan.
        """
        members, servers, balancer = self.case.members, self.case.apiservers, self.case.plan.balancer
        stopped = self.case.stopped(view.around)
        if members and Service.ETCD not in stopped:
            up = sum(key in view.up for key in members)
            if len(members) - up == 1 and up - 1 < len(members) // 2 + 1:
                yield "node"
        if len(servers) > 1 and Service.APISERVERS not in stopped:
            pooled = len(self._pooled(view))
            threshold = balancer.threshold if balancer is not None else 0.0
            if pooled < len(servers) and (pooled < 2 or (pooled - 1) / len(servers) < threshold):
                yield "host"
        astray = self.case.astray if view.step is not None else frozenset()
        if astray and any((key, one) in astray for key in servers for one in view.may[key]):
            yield "reboot"

    def _pooled(self, view: View) -> list[Key]:
        return [key for key in self.case.apiservers if key in view.up and key[1] not in view.around.depooled]

    def _etcd(self, view: View) -> Iterator[Clause]:
        members = self.case.members
        if not members or Service.ETCD in self.case.stopped(view.around):
            return
        up = sum(key in view.up for key in members)
        down = len(members) - up
        if up < len(members) // 2 + 1 and len(members) > 1:
            yield "etcd-quorum", "majority", ("etcd-quorum",)
        if down > 1:
            yield "etcd-quorum", "two", ("etcd-rolling",)

    def _hopping(self, step: int, parts: Parts, cluster: Line | None) -> Iterator[Clause]:
        """Yield what members violate beside each other and the cluster's version."""
        members, view = self.case.members, self.view(step, parts)
        if cluster is None:
            return
        following = self._next(cluster)
        lines = {key: {version.line for version in _all(view.may[key])} for key in members}
        for key, there in lines.items():
            if any(line < cluster for line in there):
                yield "etcd-hop", "below", ("etcd-no-downgrade",)
            if any(line > cluster and line != following for line in there):
                yield "etcd-hop", "skip", ("etcd-one-minor",)
            if any(line > cluster for line in there) and any(
                one < cluster for other in members if other != key for one in lines[other]
            ):
                yield "etcd-hop", "lag", ("etcd-cluster-version",)

    def _off(self, view: View) -> bool:
        """Say whether an outage excuses that no API server serves."""
        return Service.APISERVERS in self.case.stopped(view.around)

    def _servers(self, view: View) -> Iterator[Clause]:
        servers, balancer = self.case.apiservers, self.case.plan.balancer
        if len(servers) < 2 or self._off(view):
            return
        pooled = self._pooled(view)
        if not pooled:
            yield "outage", "undeclared", ()
        if balancer is not None:
            if len(pooled) / len(servers) < balancer.threshold:
                yield "lb-threshold", "below", ()
            if any(key in view.hand and key[1] not in view.around.depooled for key in servers):
                yield "lb-threshold", "pooled", ()

    # Calico.

    def _networked(self, number: int, parts: Parts, left: bool) -> Iterator[Clause]:
        view, begun = self.view(number, parts), any(parts)
        versions = view.versions.get("calico-node", set())
        window, step = view.around.calico, view.step
        if window == "before" and any(version.major >= 3 for version in versions) and self.case.plan.stores.calico is Store.V2:
            yield "calico-datastore", "early", ("calico-migration-window",)
        if window == "after" and any(version.major < 3 for version in versions):
            yield "calico-datastore", "behind", ("calico-migration-back",)
        if step is None or not begun:
            return
        if step.kind is Kind.CALICO_START and window == "open":
            first = self.knowledge.by_id.get("calico-2.6.5-first")
            if first is not None and any(version in first.from_ for version in versions):
                yield "calico-datastore", "old", (first.id,)
            if left:
                yield "calico-datastore", "unclean", ("calico-migration-clean",)
            if not view.around.frozen:
                yield "calico-datastore", "unfrozen", ("calico-migration-window",)
        if window == "open" and step.kind is not Kind.CALICO_START:
            kubelet = step.kind in RESTARTING and "kubelet" in components(step)
            if step.kind in (Kind.WORKERS, Kind.PROBE, Kind.TILLERS) or step.drains or kubelet:
                yield "calico-datastore", "pods", ("calico-migration-window",)

    # Around.

    def _kept(self, view: View) -> Iterator[Clause]:
        step = view.step
        if step is None:
            return
        holds = any(one.step.kind is Kind.HOLD_CONFIG for one in self.case.steps)
        if holds and not view.around.held and step.kind in HANDLED:
            yield "config-owner", "released", ()

    def _end(self, state: State, view: View) -> Iterator[Clause]:
        if not view.around.rests:
            yield "dwell", "stopped", ()
        if state.direction == FORWARD:
            if view.around.held or view.around.frozen or view.around.away:
                yield "dwell", "held", ()
            records = [record for _, record in self._records(view)]
            if any(None not in (one.run, one.disk) and one.run != one.disk for one in records):
                yield "installed-running", "end", ()

    def _step(self, step: int) -> str:
        return self.case.steps[step].step.id if step < len(self.case.steps) else ""


def _leads(view: View) -> bool:
    """Say whether a controller-manager may run."""
    return any(name == MANAGERS[0] and _all(records) for (name, _), records in view.may.items())


def _remembered(sight: Sight, view: View, memory: Memory) -> Iterator[Clause]:
    """Yield what is violated by who runs on, given what the world remembers."""
    if sight.leads and view.serving and not memory.beat:
        yield "no-mass-eviction", "stale", ()
    if memory.since and sight.watched and memory.newest is Store.V3:
        yield "watch-continuity", "since", ()


def _all(records: Sequence[Record]) -> frozenset[Version]:
    """Return every version that daemons in some records run or would start."""
    return records[0].versions if len(records) == 1 else frozenset().union(*(one.versions for one in records))
