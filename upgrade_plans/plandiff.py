"""What differs between two plans of whole stacks: phases, steps and changes of configuration, and what each plan costs."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from upgrade_plans.canonical import digest
from upgrade_plans.models.upgrade import Upgrade
from upgrade_plans.models.upgradekinds import StepKind
from upgrade_plans.planner.estimate import Estimate

APART = ("format", "phases", "changes")
"""What is compared by itself; the rest says whom a plan is for, what was asked, what it was made from, what it finds."""


@dataclass(frozen=True)
class Edit:
    """A field of something that both plans have, with both values as JSON values."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Parts:
    """What became of things by id: only in the new plan, only in the old one, in another place, with other fields.

    `moved` maps an id to what stands before it (old, new; empty: nothing). It is the smallest set without which what both
    plans have stands in one order; steps that are in another phase are in it too, steps that went with their phase are not.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    moved: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    edited: Mapping[str, tuple[Edit, ...]] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Say whether nothing differs."""
        return not (self.added or self.removed or self.moved or self.edited)


@dataclass(frozen=True)
class Cost:
    """One figure of both plans. `unit`: `s` for seconds, empty for a number."""

    what: str
    old: float
    new: float
    unit: str = ""


@dataclass(frozen=True)
class Difference:
    """Everything that differs; `costs` has every figure, also those that do not."""

    about: tuple[Edit, ...]
    phases: Parts
    steps: Parts
    changes: Parts
    costs: tuple[Cost, ...]

    @property
    def same(self) -> bool:
        """Say whether the plans say the same."""
        return not self.about and self.phases.same and self.steps.same and self.changes.same


def compare(old: Upgrade, new: Upgrade, times: tuple[Estimate, Estimate]) -> Difference:
    """Return what differs from the old plan to the new one; `times`: how long each takes."""
    trees = [plan.model_dump(mode="json", by_alias=True) for plan in (old, new)]
    about = tuple(edit for edit in _edits(*trees) if edit.field not in APART)
    phases, steps, changes = ([listed(tree) for tree in trees] for listed in (_phases, _steps, _changes))
    return Difference(
        about, parts(*phases), parts(*steps, homes=_homes(old, new)), parts(*changes, ordered=False),
        tuple(_costs(old, new, times)),
    )  # fmt: skip


def parts(
    old: Mapping[str, dict[str, Any]], new: Mapping[str, dict[str, Any]], *, ordered: bool = True,
    homes: Sequence[Mapping[str, str]] = ({}, {}),
) -> Parts:  # fmt: skip
    """Return what became of things that have ids and stand in an order; `homes`: in which phase each is.

    What goes with its phase to another place has not moved.
    """
    both = [name for name in new if name in old]
    phases = {phase: number for number, phase in enumerate(dict.fromkeys(homes[1].values()))}
    order = sorted(old, key=lambda name: phases.get(homes[0].get(name, ""), len(phases)))
    places = {name: number for number, name in enumerate(order)}
    stays = _ascending([places[name] for name in both]) if ordered else set(range(len(both)))
    away = [
        name for number, name in enumerate(both)
        if number not in stays or homes[0].get(name) != homes[1].get(name)
    ]  # fmt: skip
    before = [_before(old), _before(new)]
    return Parts(
        tuple(name for name in new if name not in old), tuple(name for name in old if name not in new),
        {name: (before[0][name], before[1][name]) for name in away},
        {name: edits for name in both if (edits := tuple(_edits(old[name], new[name])))},
    )  # fmt: skip


def _before(listed: Mapping[str, Any]) -> dict[str, str]:
    names = list(listed)
    return dict(zip(names, ["", *names], strict=False))


def _ascending(places: Sequence[int]) -> set[int]:
    """Return the indices of a longest ascending run of places, with gaps: what need not be moved."""
    ends: list[int] = []  # Of the run of each length that ends lowest: the index of its last place,
    last: list[int] = []  # and that place.
    before: list[int] = []
    for index, place in enumerate(places):
        length = bisect_left(last, place)
        before.append(ends[length - 1] if length else -1)
        ends[length : length + 1] = [index]
        last[length : length + 1] = [place]
    kept, index = set[int](), ends[-1] if ends else -1
    while index >= 0:
        kept.add(index)
        index = before[index]
    return kept


def _edits(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Edit]:
    for key in new:
        if old.get(key) != new[key]:
            yield Edit(key, old.get(key), new[key])


def _phases(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {phase["id"]: {key: value for key, value in phase.items() if key != "steps"} for phase in tree["phases"]}


def _steps(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["id"]: step for phase in tree["phases"] for step in phase["steps"]}


def _changes(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    changes: dict[str, dict[str, Any]] = tree["changes"]
    return changes


def _homes(*plans: Upgrade) -> list[dict[str, str]]:
    return [{step.id: phase.id for phase in plan.phases for step in phase.steps} for plan in plans]


# What they cost.


def _costs(old: Upgrade, new: Upgrade, times: tuple[Estimate, Estimate]) -> Iterator[Cost]:
    yield Cost("half of all runs take", times[0].p50, times[1].p50, "s")
    yield Cost("95 of 100 runs take at most", times[0].p95, times[1].p95, "s")
    yield Cost("outages together, at most", _stopped(old), _stopped(new), "s")
    for what, figures in zip(FIGURES, zip(_figures(old), _figures(new), strict=True), strict=True):
        yield Cost(what, *figures)


FIGURES = ("phases", "steps", "steps by hand", "times each worker is emptied", "workers emptied in all", "points of no return",
           "warnings about mixes of versions", "findings")  # fmt: skip


def _figures(plan: Upgrade) -> tuple[int, ...]:
    return (
        len(plan.phases), len(plan.steps), sum(step.kind is StepKind.CHECK for step in plan.steps), plan.drains,
        sum(sum(step.takes.values()) for step in plan.steps if step.kind is StepKind.WORKERS),
        sum(len(step.blocks) for step in plan.steps), plan.risk, len(plan.findings),
    )  # fmt: skip


def _stopped(plan: Upgrade) -> int:
    return sum(step.outage.longest for step in plan.steps if step.outage)


def difference_values(old: Upgrade, new: Upgrade, found: Difference) -> dict[str, Any]:
    """Return a difference as JSON values, with the digests of both plans."""
    return {
        "same": found.same, "plans": [digest(old), digest(new)], "about": found.about, "phases": found.phases,
        "steps": found.steps, "changes": found.changes, "costs": found.costs,
    }  # fmt: skip


def short(value: Any, most: int = 80) -> str:
    """Return a JSON value on one line, cut where it is long; nothing for null."""
    text = _line(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def both(old: Any, new: Any, most: int = 80) -> str:
    """Return `old → new` as `short` writes them; texts that differ only where they would be cut begin shortly before that."""
    texts = _line(old), _line(new)
    alike = next((place for place, (one, other) in enumerate(zip(*texts, strict=False)) if one != other), 0)
    if alike < most // 2 or max(map(len, texts)) <= most:
        return f"{short(old, most)} → {short(new, most)}"
    begin = texts[0].rfind(" ", 0, alike - most // 4) + 1
    return " → ".join(short(f"…{text[begin:]}" if begin else text, most) for text in texts)


def _line(value: Any) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
