"""A whole stack's plan, compiled: what is where at each boundary between two steps, and what each step takes.

`docs/semantics.md`, 11. Nothing here depends on the way to a boundary: a step taken back leaves what was before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kubedeb.knowledge import Knowledge
from kubedeb.versions import Version
from upgrade_plans.models.nodesets import ends, expand
from upgrade_plans.models.upgrade import Change, Step, Upgrade
from upgrade_plans.models.upgradekinds import StepKind as Kind
from upgrade_plans.models.upgradekinds import Store
from upgrade_plans.prover.verdict import Violation
from upgrade_plans.prover.wholeend import short_of
from upgrade_plans.prover.wholekinds import GROUPS, HANDLED, MOVERS, components
from upgrade_plans.prover.wholerecords import Boundary, Compiled, Key, Lines, Part, Record, WholeCase

ETCD3_DEFAULT = "kube-apiserver-etcd3-default"


Alike = tuple[str, frozenset[str], Version | None]
"""A daemon, which node sets of settings and changes hold it, and the version that a step finds on what it moves."""


@dataclass(slots=True)
class _Made:
    """What a step makes of a daemon, whether it has to do with it, and how many counted units it has moved so."""

    after: Record
    able: bool
    count: int = 0


class Compiler:
    """Walks a plan's steps once and notes what each changes."""

    def __init__(self, plan: Upgrade, knowledge: Knowledge) -> None:
        self.plan = plan
        self.default = knowledge.by_id.get(ETCD3_DEFAULT)
        self.wrong: list[Violation] = []
        texts = [*(one.nodes for one in plan.settings), *(change.nodes for change in plan.changes.values())]
        self._nodes = {text: frozenset(expand(text)) for text in dict.fromkeys(texts)}
        self._within: dict[str, frozenset[str]] = {}
        self._records: dict[tuple[object, ...], Record] = {}
        self._begun: dict[tuple[str, frozenset[str], str | None, str | None], Record] = {}
        self._made: dict[tuple[str, frozenset[str], Record], _Made] = {}
        self.first = {group.id: _first(group.nodes) for group in plan.workers}
        self.counted: dict[Key, dict[Record, int]] = {}
        self.fleet: dict[tuple[str, Record], int] = {}
        self.here = Boundary(self._start())

    def _start(self) -> dict[Key, Record]:
        hosts: dict[Key, Record] = {}
        for host in self.plan.hosts:
            for name, daemon in host.daemons.items():
                hosts[name, host.node] = self._record(name, host.node, daemon.running, daemon.installed)
        for group in self.plan.workers:
            for name, daemon in group.daemons.items():
                running = None if group.down else daemon.running
                self._count((name, group.id), self._record(name, group.id, running, daemon.installed), group.count)
        for tiller in self.plan.tillers:
            version = Version.parse(tiller.version)
            self._count(("tiller", tiller.id), self._once(Record(version, version)), len(tiller.namespaces))
        self.here = Boundary({})
        return hosts

    def _record(self, name: str, where: str, running: str | None, installed: str | None) -> Record:
        """Return a daemon at the start; worked out once for all that begin alike."""
        key = name, self._sets(where), running, installed
        if key not in self._begun:
            run = Version.parse(running) if running else None
            store = self.plan.stores.kubernetes if name == "kube-apiserver" else None
            disk, lines = Version.parse(installed) if installed else run, self._settings(name, where)
            self._begun[key] = self._once(Record(run, disk, lines=lines, store=store, boot=self._store(name, disk, lines)))
        return self._begun[key]

    def _once(self, record: Record) -> Record:
        """Return the one record that stands for all that are equal to this one."""
        return self._records.setdefault(record.content, record)

    def _settings(self, name: str, where: str) -> Lines:
        found: dict[str, str] = {}
        for one in self.plan.settings:
            if one.component == name and one.nodes in self._sets(where):
                found |= {**one.arguments, **one.environment}
        return tuple(sorted(found.items()))

    def _sets(self, where: str) -> frozenset[str]:
        """Return which node sets of settings and changes hold a host, or a group's first node: all of a group are alike."""
        if where not in self._within:
            first = self.first.get(where, where)
            self._within[where] = frozenset(text for text, nodes in self._nodes.items() if first in nodes)
        return self._within[where]

    def _count(self, key: Key, record: Record, count: int) -> None:
        there = self.counted.get(key)
        if there is None:
            there = self.counted[key] = {}
        there[record] = there.get(record, 0) + count
        one = key[0], record
        self.fleet[one] = self.fleet.get(one, 0) + count

    def _fleet(self) -> frozenset[tuple[str, Record]]:
        """Return what counted units there are, whatever their number."""
        return frozenset(one for one, count in self.fleet.items() if count > 0)

    # A step.

    def compile(self) -> WholeCase:
        """Return the compiled plan."""
        starts = self._phases()
        self.here = replace(self.here, fleet=self._fleet())
        boundaries: list[Boundary] = [self.here]
        steps: list[Compiled] = []
        for phase, one in enumerate(self.plan.phases):
            for step in one.steps:
                parts = tuple(self._parts(step)) if step.kind in HANDLED else ()
                hosts = {key: after for part in parts for key, (_, after) in part.hosts.items()}
                self.here = self._context(step, len(steps))
                if hosts or any(part.fleet for part in parts):
                    self.here = replace(self.here, hosts={**self.here.hosts, **hosts}, fleet=self._fleet())
                steps.append(Compiled(step, phase, parts, self._floor(step, len(steps), starts)))
                boundaries.append(self.here)
        self.wrong += short_of(self.plan, self.here.hosts, self.counted)
        return WholeCase(self.plan, tuple(steps), tuple(boundaries), tuple(self.wrong))

    def _phases(self) -> dict[str, tuple[int, int]]:
        found, number = {}, 0
        for phase in self.plan.phases:
            found[phase.id] = (number, number + len(phase.steps))
            number += len(phase.steps)
        return found

    def _floor(self, step: Step, number: int, phases: dict[str, tuple[int, int]]) -> int:
        """Return the first boundary that can still be reached once the step's blocks hold: 0 when it blocks nothing."""
        ends = [min(phases[block.state][1], number + 1) for block in step.blocks if block.state in phases]
        return max(ends, default=0)

    def _bad(self, step: Step, what: str) -> None:
        self.wrong.append(Violation("plan", "static", f"step {step.id} {what}", step.id))

    def _parts(self, step: Step) -> Iterator[Part]:
        """Yield what goes together in a step, and move what it takes of counted units."""
        names, begins, counted = components(step), _begins(step), False
        self._made = {}
        for where, count in step.takes.items():
            there = [self.counted.get((name, where)) for name in names]
            if there.count(None) == len(there):
                yield Part(where, dict(self._pairs(step, names, where, count)))
                continue
            counted, sets = True, self._sets(where)
            for name, records in zip(names, there, strict=True):
                if records is None:
                    self._bad(step, f"takes {name} of {where}, which the plan does not know")
                elif left := self._move(step, (name, sets, begins), records, count):
                    self._bad(step, f"takes {count} {name} of {where} from {step.from_}, where {count - left} are")
        if counted:
            for (name, _, before), made in self._made.items():
                if made.count:
                    self.fleet[name, before] -= made.count
                    self.fleet[name, made.after] = self.fleet.get((name, made.after), 0) + made.count
            yield Part("", fleet=True)

    def _pairs(self, step: Step, names: tuple[str, ...], where: str, count: int) -> Iterator[tuple[Key, tuple[Record, Record]]]:
        """Yield each daemon of a host that a step takes, before and after it."""
        begins = _begins(step)
        for name in names:
            before = self.here.hosts.get((name, where))
            if before is None and begins is not None:
                before = self._once(Record(begins, begins))
            if before is None:
                self._bad(step, f"takes {name} of {where}, which the plan does not know")
                continue
            if count != 1:
                self._bad(step, f"takes {count} of {where}, which is one")
            if begins is not None and before.disk != begins:
                self._bad(step, f"takes {name} of {where} from {step.from_}, where {before.disk} is installed")
            yield (name, where), (before, self._after(step, (name, self._sets(where), begins), before).after)

    def _move(self, step: Step, alike: Alike, there: dict[Record, int], count: int) -> int:
        """Move `count` units of a group and return how many are missing; those that the step does nothing to come last."""
        if len(there) == 1:  # as nearly always
            record = next(iter(there))
            one = self._after(step, alike, record)
            return count - _taken(there, record, one, count) if one.able else count
        made = [(record, self._after(step, alike, record)) for record in there]
        able = [(record, one) for record, one in made if one.able]
        able.sort(key=lambda pair: pair[1].after is pair[0])
        for record, one in able:
            count -= _taken(there, record, one, count)
        return count

    def _after(self, step: Step, alike: Alike, before: Record) -> _Made:
        """Return what a step makes of a daemon; worked out once for all that are alike and that the same changes concern."""
        name, sets, begins = alike
        key = name, sets, before
        found = self._made.get(key)
        if found is None:
            changes = [change for one in step.changes if (change := self.plan.changes.get(one)) is not None
                       and name in GROUPS.get(change.component, (change.component,)) and change.nodes in sets]  # fmt: skip
            after = self._once(self._changed_by(step, name, changes, before))
            found = self._made[key] = _Made(after, able=begins in (None, before.disk))
        return found

    def _changed_by(self, step: Step, name: str, changes: list[Change], before: Record) -> Record:
        lines = self._changed(before.lines, changes)
        match step.kind:
            case Kind.STOP:
                return replace(before, run=None, masked=True)
            case Kind.SWITCH_STORE:
                return replace(before, lines=lines, boot=self._store(name, before.disk, lines))
            case Kind.MIGRATE:
                return before
            case Kind.CONFIG | Kind.RESTART | Kind.START:
                version = before.disk
            case _:
                version = Version.parse(step.to) if step.to else before.disk
        store = self._store(name, version, lines)
        return Record(version, version, lines=lines, store=store, boot=store)

    @staticmethod
    def _changed(lines: Lines, changes: list[Change]) -> Lines:
        found = dict(lines)
        for change in changes:
            for line in change.lines:
                if line.new is None:
                    found.pop(line.setting, None)
                else:
                    found[line.setting] = line.new
        return tuple(sorted(found.items()))

    def _store(self, name: str, version: Version | None, lines: Lines) -> Store | None:
        """Return the store that an API server uses: as it is told, else etcd3 where a row says that this is the default."""
        if name != "kube-apiserver" or version is None or self.plan.stores.kubernetes is None:
            return None
        told = dict(lines).get("--storage-backend")
        if told is not None:
            return Store.V2 if told == "etcd2" else Store.V3
        since = self.default is not None and not any(
            version < bound for sign, bound in self.default.to.terms if sign in (">=", ">")
        )
        return Store.V3 if since else Store.V2

    def _context(self, step: Step, number: int) -> Boundary:
        here = self.here
        names = frozenset(step.takes)
        ended = tuple(one for one in here.outages if self._until(one) != step.id)
        here = replace(here, outages=ended) if ended != here.outages else here
        match step.kind:
            case Kind.DEPOOL:
                return replace(here, depooled=here.depooled | names)
            case Kind.REPOOL:
                return replace(here, depooled=here.depooled - names)
            case Kind.HOLD_CONFIG | Kind.RELEASE_CONFIG:
                return replace(here, held=step.kind is Kind.HOLD_CONFIG)
            case Kind.FREEZE | Kind.UNFREEZE:
                return replace(here, frozen=step.kind is Kind.FREEZE)
            case Kind.CLOSE_CLIENTS | Kind.OPEN_CLIENTS:
                return replace(here, closed=step.kind is Kind.CLOSE_CLIENTS)
            case Kind.DEPOOL_DC | Kind.REPOOL_DC:
                return replace(here, away=step.kind is Kind.DEPOOL_DC)
            case Kind.OUTAGE:
                return replace(here, outages=(*here.outages, number))
            case Kind.CALICO_START | Kind.CALICO_COMPLETE:
                return replace(here, calico="open" if step.kind is Kind.CALICO_START else "after")
            case _:
                return here

    def _until(self, number: int) -> str:
        outage = self.plan.steps[number].outage
        return outage.until if outage is not None else ""


def _taken(there: dict[Record, int], record: Record, one: _Made, count: int) -> int:
    """Move at most `count` units that are in a record to what becomes of them; return how many there were."""
    here = there[record]
    some = min(count, here)
    if some and one.after is not record:
        one.count += some
        there[one.after] = there.get(one.after, 0) + some
        if some == here:
            del there[record]
        else:
            there[record] = here - some
    return some


def _begins(step: Step) -> Version | None:
    """Return the version that a step finds on what it moves, None when it moves nothing or from anywhere."""
    return Version.parse(step.from_) if step.kind in MOVERS and step.from_ is not None else None


def _first(nodes: str) -> str:
    """Return the first node of a set, without going through the others where it is one folded term."""
    if "[" not in nodes:
        return nodes.split(",")[0]
    return next(iter(ends(nodes)), None) or expand(nodes)[0]


def compile_whole(plan: Upgrade, knowledge: Knowledge) -> WholeCase:
    """Compile a plan whose versions can be read; what it says that cannot be is in `wrong`."""
    return Compiler(plan, knowledge).compile()
