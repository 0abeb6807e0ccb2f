"""Writes procedures out as steps: what each takes at its place in the plan, in which versions, how long it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from math import ceil

from kubedeb.knowledge.conditions import Condition
from kubedeb.versions import Version
from upgrade_plans.models.plan import DAY, Duration
from upgrade_plans.models.surroundings import Manager
from upgrade_plans.models.upgrade import Backup, Block, Outage, Phase, Step, Undo
from upgrade_plans.models.upgradekinds import Mode, StepKind, Store, When
from upgrade_plans.models.words import seconds
from upgrade_plans.planner.durations import SHORTEST, SPARE
from upgrade_plans.planner.stack import shown
from upgrade_plans.planner.whole.catalogue import Blocking, On, Template, durations, procedures
from upgrade_plans.planner.whole.passes import Portion, portions
from upgrade_plans.planner.whole.survey import Crowd, Survey
from upgrade_plans.planner.whole.wishes import Request
from upgrade_plans.planner.whole.world import MANY, MOVED_WITH, Site, World, tillers, tool_version

PASSES = {StepKind.WORKERS, StepKind.CALICO_NODES}


@dataclass
class Scribe:
    """The steps of the phase that is being written, and what the plan has done so far."""

    found: Survey
    request: Request
    seen: frozenset[str]
    holds: Callable[[Condition], bool]
    reach: Callable[[str], frozenset[str]]
    """The nodes that a change is about."""
    world: World
    steps: list[Step] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    reached: dict[str, Version] = field(default_factory=dict)
    blocked: set[tuple[str, str]] = field(default_factory=set)
    cuts: dict[tuple[object, ...], tuple[Portion, ...]] = field(default_factory=dict)
    last: str | None = None

    def close(self, site: Site, title: str, reason: str) -> None:
        """End the phase that was written; one without a step is none."""
        steps = tuple(self._dated(tuple(self.steps)))
        self.steps = []
        if steps:
            if site.new is not None:
                self.reached[site.phase] = site.new
            self.phases.append(Phase.model_validate({
                "id": site.phase, "title": title, "reason": reason, "group": site.group,
                "from": shown(site.group, site.old), "to": shown(site.group, site.new), "steps": steps,
            }))  # fmt: skip

    def write(self, templates: Iterable[Template], site: Site) -> None:
        """Write steps; neighbours that are about each host are written host by host."""
        wanted = [template for template in templates if self._wanted(template, site)]
        for each, block in groupby(wanted, key=lambda template: template.on if template.each else None):
            listed = list(block)
            for node in self.world.hosts(each, site) if each is not None else ("",):
                for template in listed:
                    self._expand(template, site, node)

    def _wanted(self, template: Template, site: Site) -> bool:
        cluster = self.found.cluster
        managed = cluster.configuration.manager is not Manager.BY_HAND or cluster.configuration.unattended_upgrades
        has = {None: True, "manager": managed, "balancer": bool(cluster.balancers), "elsewhere": self.request.depool}[
            template.has
        ]
        asked = template.kind is not StepKind.APPROVE or template.moment in cluster.constraints.approvals
        reach = template.reach is None or template.reach is cluster.kubernetes.managers_reach
        about = template.kind is StepKind.CONFIG or template.changes is When.AFTER
        written = not about or bool(site.changes.get(template.changes or When.WITH))
        soaks = template.soak is None or self._soak(template.soak) > 0
        seen = not template.seen or bool(self.seen & set(template.seen))
        return has and asked and reach and written and soaks and seen and (template.when is None or self.holds(template.when))

    def _soak(self, name: str) -> int:
        whole = seconds(getattr(self.found.cluster.constraints.soak, name))
        return {Mode.USUAL: whole, Mode.FAST: whole // 4, Mode.CAREFUL: 2 * whole}[self.request.mode]

    # Writing.

    def _expand(self, template: Template, site: Site, node: str) -> None:
        if template.kind in PASSES:
            self._pass(template, site)
        elif template.kind is StepKind.TILLERS:
            self._tillers(template, site)
        else:
            takes = {node: 1} if node else self.world.takes(template, site)
            if template.kind is StepKind.CLIENTS and template.component in MOVED_WITH:
                self._tools(template, site, takes)
            elif takes or template.on is On.NOTHING:
                self.add(template, site, takes, {"node": node})

    def _tools(self, template: Template, site: Site, takes: Mapping[str, int]) -> None:
        """Write a step for the hosts of each version of a tool, the oldest first; who has the new one already is left."""
        tool, new = str(template.component), tool_version(str(template.component), site)
        alike: dict[Version, dict[str, int]] = {}
        for node, count in takes.items():
            alike.setdefault(self.world.at[tool][node], {})[node] = count
        for number, version in enumerate(sorted(version for version in alike if version < new)):
            ways = {"from": str(version), "to": str(new)}
            self.add(template, site, alike[version], {}, suffix=f"-{version}" if number else "", **ways)

    def _tillers(self, template: Template, site: Site) -> None:
        """Write a step for each group of Tillers that began on one version, by where it is now."""
        if site.new is None:
            return
        for group in tillers(self.found.at["tillers"]):
            old = self.world.at["tillers"][group.namespaces[0]]
            if old != site.new:
                here = Site(site.phase, site.group, old, site.new, site.changes)
                self.add(template, here, {group.id: len(group.namespaces)}, {}, suffix=f"-{group.version}")
                self.world.at["tillers"] |= dict.fromkeys(group.namespaces, site.new)

    def _pass(self, template: Template, site: Site) -> None:
        """Write a pass over nodes: the canary, growing batches, with what is watched between them."""
        group, drains = MANY[template.on], template.kind is StepKind.WORKERS
        waiting = tuple(crowd for crowd in self.world.crowds(group) if self.world.at[group][crowd.id] != site.new)
        mean = durations()[template.kind].p50
        moves = (*template.moves, *(self.request.also if drains and not self._drained else ()))
        for number, portion in enumerate(self._cut(waiting, mean, drains=drains, bgp=template.bgp), 1):
            self._portion(template, site, portion, number, moves)
        if site.new is not None:
            self.world.at[group] |= {crowd.id: site.new for crowd in waiting}

    def _cut(self, crowds: tuple[Crowd, ...], mean: float, *, drains: bool, bgp: bool) -> tuple[Portion, ...]:
        """Cut a pass into its batches; a later pass over the same nodes is cut as the first one was."""
        key = tuple(crowd.id for crowd in crowds), mean, drains, bgp
        if key not in self.cuts:
            self.cuts[key] = tuple(portions(self.found, crowds, self.request, mean=mean, drains=drains, bgp=bgp))
        return self.cuts[key]

    @property
    def _drained(self) -> bool:
        return any(phase.group == "workers" for phase in self.phases)

    def _portion(self, template: Template, site: Site, portion: Portion, number: int, moves: tuple[str, ...]) -> None:
        name = "canary" if portion.canary else f"batch-{number}"
        olds: dict[Version, dict[str, int]] = {}
        for crowd, count in portion.takes.items():
            olds.setdefault(self.world.at[MANY[template.on]][crowd], {})[crowd] = count
        for index, (old, takes) in enumerate(sorted(olds.items())):
            here = Site(site.phase, site.group, old, site.new, site.changes)
            count = sum(takes.values())
            part = count / sum(portion.takes.values())
            self.add(
                template, here, takes, {"nodes": "the canary" if portion.canary else _nodes(count)},
                suffix=f"-{name}" + (f"-{old}" if index else ""), moves=moves, window=min(portion.window, count),
                per_row=portion.per_row, bounds=portion.bounds, drains=template.kind is StepKind.WORKERS, bgp=template.bgp,
                duration=Duration(p50=round(portion.duration.p50 * part, 1), p95=round(portion.duration.p95 * part, 1)),
            )  # fmt: skip
        if portion.soak and not template.brief:
            self._watch(site, name, portion, moves)

    def _watch(self, site: Site, name: str, portion: Portion, moves: tuple[str, ...]) -> None:
        wait = portion.soak * (2 if self.request.mode is Mode.CAREFUL else 1)
        tables = procedures()
        watch = tables.watch.model_copy(update={"id": f"watch-{name}", "component": moves[0]})
        self.add(watch, site, {}, {"nodes": "canary" if portion.canary else "batch"}, duration=Duration(p50=wait, p95=wait))
        if portion.canary and self._wanted(tables.go, site):
            self.add(tables.go, site, {}, {})

    def add(self, template: Template, site: Site, takes: dict[str, int], fill: dict[str, str], *, suffix: str = "",
            **more: object) -> None:  # fmt: skip
        """Write one step."""
        words = self._words(site, template) | fill
        identity = f"{site.phase}-{template.id}" + (f"-{fill['node']}" if fill.get("node") else "") + suffix
        moving = site.moves(template.component)
        count = sum(takes.values())
        tree: dict[str, object] = {
            "id": identity, "kind": template.kind, "title": _filled(template.title, words), "takes": takes,
            "component": template.component or "cluster",
            "from": shown(site.group, site.old) if moving else None, "to": shown(site.group, site.new) if moving else None,
            "reason": _filled(template.reason, words), "rules": template.rules, "requires": (self.last,) if self.last else (),
            "pre": template.pre, "post": template.post, "moves": template.moves, "verify": template.verify,
            "changes": self._changes(template, site, takes), "moment": template.moment, "store": template.store,
            "prefix": template.prefix, "resources": template.resources, "bgp": template.bgp,
            "window": max(1, count) if template.at_once else 1,
            "undo": self._undo(template, site, words), "blocks": tuple(self._blocks(template, site, words)),
            "backup": self._backup(template), "duration": self._duration(template, takes),
        } | more  # fmt: skip
        if template.outage:
            tree["outage"] = Outage(stops=template.outage.stops, scope=template.outage.scope, longest=1,
                                    until=f"{site.phase}-{template.outage.until}")  # fmt: skip
        self.steps.append(Step.model_validate(tree))
        self.last = identity
        self.world.done(template, site, takes)

    def _words(self, site: Site, template: Template) -> dict[str, str]:
        old, new = shown(site.group, site.old) or "", shown(site.group, site.new) or ""
        etcd = min(self.world.at["etcd"].values()) if "etcd" in self.world.at else None
        if template.kind in (StepKind.BACKUP, StepKind.DRILL) and site.group != "etcd" and etcd:
            old = str(etcd)
        line = f"{site.new.major}.{site.new.minor}" if site.new else ""
        return {"from": old, "to": new, "line": line, "node": "", "nodes": ""}

    def _changes(self, template: Template, site: Site, takes: dict[str, int]) -> tuple[str, ...]:
        writes = template.changes is not None and template.kind not in (StepKind.DEPOOL, StepKind.REPOOL)
        ids = site.changes.get(template.changes, ()) if writes and template.changes else ()
        hosts = takes.keys() if template.on not in MANY else ()
        return tuple(key for key in ids if not hosts or self.reach(key) & hosts)

    def _undo(self, template: Template, site: Site, words: dict[str, str]) -> Undo | None:
        if template.undo is None:
            return None
        to = shown(site.group, site.old) if site.moves(template.component) and not template.undo.keeps else None
        return Undo(to=to, how=_filled(template.undo.how, words), pre=template.undo.pre, loss=template.undo.loss)

    def _blocks(self, template: Template, site: Site, words: dict[str, str]) -> Iterator[Block]:
        patch = site.old is not None and site.new is not None and site.old.line == site.new.line
        if template.kind is StepKind.ETCD_HOP and patch:
            return  # Another patch of the same line: the cluster version does not rise, and the way back stays open.
        for block in template.blocks:
            inside = site.old is not None and site.old in block.to and block.to.text != "any" and not block.left
            entered = site.new is None or (site.new in block.to and not inside)
            state = self._state(block, site)
            told = (state, block.by) in self.blocked
            if state and entered and not told and (not block.seen or self.seen & set(block.seen)):
                self.blocked.add((state, block.by))
                yield Block(
                    state=state, by=_filled(block.by, words), loss=block.loss, backup=self._saved() if block.backup else None
                )

    def _state(self, block: Blocking, site: Site) -> str | None:
        if block.left:
            return next((phase.id for phase in self.phases
                         if phase.group == block.group and self.reached.get(phase.id) == site.old), None)  # fmt: skip
        here = site.new is not None and block.line is not None and site.new in block.line and site.group == block.group
        if block.group is None or here:
            return site.phase
        for phase in self.phases:
            new = self.reached.get(phase.id)
            if phase.group == block.group and new is not None and block.line is not None and new in block.line:
                return phase.id
        return None

    def _saved(self) -> str | None:
        return next((step.id for step in reversed(self.steps) if step.kind is StepKind.BACKUP), None)

    def _backup(self, template: Template) -> Backup | None:
        if template.kind is not StepKind.BACKUP:
            return None
        stores = tuple(sorted({store for store in (self.world.store, self.world.calico_store) if store})) or (Store.V3,)
        wanted = (Store.V2, Store.V3) if template.cold else template.stores or stores
        how = next(row.how for row in procedures().backups if row.stores == wanted and row.cold == template.cold)
        return Backup(stores=wanted, cold=template.cold or len(wanted) > 1, how=how)

    def _duration(self, template: Template, takes: dict[str, int]) -> Duration:
        row = durations()[template.kind]
        if template.soak is not None:
            wait = self._soak(template.soak)
            return Duration(p50=wait, p95=wait)
        times = ceil(sum(takes.values()) / (sum(takes.values()) if template.at_once else 1)) if row.each and takes else 1
        return Duration(p50=row.p50 * times, p95=row.p95 * times)

    def _dated(self, steps: tuple[Step, ...]) -> Iterator[Step]:
        """Yield the steps with the longest time of an outage, and the age of backups, both from the steps between."""
        places = {step.id: place for place, step in enumerate(steps)}
        for place, step in enumerate(steps):
            if step.outage is not None:
                inside = steps[place : places[step.outage.until] + 1]
                longest = max(1, ceil(sum(one.duration.p95 for one in inside)))
                yield step.model_copy(update={"outage": step.outage.model_copy(update={"longest": longest})})
            elif saved := next((block.backup for block in step.blocks if block.backup in places), None):
                since = SPARE * sum(one.duration.p95 for one in steps[places[saved] : place])
                yield step.model_copy(update={"max_backup_age": min(DAY, max(SHORTEST, ceil(since / 60) * 60))})
            else:
                yield step


def _filled(text: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        text = text.replace("{" + name + "}", value)
    return text


def _nodes(count: int) -> str:
    return "one node" if count == 1 else f"{count} nodes"
