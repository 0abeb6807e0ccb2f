"""The invariants of docs/model.md, 15, on the states of a whole stack's plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache, partial

from kubedeb.knowledge import Knowledge, Severity
from kubedeb.knowledge.schema import Flag, Rule
from kubedeb.versions import Version
from upgrade_plans.models.surroundings import ManagersReach
from upgrade_plans.models.upgradekinds import Service, Store
from upgrade_plans.models.upgradekinds import StepKind as Kind
from upgrade_plans.prover.mixrules import CALLED, CLAUSES, MixRules
from upgrade_plans.prover.wholecase import Lines, Record, WholeCase
from upgrade_plans.prover.wholedata import data
from upgrade_plans.prover.wholekinds import HANDLED, MANAGERS, MOVERS, components
from upgrade_plans.prover.wholestate import BOTH, FORWARD, State, View, resting

Clause = tuple[str, str, tuple[str, ...]]
"""An invariant's id, which part of it, and the rules that it rests on."""
STORAGE = {Store.V2: Version(2, 0, 0), Store.V3: Version(3, 0, 0), BOTH: Version(3, 0, 0)}
LEADER = "--leader-elect"
RULE = "rule: "
RESTARTING = (Kind.RESTART, Kind.CONFIG, Kind.STOP, Kind.START)


