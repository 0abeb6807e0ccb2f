"""Writes the phases of an order: what prepares, what each stage takes, what a person does, what is cleaned up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from kubedeb.knowledge import Knowledge, Rule, RuleKind, Severity
from kubedeb.knowledge.journey import bites
from upgrade_plans.models.upgrade import Verify
from upgrade_plans.models.upgradekinds import Check, StepKind, When
from upgrade_plans.planner.climb import Stage
from upgrade_plans.planner.detect import Detection, Look
from upgrade_plans.planner.stack import shown
from upgrade_plans.planner.whole import catalogue
from upgrade_plans.planner.whole.catalogue import Chore, On, Place, Template
from upgrade_plans.planner.whole.order import COMPONENTS, Order
from upgrade_plans.planner.whole.scribe import Scribe
from upgrade_plans.planner.whole.settings import Crossing, Ledger, matches
from upgrade_plans.planner.whole.survey import Survey
from upgrade_plans.planner.whole.wishes import Request
from upgrade_plans.planner.whole.world import Site, World

FLAG = re.compile(r"daemon\.arguments\[(--[^\]]+)\]")
ASKS = (Severity.FORBID, Severity.FORCE)
ON = {"etcd": On.MEMBERS, "apiservers": On.APISERVERS, "managers": On.MANAGERS, "helm": On.CLIENTS, "workers": On.WORKERS,
      "calico": On.NETWORKED}  # fmt: skip
"""Where the packages of a group are downloaded to; stores and Tillers have none."""


class Writer:
    """Writes the phases of an order, one after the other."""

    def __init__(self, found: Survey, request: Request, order: Order, knowledge: Knowledge, detected: Detection) -> None:
        self.found, self.request, self.order, self.knowledge, self.detected = found, request, order, knowledge, detected
        self.seen = {one.rule.id: one for one in detected.seen}
        self.tables = catalogue.procedures()
        self.rows = catalogue.configuration().changes
        self.look = Look(found.facts, {}, knowledge)
        self.ledger = Ledger(found, knowledge, frozenset(self.seen))
        self.start = self.ledger.found()
        self.scribe = Scribe(found, request, frozenset(self.seen), self.look.satisfied, self.ledger.nodes, World.of(found))
        self.handled: set[str] = set()
        self.made: set[str] = set()

    def write(self) -> None:
        """Write everything; nothing where nothing moves."""
        if not self.order.stages:
            return
        self._prepare()
        self._chores(
            Place.START,
            "clean-up",
            "data and objects that the new versions do not take",
            "A person does what no tool should do alone; each is looked at before anything changes.",
        )
        self._configure()
        for stage in self.order.stages:
            self._stage(stage)
        self._close()

    def _prepare(self) -> None:
        site = Site("prepare")
        self.scribe.write(self.tables.preparation, site)
        for stage in self.order.stages:
            self._download(stage)
        self.scribe.close(
            site,
            "packages of every step and of every way back, and what surrounds the run",
            "Installing ahead would let a crash start the next version, so packages are downloaded, not installed.",
        )

    def _download(self, stage: Stage) -> None:
        group = stage.move.group
        if group not in ON:
            return
        template = self.tables.download.model_copy(
            update={"id": f"download-{_phase(stage)}", "on": ON[group], "component": group}
        )
        site = Site("prepare", group, stage.move.old, stage.move.new)
        takes = self.scribe.world.takes(template, Site("prepare"))
        if takes:
            self.scribe.add(template, site, takes, {})

    def _configure(self) -> None:
        """Write what the binaries of the start accept as well, each daemon's in a phase step of its own."""
        site_id = "configuration"
        for procedure in self.tables.configuring:
            ids: list[str] = []
            for stage in self.order.stages:
                if stage.move.group == procedure.group:
                    ids += self._before(stage, site_id, at_start=True)
            site = Site(site_id, procedure.group, changes={When.BEFORE: tuple(ids)})
            if ids:
                self.scribe.write(self.tables.written(procedure), site)
        self.scribe.close(
            Site(site_id),
            "settings that old and new versions accept",
            "With the same binaries, so that each later change is small and each way back short.",
        )

    def _before(self, stage: Stage, phase: str, *, at_start: bool) -> tuple[str, ...]:
        ids: list[str] = []
        for component in _daemons(stage.move.group):
            first = min(self.found.at[stage.move.group].values())
            crossing = Crossing(phase, component, stage.move.old, stage.move.new, self.found.store)
            rows = [row for row in self.rows if row.when is When.BEFORE and row.component == component
                    and row.id not in self.made and matches(row, crossing) and (first in row.from_) == at_start]  # fmt: skip
            self.made |= {row.id for row in rows}
            ids += self.ledger.write(crossing, When.BEFORE, rows)
        return tuple(ids)

    def _stage(self, stage: Stage) -> None:
        move, name = stage.move, _phase(stage)
        procedure = self.tables.of(stage.move)
        ids = self._before(stage, name, at_start=False)
        changes = {When.BEFORE: ids, When.WITH: self._with(stage, name)}
        site = Site(name, move.group, move.old, move.new, changes)
        self.handled |= {*procedure.handles, *self.ledger.rules}
        before = [chore.step for chore in self._met(stage, Place.BEFORE)]
        written = self.tables.written(procedure)
        after = [chore.step for chore in self._met(stage, Place.AFTER)]
        for template in (*before, *written, *after):
            self.handled |= {*template.rules, *template.seen}
        self.scribe.write(before, site)
        self.scribe.write(self._by_hand(stage, site), site)
        if ids:
            configuring = next(one for one in self.tables.configuring if one.group == move.group)
            self.scribe.write(self.tables.written(configuring), site)
        self.scribe.write(written, site)
        self.scribe.write(after, site)
        warned = tuple(rule.id for rule in stage.warnings)
        self.scribe.steps = [
            step.model_copy(update={"findings": warned}) if step.kind in MOVES else step for step in self.scribe.steps
        ]
        words = {
            "from": shown(move.group, move.old) or "",
            "to": shown(move.group, move.new) or "",
            "line": f"{move.new.major}.{move.new.minor}",
        }
        title, reason = (text.format_map(words) for text in (procedure.title, procedure.reason))
        self.scribe.close(site, title, reason + self._needed(stage))

    def _needed(self, stage: Stage) -> str:
        """Return why a phase stands where it does: the next phase that needs it, and the rule."""
        stages = self.order.repair if stage in self.order.repair else self.order.way.stages
        for later, rule in stage.needed_by[:1]:
            return f" It comes before {_phase(stages[later])}: {rule.what} [{rule.id}]"
        return ""

    def _with(self, stage: Stage, phase: str) -> tuple[str, ...]:
        ids: list[str] = []
        if stage.move.group == "storage":
            crossing = Crossing(phase, "kube-apiserver", stage.move.old, stage.move.old)
            return self.ledger.write(crossing, When.WITH, [row for row in self.rows if row.switch])
        for component in _daemons(stage.move.group):
            crossing = Crossing(phase, component, stage.move.old, stage.move.new, self.scribe.world.store)
            ids += self.ledger.write(crossing, When.WITH, [row for row in self.rows if matches(row, crossing)])
        return tuple(ids)

    # Chores.

    def _met(self, stage: Stage, place: Place) -> Iterator[Chore]:
        move = stage.move
        for chore in self.tables.chores:
            entered = move.new in chore.to and (chore.to.text == "any" or move.old not in chore.to)
            if chore.group == move.group and chore.place is place and entered:
                yield chore

    def _chores(self, place: Place, phase: str, title: str, reason: str) -> None:
        for stage in self.order.stages:
            site = Site(phase, None, None, stage.move.new)
            for chore in self._met(stage, place):
                self.handled |= {*chore.step.rules, *chore.step.seen}
                self.scribe.write([chore.step], site)
        self.scribe.close(Site(phase), title, reason)

    def _by_hand(self, stage: Stage, site: Site) -> Iterator[Template]:
        """Yield a step by hand for each rule that weighs, concerns the cluster here, and that nothing else obeys.

        What the binary of today still needs is not to be gone before: for flags that go with the next one all is made ready.
        """
        for rule in self._bitten(stage):
            self.handled.add(rule.id)
            where = ", ".join(self.seen[rule.id].evidence[:3])
            flags = self._dropped(rule, site)
            done = f"ready for the new binary; with it, not before, goes: {', '.join(flags)}" if flags else "gone"
            seen = Verify(do=rule.remedy, look=rule.detect.how, expect=f"{done} (seen: {where})")
            yield Template(
                id=rule.id, kind=StepKind.CHECK, title=rule.what, component=rule.component, reason=rule.what, rules=(rule.id,),
                post=(Check.VERIFIED,), verify=(seen,),
            )  # fmt: skip

    def _dropped(self, rule: Rule, site: Site) -> tuple[str, ...]:
        """Return the flags that a rule is about and that go with the binary; none where it is about more than flags."""
        leaves = rule.detect.when.leaves if rule.detect.when is not None else ()
        named = {match[1] for leaf in leaves if leaf.present and (match := FLAG.fullmatch(str(leaf.field)))}
        here = [self.ledger.changes[key] for key in site.changes[When.WITH]]
        gone = {line.setting for one in here if one.component == rule.component for line in one.lines if line.new is None}
        return tuple(sorted(named & gone)) if len(named) == len(leaves) else ()

    def _bitten(self, stage: Stage) -> Iterator[Rule]:
        names = _all_parts(stage.move.group, self.knowledge)
        for one in self.detected.seen:
            rule = one.rule
            weighs = rule.severity in ASKS and rule.kind in (RuleKind.TRAP, RuleKind.PROCEDURE)
            here = rule.component in names and bites(rule, stage.move.old, stage.move.new)
            if weighs and here and rule.id not in self.handled:
                yield rule

    def _close(self) -> None:
        site = Site("closing", changes={When.AFTER: self._after()})
        no_return, *rest = self.tables.closing
        end = [(stage, chore) for stage in self.order.stages for chore in self._met(stage, Place.END)]
        self.scribe.write([no_return] if end else [], site)
        for stage, chore in end:
            self.handled |= {*chore.step.rules, *chore.step.seen}
            self.scribe.write([chore.step], replace(site, new=stage.move.new))
        self.scribe.write(rest, site)
        self.scribe.close(
            Site("closing"), "after the last soak", "Old data goes, configuration management takes over, alerts count again."
        )

    def _after(self) -> tuple[str, ...]:
        if not any(stage.move.group == "storage" for stage in self.order.stages):
            return ()
        version = max(self.scribe.world.at["apiservers"].values())
        crossing = Crossing("closing", "kube-apiserver", version, version)
        return self.ledger.write(crossing, When.AFTER, [row for row in self.rows if row.switch])


MOVES = {StepKind.ETCD_HOP, StepKind.APISERVER, StepKind.MANAGERS, StepKind.WORKERS, StepKind.CALICO_NODES, StepKind.TILLERS,
         StepKind.CLIENTS, StepKind.SWITCH_STORE}  # fmt: skip


def _phase(stage: Stage) -> str:
    return f"{stage.move.group}-{shown(stage.move.group, stage.move.new)}"


def _daemons(group: str) -> tuple[str, ...]:
    """Return the daemons whose settings are a group's."""
    return {"calico": ("calico-node",)}.get(group, COMPONENTS[group])


def _all_parts(group: str, knowledge: Knowledge) -> frozenset[str]:
    names = set(COMPONENTS[group])
    if group in knowledge.parts and group != "helm":
        names |= {group, *knowledge.parts[group]}
    if group == "apiservers":
        names |= {"kubernetes"}
    return frozenset(names)
