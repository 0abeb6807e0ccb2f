"""A plan numbered: members, versions, lines, steps and rows, and who is alike where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from kubedeb.knowledge import Knowledge, Severity
from kubedeb.versions import Version
from upgrade_plans.models.plan import ACTS, Act, Plan, Step

Ints = tuple[int, ...]
FORWARD, BACK, ROLLED_BACK = "forward", "back", "rolled-back"
ISSUED, STOPPED, UNKNOWN, DONE = range(4)
NONE = -1
HEALTHY_WORLD = ("", NONE)


class State(NamedTuple):
    """A state of docs/semantics.md, section 1, by numbers.

    Versions are ranks among the plan's, -1 where none runs; `cached` are masks of ranks, `saved` and `proven` of lines; `fault`
    is a kind with a member's number, or a row's for a row of several.
    """

    installed: Ints
    running: Ints
    cached: Ints
    cluster: int
    leader: int
    saved: int
    proven: int
    way: str
    step: int
    act: int
    acts: Ints
    fault: tuple[str, int]


@dataclass(frozen=True)
class Case:
    """The numbers that the transitions need. `highest` is, for each line, the last one that may be started under it."""

    plan: Plan
    steps: tuple[Step, ...]
    nodes: tuple[Ints, ...]
    phases: tuple[tuple[int, int], ...]
    """For each step the first step of its phase, and the first one after it."""
    versions: tuple[Version, ...]
    line: Ints
    highest: Ints
    cluster: int
    rows: tuple[Ints, ...]
    row_of: Ints
    merge_rows: bool
    blocked: frozenset[int]
    """The ranks of versions that a row forbids."""
    cells_until: tuple[tuple[Ints, ...], ...]
    """By the number of steps that may have begun, the members that are alike, where there are several."""

    @property
    def size(self) -> int:
        """Return the number of members."""
        return len(self.plan.members)

    def rank(self, text: str) -> int:
        """Return a version's rank."""
        return self.versions.index(Version.parse(text))

    def ways(self, state: State) -> tuple[int, int]:
        """Return the ranks of the current step's `from` and `to`, as its direction has it."""
        step = self.steps[state.step]
        if state.way == BACK and step.undo is not None:
            return self.rank(step.to), self.rank(step.undo.to)
        return self.rank(step.from_), self.rank(step.to)

    def kind(self, state: State) -> Act:
        """Return the current act."""
        return ACTS[self.steps[state.step].kind][state.act]

    def finished(self, state: State) -> bool:
        """Say whether the program came to one of its ends."""
        return state.way == ROLLED_BACK or state.step == len(self.steps)

    def begun(self, state: State) -> list[int]:
        """Return the begun steps of the current phase (of the last step's, when done)."""
        if state.step == len(self.steps):
            return list(range(*self.phases[-1])) if self.phases else []
        now = state.step + 1 if state.act or state.acts else state.step
        return list(range(self.phases[state.step][0], now))

    def cut_off(self, state: State) -> Ints:
        """Return the members that cannot be reached."""
        kind, where = state.fault
        if kind == "row":
            return self.rows[where]
        return (where,) if kind in ("node", "link") else ()

    def up(self, state: State) -> list[int]:
        """Return the members that run and can be reached."""
        lost = self.cut_off(state)
        return [member for member, version in enumerate(state.running) if version != NONE and member not in lost]

    def cells(self, state: State) -> tuple[Ints, ...]:
        """Return the members that are alike at the state's place (docs/semantics.md, section 6), where there are several."""
        end = state.step + 1 if state.way == FORWARD else self.phases[state.step][1]
        return self.cells_until[min(end, len(self.steps))]


def _cells(plan: Plan, rows: tuple[Ints, ...], nodes: tuple[Ints, ...]) -> tuple[Ints, ...]:
    """Return the members that start alike, stand alike and are named by the same of these steps, where there are several."""
    alike: dict[object, Ints] = {}
    for number, member in enumerate(plan.members):
        row = next(row for row in rows if number in row)
        key = member.installed, member.running, row if len(row) > 1 else (), tuple(number in named for named in nodes)
        alike[key] = (*alike.get(key, ()), number)
    return tuple(cell for cell in alike.values() if len(cell) > 1)


def forbidden(version: Version, knowledge: Knowledge) -> bool:
    """Say whether a row forbids a version of etcd."""
    return any(rule.severity is Severity.FORBID for rule in knowledge.blocked("etcd", version))


def case_of(plan: Plan, knowledge: Knowledge, reductions: dict[str, bool]) -> Case:
    """Number a plan that passed the static checks; `reductions` are those that the certificate was made with."""
    numbers = {member.node: number for number, member in enumerate(plan.members)}
    texts = {text for step in plan.steps for text in (step.from_, step.to, *((step.undo.to,) if step.undo else ()))}
    texts |= {text for member in plan.members for text in (member.installed, member.running)}
    versions = tuple(sorted({Version.parse(text) for text in texts}))
    cluster = Version.parse(plan.cluster_version).line
    lines = sorted({version.line for version in versions} | {cluster})
    names = list(dict.fromkeys(member.row for member in plan.members))
    phases, first = [], 0
    for phase in plan.phases:
        end = first + len(phase.steps)
        phases += [(first, end)] * len(phase.steps)
        first = end
    nodes = tuple(tuple(numbers[node] for node in step.nodes) for step in plan.steps)
    rows = tuple(tuple(n for n, member in enumerate(plan.members) if member.row == row) for row in names)
    ends = range(len(plan.steps) + 1)
    blocked = frozenset(rank for rank, version in enumerate(versions) if forbidden(version, knowledge))
    above = [knowledge.next_line("etcd", line) or line for line in lines]
    return Case(
        plan=plan, steps=plan.steps, nodes=nodes,
        phases=tuple(phases), versions=versions, line=tuple(lines.index(version.line) for version in versions),
        highest=tuple(max(n for n, other in enumerate(lines) if other <= above[index]) for index in range(len(lines))),
        cluster=lines.index(cluster), row_of=tuple(names.index(member.row) for member in plan.members),
        rows=rows, merge_rows=reductions.get("rows", False), blocked=blocked,
        cells_until=tuple(_cells(plan, rows, nodes[:end]) if reductions.get("symmetry") else () for end in ends),
    )  # fmt: skip
