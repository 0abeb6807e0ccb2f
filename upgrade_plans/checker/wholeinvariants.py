"""The invariants of docs/semantics.md, 15, as they are read there: what a state of a whole stack's plan violates."""

from __future__ import annotations

from collections.abc import Iterator

from kubedeb.knowledge import Knowledge, Severity
from kubedeb.versions import Version
from upgrade_plans.checker.wholedata import data_broken
from upgrade_plans.checker.wholerows import INVARIANTS, ROWS_CALL, Rows
from upgrade_plans.checker.wholestate import FORWARD, Scene, State
from upgrade_plans.checker.wholewords import CARRY, HANDLE, MANAGERS, WORKERS, acted_on
from upgrade_plans.checker.wholeworld import SERVER, Replay, Unit
from upgrade_plans.models.surroundings import ManagersReach
from upgrade_plans.models.upgradekinds import Service, Store
from upgrade_plans.models.upgradekinds import StepKind as Kind

Broken = tuple[str, str]
"""An invariant, and which clause of it."""
STORED = {Store.V2: Version(2, 0, 0), Store.V3: Version(3, 0, 0)}


class Invariants:
    """Judges states.

    `warned`: the rows that warn of a state without violating anything, and the step; `exposed`: how often what is; `ruled`:
    the rows that clauses rest on where those differ.
    """

    def __init__(self, plan: Replay, knowledge: Knowledge) -> None:
        self.plan, self.knowledge, self.rows = plan, knowledge, Rows(knowledge)
        self.loopback = plan.plan.managers_reach is ManagersReach.LOOPBACK
        self.servers, self.members = plan.named(SERVER), plan.named("etcd")
        self.warned: set[tuple[str, str]] = set()
        self.ruled: dict[Broken, set[str]] = {}
        self.exposed: dict[tuple[str, str], int] = {}
        start = plan.worlds[0]
        first = [(name, unit) for (name, _), unit in start.hosts.items()] + list(start.crowd)
        self.given = {(name, unit.would, unit.settings) for name, unit in first}
        seen = {(called(name), version) for name, unit in first for version in unit.either}
        forbidding = {key: [rule.id for rule in self.rows.bad(*key) if rule.severity is Severity.FORBID] for key in seen}
        self.inherited = {key: ids[0] for key, ids in forbidding.items() if ids}
        self.had = {(name, setting) for name, unit in first for setting, _ in unit.settings}
        self.holds_config = any(step.kind is Kind.HOLD_CONFIG for step in plan.steps)
        self.there: dict[object, frozenset[Broken]] = {}

    def broken(self, state: State, here: Scene, *, over: bool) -> Iterator[Broken]:
        """Yield what a state violates."""
        place = state.step, state.stages, state.past.newest
        if place not in self.there:
            self.there[place] = frozenset((*self._mixes(state, here), *self._settings(here), *self._leaders(here)))
        yield from self.there[place]
        for wrote in state.past.wrote:
            for reads in {version for unit in here.servers for version in unit.either}:
                yield from (self._by("storage-readable", clause, row) for clause, row in self.rows.down(wrote, reads))
        if self.inherited:
            yield from self._inherited(state, here, over=over)
        yield from self._members(here)
        yield from self._lines(state, here)
        yield from self._api(state, here)
        yield from self._calico(state, here)
        yield from data_broken(self.plan, state, here)
        if here.begun and here.step is not None and here.step.kind in HANDLE and self.holds_config and not here.around.held:
            yield "config-owner", "released"
        if over:
            yield from self._end(state, here)

    # What is there together.

    def _mixes(self, state: State, here: Scene) -> Iterator[Broken]:
        mix: dict[str, set[Version]] = {}
        for name, unit in here.units:
            mix.setdefault(called(name), set()).update(unit.either)
        newest = state.past.newest
        if newest is not None:
            mix["storage"] = {STORED.get(newest, STORED[Store.V3])}  # type: ignore[call-overload]
        asked = {name: frozenset(versions) for name, versions in mix.items() if not (self.loopback and name in MANAGERS)}
        broken = list(self.rows.together(frozenset(asked.items())))
        # What was there before the plan is judged apart, but where the step itself brings it.
        excused = self.inherited.keys() - _brought(here)
        broken += [rule for name, versions in asked.items() for version in versions if (name, version) not in excused
                   for rule in self.rows.bad(name, version)]  # fmt: skip
        for (name, where), units in here.may.items() if self.loopback else ():
            if name in MANAGERS:
                broken += self.rows.beside_server(name, _versions(units), _versions(here.may.get((SERVER, where), ())))
        for rule in broken:
            listed = here.step is not None and rule.id in here.step.findings
            if rule.severity is Severity.WARN or (rule.severity is Severity.FORCE and listed):
                self.warned.add((rule.id, here.step.id if here.step is not None else ""))
            else:
                name = "blocked" if rule.kind.value == "blocked" else INVARIANTS.get(rule.component, "blocked")
                yield self._by(name, "rule", rule.id)

    def _by(self, invariant: str, clause: str, row: str) -> Broken:
        """Note the row that a violation rests on."""
        self.ruled.setdefault((invariant, clause), set()).add(row)
        return invariant, clause

    def _inherited(self, state: State, here: Scene, *, over: bool) -> Iterator[Broken]:
        """Yield what is violated by a blocked version that was there before the plan: it is left first, then all else moves."""
        there = self.inherited.keys() & {(called(name), version) for name, unit in here.units for version in unit.either}
        ends = over and state.way == FORWARD
        if there and not ends:
            self._expose(here, "blocked")
        brought = {name for name, _ in _brought(here)}
        for key in there:
            if ends:
                yield self._by("blocked", "stays", self.inherited[key])
            elif brought and brought.isdisjoint(name for name, _ in there):
                yield self._by("blocked", "first", self.inherited[key])

    def _settings(self, here: Scene) -> Iterator[Broken]:
        for name, unit in here.units:
            if unit.would is None or (name, unit.would, unit.settings) in self.given:
                continue
            for flag, gone in self.rows.refused(name, unit.would, unit.settings):
                if gone or (name, flag) not in self.had:
                    yield "flags-legal", "flag"

    @staticmethod
    def _leaders(here: Scene) -> Iterator[Broken]:
        for name in MANAGERS:
            hosts = [(where, units) for (one, where), units in here.may.items() if one == name and _versions(units)]
            starting = [unit for _, units in hosts for unit in units if unit.would is not None]
            alone = any(("--leader-elect", "false") in unit.settings for unit in starting)
            if alone and len(hosts) > 1:
                yield "leader-one", "off"

    # Who serves.

    def _members(self, here: Scene) -> Iterator[Broken]:
        if not self.members or here.around.excused(Service.ETCD):
            return
        up, need = len(here.up.intersection(self.members)), len(self.members) // 2 + 1
        down = len(self.members) - up
        if up < need and len(self.members) > 1:
            yield "etcd-quorum", "majority"
        if down > 1:
            yield "etcd-quorum", "two"
        if down == 1 and up - 1 < need:
            self._expose(here, "node")

    def _lines(self, state: State, here: Scene) -> Iterator[Broken]:
        cluster = state.past.cluster
        if cluster is None:
            return
        follows = self.knowledge.next_line("etcd", cluster)
        lines = [{version.line for version in _versions(here.may[key])} for key in self.members]
        every = set[tuple[int, int]]().union(*lines)
        if any(line < cluster for line in every):
            yield "etcd-hop", "below"
        if any(line > cluster and line != follows for line in every):
            yield "etcd-hop", "skip"
        for number, mine in enumerate(lines):
            others = set[tuple[int, int]]().union(*lines[:number], *lines[number + 1 :])
            if any(line > cluster for line in mine) and any(line < cluster for line in others):
                yield "etcd-hop", "lag"

    def _api(self, state: State, here: Scene) -> Iterator[Broken]:
        if not self.servers:
            return
        balancer, out, past = self.plan.plan.balancer, here.around.out, state.past
        excused = here.around.excused(Service.APISERVERS)
        pooled = sum(key in here.up and key[1] not in out for key in self.servers)
        if not excused and len(self.servers) > 1:
            if not pooled:
                yield "outage", "undeclared"
            if balancer is not None and pooled / len(self.servers) < balancer.threshold:
                yield "lb-threshold", "below"
            if balancer is not None and any(key in here.hand and key[1] not in out for key in self.servers):
                yield "lb-threshold", "pooled"
            least = balancer.threshold if balancer is not None else 0.0
            if pooled < len(self.servers) and (pooled < 2 or (pooled - 1) / len(self.servers) < least):
                self._expose(here, "host")
        misled = self.plan.misled if here.step is not None else frozenset()
        if misled and any((key, unit) in misled for key in self.servers for unit in here.may[key]):
            self._expose(here, "reboot")
        controlled = any(name == MANAGERS[0] and _versions(units) for (name, _), units in here.may.items())
        if controlled and here.serving and not past.beat:
            yield "no-mass-eviction", "stale"
        if past.since and past.newest == Store.V3 and here.serving and (controlled or not excused):
            yield "watch-continuity", "since"

    def _expose(self, here: Scene, kind: str) -> None:
        key = here.step.id if here.step is not None else "", kind
        self.exposed[key] = self.exposed.get(key, 0) + 1

    # Calico, and the end.

    def _calico(self, state: State, here: Scene) -> Iterator[Broken]:
        versions = {version for name, unit in here.units if name == "calico-node" for version in unit.either}
        window, step = here.around.calico, here.step
        if window == "before" and self.plan.plan.stores.calico is Store.V2 and any(version.major >= 3 for version in versions):
            yield "calico-datastore", "early"
        if window == "after" and any(version.major < 3 for version in versions):
            yield "calico-datastore", "behind"
        if window != "open" or step is None or not here.begun:
            return
        if step.kind is not Kind.CALICO_START:
            restarts = step.kind in (Kind.RESTART, Kind.CONFIG, Kind.STOP, Kind.START) and WORKERS[0] in acted_on(step)
            if restarts or step.drains or step.kind in (Kind.WORKERS, Kind.PROBE, Kind.TILLERS):
                yield "calico-datastore", "pods"
            return
        old_enough = self.knowledge.by_id.get("calico-2.6.5-first")
        if old_enough is not None and any(version in old_enough.from_ for version in versions):
            yield "calico-datastore", "old"
        if state.past.left:
            yield "calico-datastore", "unclean"
        if not here.around.frozen:
            yield "calico-datastore", "unfrozen"

    @staticmethod
    def _end(state: State, here: Scene) -> Iterator[Broken]:
        if not here.around.rests:
            yield "dwell", "stopped"
        if state.way == FORWARD and (here.around.held or here.around.frozen or here.around.away):
            yield "dwell", "held"
        if state.way == FORWARD and any(
            unit.runs is not None and unit.disk is not None and unit.runs != unit.disk for _, unit in here.units
        ):
            yield "installed-running", "end"


def called(name: str) -> str:
    """Return how rows call a component."""
    return ROWS_CALL.get(name, name)


def _brought(here: Scene) -> set[tuple[str, Version]]:
    """Return the components that a begun step takes to a version, each with it."""
    step = here.step
    if step is None or not here.begun or step.kind not in CARRY or step.to is None:
        return set()
    return {(called(name), Version.parse(step.to)) for name in acted_on(step)}


def _versions(units: tuple[Unit, ...]) -> set[Version]:
    return {version for unit in units for version in unit.either}