class WholeJudge:
    """Judges states; counts levels and exposures."""

    def __init__(self, case: WholeCase, knowledge: Knowledge) -> None:
        self.case, self.knowledge, self.rules = case, knowledge, MixRules(knowledge)
        self.levels: Counter[str] = Counter()
        self.exposures: Counter[tuple[str, str]] = Counter()
        self.warned: dict[str, str] = {}
        self._mixes = cache(self._broken)
        self._refused = cache(self._illegal)
        self._next = cache(partial(knowledge.next_line, "etcd"))
        self._known: dict[tuple[int, tuple[int, ...], object], tuple[Clause, ...]] = {}
        start = case.boundaries[0]
        self.given = {(name, one.starts, one.lines) for (name, _), one in start.hosts.items()}
        self.given |= {(name, one.starts, one.lines) for name, one in start.fleet}
        # Of a flag that older versions are not known to accept nothing follows for one that starts with it already.
        self.accepted = {(name, flag) for name, _, lines in self.given for flag, _ in lines}
        self.begun_on = self._begun_on()

    def judge(self, state: State, view: View, *, finished: bool) -> list[Clause]:
        """Count a state in and return the clauses that it violates."""
        rest = not view.hand and not any(state.parts) and resting(view.around)
        self.levels["R" if rest or finished else "N"] += 1
        found: list[Clause] = [*self._there(state, view), *self._back(state, view)]
        found += [*self._etcd(state, view), *self._hop(state, view), *self._servers(state, view)]
        found += [*self._calico(state, view), *data(self.case, state, view)]
        if self.begun_on:
            found += self._blocked(state, view, finished=finished)
        if view.step is not None and any(state.parts):
            found += self._kept(view)
        if finished:
            found += self._end(state, view)
        return list(dict.fromkeys(found))

    def _there(self, state: State, view: View) -> tuple[Clause, ...]:
        """Return what is violated by what is there alone, whatever the way: judged once for each place and store."""
        key = (state.step, state.parts, state.memory.newest)
        if key not in self._known:
            self._known[key] = (*self._mix(state, view), *self._flags(view), *self._leaders(view))
        return self._known[key]

    # Versions beside each other.

    def _mix(self, state: State, view: View) -> Iterator[Clause]:
        found: dict[str, set[Version]] = {}
        for name, versions in view.versions.items():
            found.setdefault(CALLED.get(name, name), set()).update(versions)
        loopback = self.case.plan.managers_reach is ManagersReach.LOOPBACK
        mix = {name: frozenset(versions) for name, versions in found.items() if not (loopback and name in MANAGERS)}
        if state.memory.newest is not None:
            mix["storage"] = frozenset({STORAGE[state.memory.newest]})
        yield from self._ruled(state, self._mixes(frozenset(mix.items()), self._excused(state, view)))
        if loopback:
            yield from self._ruled(state, self._beside(view))

    @staticmethod
    def _records(view: View) -> Iterator[tuple[str, Record]]:
        for (name, _), records in view.may.items():
            for record in records:
                yield name, record
        yield from view.fleet

    def _broken(
        self, mix: frozenset[tuple[str, frozenset[Version]]], given: frozenset[tuple[str, Version]]
    ) -> tuple[Rule, ...]:
        return tuple(dict.fromkeys(self.rules.broken(dict(mix), given)))

    # Blocked versions that were there before the plan: left first of all, and an exposure until then.

    def _begun_on(self) -> dict[tuple[str, Version], Rule]:
        """Return the blocked versions of the start, by component as rows call it, each with the row that forbids it."""
        start = self.case.boundaries[0]
        there = [(name, one) for (name, _), one in start.hosts.items()] + list(start.fleet)
        named = {(CALLED.get(name, name), version) for name, one in there for version in one.versions}
        rules = {key: [rule for rule in self.knowledge.blocked(*key) if rule.severity is Severity.FORBID] for key in named}
        return {key: found[0] for key, found in rules.items() if found}

    def _excused(self, state: State, view: View) -> frozenset[tuple[str, Version]]:
        """Return the blocked versions that a state may have: those of the start, but where the step itself brings one."""
        step = view.step
        brought = {(CALLED.get(name, name), Version.parse(step.to)) for name in components(step)} if (
            step is not None and step.kind in MOVERS and step.to is not None and any(state.parts)) else set()  # fmt: skip
        return frozenset(self.begun_on.keys() - brought)

    def _blocked(self, state: State, view: View, *, finished: bool) -> Iterator[Clause]:
        there = {(CALLED.get(name, name), version) for name, versions in view.versions.items() for version in versions}
        still = {key: rule for key, rule in self.begun_on.items() if key in there}
        if not still:
            return
        rules = tuple(sorted({rule.id for rule in still.values()}))
        if finished and state.direction == FORWARD:
            yield "blocked", "stays", rules
            return
        self.exposures[self._step(state), "blocked"] += 1
        step, names = view.step, {name for name, _ in still}
        moves = step is not None and step.kind in MOVERS and step.to is not None and any(state.parts)
        if moves and step is not None and not names & {CALLED.get(name, name) for name in components(step)}:
            yield "blocked", "first", rules

    def _beside(self, view: View) -> Iterator[Rule]:
        """Yield the rows that managers break beside the API server on their own host."""
        for (name, where), records in view.may.items():
            if name in MANAGERS:
                servers = view.may.get(("kube-apiserver", where), ())
                yield from self.rules.between(name, "kube-apiserver", _all(records), _all(servers))

    def _ruled(self, state: State, rules: Iterable[Rule]) -> Iterator[Clause]:
        here = self.case.steps[state.step].step if state.step < len(self.case.steps) else None
        for rule in rules:
            clause = "blocked" if rule.kind.value == "blocked" else CLAUSES.get(rule.component, "blocked")
            forced = rule.severity is Severity.FORCE and here is not None and rule.id in here.findings
            if rule.severity is Severity.WARN or forced:
                self.warned.setdefault(rule.id, here.id if here is not None else "")
            else:
                yield clause, f"{RULE}{self.rules.met.get(rule.id, rule.component)}", (rule.id,)

    def _back(self, state: State, view: View) -> Iterator[Clause]:
        """Yield what an API server cannot read of what a newer one wrote."""
        for version in _all(view.servers):
            for wrote in state.memory.wrote:
                if wrote.major == version.major and version.minor < wrote.minor - 1:
                    yield "storage-readable", "minors", ("kube-apiserver-skew",)
                for rule in self.rules.back("kube-apiserver", wrote, version):
                    yield "storage-readable", "row", (rule.id,)

    # Settings.

    def _flags(self, view: View) -> Iterator[Clause]:
        for name, record in self._records(view):
            key = (name, record.starts, record.lines)
            if record.starts is not None and key not in self.given and (flags := self._refused(*key)):
                yield "flags-legal", ", ".join(flags), ()

    def _illegal(self, component: str, version: Version, lines: Lines) -> tuple[str, ...]:
        set_ = {name for name, _ in lines}
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

    def _etcd(self, state: State, view: View) -> Iterator[Clause]:
        members = self.case.members
        if not members or Service.ETCD in self.case.stopped(view.around):
            return
        up = sum(key in view.up for key in members)
        down = len(members) - up
        majority = len(members) // 2 + 1
        if up < majority and len(members) > 1:
            yield "etcd-quorum", "majority", ("etcd-quorum",)
        if down > 1:
            yield "etcd-quorum", "two", ("etcd-rolling",)
        if down == 1 and up - 1 < majority:
            self.exposures[self._step(state), "node"] += 1

    def _hop(self, state: State, view: View) -> Iterator[Clause]:
        members, cluster = self.case.members, state.memory.cluster
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

    def _servers(self, state: State, view: View) -> Iterator[Clause]:
        servers = self.case.apiservers
        if not servers:
            return
        around, balancer = view.around, self.case.plan.balancer
        off = Service.APISERVERS in self.case.stopped(around)
        pooled = [key for key in servers if key in view.up and key[1] not in around.depooled]
        if not off and len(servers) > 1:
            if not pooled:
                yield "outage", "undeclared", ()
            if balancer is not None:
                if len(pooled) / len(servers) < balancer.threshold:
                    yield "lb-threshold", "below", ()
                if any(key in view.hand and key[1] not in around.depooled for key in servers):
                    yield "lb-threshold", "pooled", ()
            threshold = balancer.threshold if balancer is not None else 0.0
            short = len(pooled) < len(servers)
            if short and (len(pooled) < 2 or (len(pooled) - 1) / len(servers) < threshold):
                self.exposures[self._step(state), "host"] += 1
        leads = any(view.may[key][0] for key in view.may if key[0] == MANAGERS[0] and _all(view.may[key]))
        if leads and view.serving and not state.memory.beat:
            yield "no-mass-eviction", "stale", ()
        watching = view.serving and (leads or not off)
        if state.memory.since and watching and state.memory.newest is Store.V3:
            yield "watch-continuity", "since", ()

    # Calico.

    def _calico(self, state: State, view: View) -> Iterator[Clause]:
        versions = view.versions.get("calico-node", set())
        window, step = view.around.calico, view.step
        begun = any(state.parts)
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
            if state.memory.left:
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
        if not resting(view.around):
            yield "dwell", "stopped", ()
        if state.direction == FORWARD:
            if view.around.held or view.around.frozen or view.around.away:
                yield "dwell", "held", ()
            records = [record for _, record in self._records(view)]
            if any(None not in (one.run, one.disk) and one.run != one.disk for one in records):
                yield "installed-running", "end", ()

    def _step(self, state: State) -> str:
        return self.case.steps[state.step].step.id if state.step < len(self.case.steps) else ""


def _all(records: Iterable[Record]) -> set[Version]:
    return {version for record in records for version in record.versions}
