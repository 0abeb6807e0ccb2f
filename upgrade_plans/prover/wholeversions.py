"""The invariants of docs/semantics.md, 15, of versions and settings beside each other: skew, blocked, flags, leaders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

from kubedeb.knowledge import Knowledge, RuleKind, Severity
from kubedeb.knowledge.schema import Flag, Rule
from kubedeb.versions import Version
from upgrade_plans.models.surroundings import ManagersReach
from upgrade_plans.models.upgrade import Step
from upgrade_plans.models.upgradekinds import Store
from upgrade_plans.prover.mixrules import CALLED, CLAUSES, MixRules
from upgrade_plans.prover.wholekinds import MANAGERS, MOVERS, components
from upgrade_plans.prover.wholerecords import Record, WholeCase
from upgrade_plans.prover.wholestate import BOTH, Standing

Clause = tuple[str, str, tuple[str, ...]]
"""An invariant's id, which part of it, and the rules that it rests on."""
Given = frozenset[tuple[str, Version]]
MixItems = frozenset[tuple[str, frozenset[Version]]]
STORAGE = {Store.V2: Version(2, 0, 0), Store.V3: Version(3, 0, 0), BOTH: Version(3, 0, 0)}
LEADER = "--leader-elect"
RULE = "rule: "


class Versions:
    """Judges what is where, each standing once; `warned`: the rows that warn, each with the step in which it first did.

    `begun_on`: the blocked versions of the start, by component as rows call it, each with the row that forbids it. They are
    left first of all, and an exposure until then.
    """

    def __init__(self, case: WholeCase, knowledge: Knowledge) -> None:
        self.case, self.knowledge, self.rules = case, knowledge, MixRules(knowledge)
        self.loopback = case.plan.managers_reach is ManagersReach.LOOPBACK
        self.warned: dict[str, str] = {}
        self._mix = cache(self._mixed)
        self._broken_by = cache(self._broken)
        self._refused = cache(self._illegal)
        self._alone = cache(lambda there: (*self._flags(there), *_leaders(there)))
        self._beside = cache(lambda there: tuple(self._managers(there)))
        self.inherited = cache(self._inherited)
        start = case.boundaries[0]
        there = [(name, one) for (name, _), one in start.hosts.items()] + list(start.fleet)
        self.given = {(name, one.starts, one.lines) for name, one in there}
        # Of a flag that older versions are not known to accept nothing follows for one that starts with it already.
        self.accepted = {(name, flag) for name, _, lines in self.given for flag, _ in lines}
        self.begun_on = self._blocked({(CALLED.get(name, name), version) for name, one in there for version in one.versions})
        self._begun_on = frozenset(self.begun_on)

    def judge(self, there: Standing, step: Step | None, newest: Store | str | None, *, begun: bool) -> Iterator[Clause]:
        """Yield what a standing violates by itself, and beside the store that holds the newest write."""
        yield from self._ruled(step, self._broken_by(self._mix(there), newest, self._excused(step, begun=begun)))
        if self.loopback:
            yield from self._ruled(step, self._beside(there))
        yield from self._alone(there)

    # Versions beside each other.

    def _mixed(self, there: Standing) -> MixItems:
        """Return the versions by component as rows call it; those of managers with a loopback address are judged by host."""
        found: dict[str, set[Version]] = {}
        for name, versions in there.versions.items():
            found.setdefault(CALLED.get(name, name), set()).update(versions)
        return frozenset((name, frozenset(versions)) for name, versions in found.items()
                         if not (self.loopback and name in MANAGERS))  # fmt: skip

    def _broken(self, mix: MixItems, newest: Store | str | None, given: Given) -> tuple[Rule, ...]:
        mixed = dict(mix)
        if newest is not None:
            mixed["storage"] = frozenset({STORAGE[newest]})
        return tuple({rule.id: rule for rule in self.rules.broken(mixed, given)}.values())

    def _managers(self, there: Standing) -> Iterator[Rule]:
        """Yield the rows that managers break beside the API server on their own host."""
        for (name, where), records in there.may.items():
            if name in MANAGERS:
                servers = there.may.get(("kube-apiserver", where), ())
                yield from self.rules.between(name, "kube-apiserver", all_of(records), all_of(servers))

    def _ruled(self, step: Step | None, rules: Iterable[Rule]) -> Iterator[Clause]:
        for rule in rules:
            clause = "blocked" if rule.kind is RuleKind.BLOCKED else CLAUSES.get(rule.component, "blocked")
            forced = rule.severity is Severity.FORCE and step is not None and rule.id in step.findings
            if rule.severity is Severity.WARN or forced:
                self.warned.setdefault(rule.id, step.id if step is not None else "")
            else:
                yield clause, f"{RULE}{self.rules.met.get(rule.id, rule.component)}", (rule.id,)

    def unreadable(self, versions: Iterable[Version], written: Iterable[Version]) -> Iterator[Clause]:
        """Yield what API servers of some versions cannot read of what newer ones wrote."""
        for version in versions:
            for wrote in written:
                if wrote.major == version.major and version.minor < wrote.minor - 1:
                    yield "storage-readable", "minors", ("kube-apiserver-skew",)
                for rule in self.rules.back("kube-apiserver", wrote, version):
                    yield "storage-readable", "row", (rule.id,)

    # Blocked versions that were there before the plan.

    def _blocked(self, named: Iterable[tuple[str, Version]]) -> dict[tuple[str, Version], Rule]:
        rules = {key: [rule for rule in self.knowledge.blocked(*key) if rule.severity is Severity.FORBID] for key in named}
        return {key: found[0] for key, found in rules.items() if found}

    def _excused(self, step: Step | None, *, begun: bool) -> Given:
        """Return the blocked versions that a state may have: those of the start, but where the step itself brings one."""
        if not (self.begun_on and begun and step is not None and step.kind in MOVERS and step.to is not None):
            return self._begun_on
        return self._begun_on - {(CALLED.get(name, name), Version.parse(step.to)) for name in components(step)}

    def _inherited(self, there: Standing) -> dict[tuple[str, Version], Rule]:
        """Return the blocked versions of the start that are still there."""
        if not self.begun_on:
            return {}
        named = {(CALLED.get(name, name), version) for name, versions in there.versions.items() for version in versions}
        return {key: rule for key, rule in self.begun_on.items() if key in named}

    # Settings.

    def _flags(self, there: Standing) -> Iterator[Clause]:
        found = {", ".join(self._refused(name, record)) for name, record in there.records}
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
            and (row.removed_from(version) or (_unknown(row, version) and (component, row.flag) not in self.accepted))
        )  # fmt: skip


def _unknown(row: Flag, version: Version) -> bool:
    return row.first is not None and version < Version.parse(row.first)


def _leaders(there: Standing) -> Iterator[Clause]:
    for name in MANAGERS:
        hosts = {where: records for (component, where), records in there.may.items() if component == name}
        able = any(one.starts is not None and (LEADER, "false") in one.lines for records in hosts.values() for one in records)
        if able and sum(bool(all_of(records)) for records in hosts.values()) > 1:
            yield "leader-one", "off", ()


def first(step: Step | None, inherited: Mapping[tuple[str, Version], Rule]) -> Iterator[Clause]:
    """Yield what is violated when a step under way moves something else than what is blocked."""
    if not inherited or step is None or step.kind not in MOVERS or step.to is None:
        return
    if not {name for name, _ in inherited} & {CALLED.get(name, name) for name in components(step)}:
        yield "blocked", "first", tuple(sorted({rule.id for rule in inherited.values()}))


def all_of(records: Sequence[Record]) -> frozenset[Version]:
    """Return every version that daemons in some records run or would start."""
    return records[0].versions if len(records) == 1 else frozenset().union(*(one.versions for one in records))
