"""What differs between two plans of whole stacks, as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubedeb.output import table
from upgrade_plans.models.upgrade import Change, Upgrade
from upgrade_plans.plandiff import Cost, Difference, Edit, Parts, both
from upgrade_plans.upgradetext import long, patch


def difference_text(old: Upgrade, new: Upgrade, found: Difference) -> Iterator[str]:
    """Yield a difference: what it costs, what was asked, then phases, steps and changes, the new plan's marked `+`."""
    if found.same:
        yield "the plans say the same"
        return
    yield from table(("", "old", "new", "difference"), [_cost(cost) for cost in found.costs])
    for edit in found.about:
        yield from _about(edit)
    titles = [{phase.id: phase.title for phase in plan.phases} for plan in (old, new)]
    yield from _parts("phases", found.phases, *titles)
    titles = [{step.id: step.title for step in plan.steps} for plan in (old, new)]
    yield from _parts("steps", found.steps, *titles)
    titles = [{name: _what(change) for name, change in plan.changes.items()} for plan in (old, new)]
    yield from _parts("changes", found.changes, *titles)
    for sign, plan, names in (("-", old, found.changes.removed), ("+", new, found.changes.added)):
        for name in names:
            yield from (f"{sign} {name}", *(f"    {line}" for line in patch(plan.changes[name])))


def _what(change: Change) -> str:
    return f"{change.component} on {change.nodes}, {change.when} the binary"


def _cost(cost: Cost) -> tuple[str, ...]:
    more = cost.new - cost.old
    difference = f"{'+' if more > 0 else '-'}{_say(abs(more), cost)}" if more else "="
    return cost.what, _say(cost.old, cost), _say(cost.new, cost), difference


def _say(seconds: float, cost: Cost) -> str:
    return long(seconds) if cost.unit else f"{seconds:.0f}"


def _about(edit: Edit) -> Iterator[str]:
    """Yield a difference of what stands beside the phases; of a mapping only the keys that differ."""
    if isinstance(edit.old, dict) and isinstance(edit.new, dict):
        for key in sorted({*edit.old, *edit.new}):
            if edit.old.get(key) != edit.new.get(key):
                yield f"{edit.field}.{key}: {both(edit.old.get(key), edit.new.get(key))}"
    elif isinstance(edit.old, list) and isinstance(edit.new, list):
        only = _number(edit.old, edit.new), _number(edit.new, edit.old)
        yield f"{edit.field}: {only[0]} only in the old plan, {only[1]} only in the new one"
    else:
        yield f"{edit.field}: {both(edit.old, edit.new)}"


def _number(here: list[Any], there: list[Any]) -> int:
    return sum(one not in there for one in here)


def _parts(what: str, found: Parts, old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    if found.same:
        return
    numbers = ((len(found.added), "added"), (len(found.removed), "removed"), (len(found.moved), "moved"))
    said = [f"{number} {how}" for number, how in (*numbers, (len(found.edited), "with other fields")) if number]
    yield f"\n{what}: {', '.join(said)}"
    yield from (f"  - {name}: {old[name]}" for name in found.removed)
    yield from (f"  + {name}: {new[name]}" for name in found.added)
    for name, (before, now) in found.moved.items():
        yield f"  > {name}: after {now or 'nothing'} (was after {before or 'nothing'})"
    for name, edits in found.edited.items():
        yield f"  ~ {name}"
        yield from (f"      {edit.field}: {both(edit.old, edit.new)}" for edit in edits)
