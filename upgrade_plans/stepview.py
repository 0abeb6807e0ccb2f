"""Everything about one step of a whole stack's plan, for people and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubedeb.knowledge import Knowledge
from upgrade_plans.models.upgrade import Change, Phase, Step, Upgrade
from upgrade_plans.planner.estimate import Estimate
from upgrade_plans.render import spell
from upgrade_plans.upgradetext import long, patch
from upgrade_plans.upgradetree import way_back
from upgrade_plans.whypasses import why_not_fewer


def rules_of(plan: Upgrade, step: Step) -> tuple[str, ...]:
    """Return the ids of all rules that shaped a step: its own, those of its changes, those that warn while it is made."""
    changes = (rule for change in changes_of(plan, step).values() for rule in change.rules)
    return tuple(dict.fromkeys((*step.rules, *changes, *step.findings)))


def changes_of(plan: Upgrade, step: Step) -> dict[str, Change]:
    """Return the changes of configuration that a step writes, by id."""
    return {name: plan.changes[name] for name in step.changes if name in plan.changes}


def explain(plan: Upgrade, step: Step, knowledge: Knowledge, made: Estimate) -> Iterator[str]:
    """Yield everything that is known of one step."""
    number, phase = next((number, phase) for number, phase in enumerate(plan.phases, 1) if step in phase.steps)
    versions = f" {step.from_ or 'nothing'} → {step.to}" if step.to else ""
    yield f"{step.id}: {step.kind} of {step.component}{versions}"
    yield f"  what: {step.title}"
    yield f"  why: {step.reason}"
    yield f"  in phase {number}, {phase.id}: {phase.title}"
    yield f"    {phase.reason}"
    yield from _taken(plan, step)
    yield from _when(plan, phase, step, made)
    if fewer := why_not_fewer(plan, step, knowledge):
        yield f"  not fewer passes: {fewer}"
    yield f"  before it begins: {', '.join(step.pre) or 'nothing is asked'}"
    yield f"  before it counts as done: {', '.join(step.post) or 'its effect is read back'}"
    for one in step.verify:
        yield from (f"  by hand: {one.do}", f"    look: {one.look}", f"    expect: {one.expect}")
    for name, change in changes_of(plan, step).items():
        yield f"  change {name}"
        yield from (f"    {line}" for line in patch(change))
    yield from _back(step)
    yield from _declared(step)
    for rule in rules_of(plan, step):
        yield from _rule(rule, step, knowledge)


def _taken(plan: Upgrade, step: Step) -> Iterator[str]:
    """Yield who is taken: hosts by name, workers by row and group, Tillers by namespace; then the limits."""
    rows: dict[str, list[tuple[str, int]]] = {}
    workers = {group.id: group for group in plan.workers}
    tillers = {group.id: group for group in plan.tillers}
    hosts = [name for name in step.takes if name not in workers and name not in tillers]
    for name, count in step.takes.items():
        if name in workers:
            group = workers[name]
            rows.setdefault(group.row, []).append((f"{name} ({count} of {group.count}: {group.nodes})", count))
    if hosts:
        yield f"  on: {', '.join(hosts)}"
    for row, some in rows.items():
        yield f"  of row {row or '(none)'}, {sum(count for _, count in some)}: {', '.join(text for text, _ in some)}"
    for name in step.takes:
        if name in tillers:
            yield f"  Tillers of {len(tillers[name].namespaces)} namespaces: {', '.join(tillers[name].namespaces)}"
    if step.moves:
        yield f"  moves on each: {', '.join(step.moves)}"
    if rows or step.window > 1:
        yield f"  in hand at once: {step.window}" + (f", of a row {step.per_row}" if step.per_row else "")
    for bound in step.bounds:
        yield f"    {bound.kind}{f' {bound.domain}' if bound.domain else ''}: at most {bound.allowed} ({bound.why})"


def _when(plan: Upgrade, phase: Phase, step: Step, made: Estimate) -> Iterator[str]:
    """Yield how long it takes, when it begins, and what it has to wait for: why it does not come earlier."""
    yield f"  time: about {long(step.duration.p50)}, at most {long(step.duration.p95)}"
    order = [one.id for one in plan.steps]
    at = order.index(step.id)
    if at and step.id in made.begins:
        p50, p95 = made.begins[step.id]
        yield f"  begins: about {long(p50)} after the plan does, {long(p95)} at most in 95 of 100"
    yield f"  requires: {', '.join(step.requires) or 'nothing'}"
    if step is phase.steps[0] and at:
        yield f"  not earlier: a phase begins when the one before is at rest, after {order[at - 1]}"
    elif step.requires:
        last = max(step.requires, key=lambda name: order.index(name) if name in order else -1)
        yield f"  not earlier: of what it requires {last} ends last"
    elif at:
        yield f"  not earlier: steps are carried out one after the other, and {order[at - 1]} comes before it"


def _back(step: Step) -> Iterator[str]:
    yield f"  way back: {way_back(step)}"
    if step.undo is not None:
        yield f"    how: {step.undo.how}"
        if step.undo.pre:
            yield f"    asking: {', '.join(step.undo.pre)}"
        if step.undo.loss:
            yield f"    loss: {step.undo.loss}"
    for block in step.blocks:
        yield f"  blocks: the state before {block.state}"
        yield f"    by: {block.by}"
        yield f"    loss: {block.loss}"
        yield f"    brings it back: {f'the backup of {block.backup}, at that loss' if block.backup else 'nothing'}"
    if step.longest is not None:
        yield f"  over after {long(step.longest)} at most, whatever became of the step that ends it"
    if step.max_backup_age is not None:
        yield f"  age of the proven backup when it begins: at most {spell(step.max_backup_age)}"


def _declared(step: Step) -> Iterator[str]:
    if step.outage:
        yield f"  outage: at most {long(step.outage.longest)}, up to the end of {step.outage.until}"
        yield f"    does not serve: {', '.join(step.outage.scope)}"
    if step.backup:
        cold = ", of stopped members" if step.backup.cold else ""
        yield f"  backup: of {' and '.join(step.backup.stores)}{cold}: {step.backup.how}"
    if step.moment:
        yield f"  asked: {step.moment}"
    if step.prefix:
        yield f"  keys: {step.prefix} of the {step.store} store"
    if step.resources:
        yield f"  objects: {', '.join(step.resources)}"


def _rule(name: str, step: Step, knowledge: Knowledge) -> Iterator[str]:
    rule = knowledge.by_id.get(name)
    role = "warned of by" if name in step.findings else "rule"
    if rule is None:
        yield f"  {role} {name}: not in this version's knowledge"
        return
    yield f"  {role} {name} ({rule.severity}, {rule.confidence}): {rule.what}"
    yield f"    {rule.source}"


def explain_values(plan: Upgrade, step: Step, knowledge: Knowledge) -> dict[str, Any]:
    """Return a step, what it writes, and the rules behind it as JSON values."""
    rules = [knowledge.by_id[name] for name in rules_of(plan, step) if name in knowledge.by_id]
    return {
        "phase": next(phase.id for phase in plan.phases if step in phase.steps),
        "step": step.model_dump(mode="json", by_alias=True),
        "not_fewer_passes": why_not_fewer(plan, step, knowledge) or None,
        "changes": {name: change.model_dump(mode="json") for name, change in changes_of(plan, step).items()},
        "workers": [group.model_dump(mode="json") for group in plan.workers if group.id in step.takes],
        "rules": [rule.model_dump(mode="json", by_alias=True) for rule in rules],
    }
