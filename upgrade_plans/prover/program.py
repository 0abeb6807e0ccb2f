"""A plan, compiled for exploration: versions, lines, faults and places in the program as small integers and bit masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kubedeb.versions import Version
from upgrade_plans.models.plan import ACTS, Act, Check, Phase, Plan, Step
from upgrade_plans.models.state import Direction, FaultKind, Line

NextLine = Callable[[Line], Line | None]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: the members that it takes down (bits), those that cannot be reached while it lasts, how many it stands for."""

    kind: FaultKind | None
    where: str = ""
    members: int = 0
    unreachable: int = 0
    stands_for: int = 1


@dataclass(frozen=True, slots=True)
class Guard:
    """The checks of a `pre`, `post` or `undo.pre`; the versions are bits of lines, `wide` for what is begun already."""

    healthy: bool
    strict: int | None
    wide: int | None
    cached: bool
    backup: bool


@dataclass(slots=True)
class Place:
    """A place in the program: direction, step and act, and all that its transitions need."""

    direction: Direction
    step: int
    act: int
    finished: bool = False
    kind: Act | None = None
    nodes: tuple[int, ...] = ()
    mask: int = 0
    to: int = 0
    to_line: int = 0
    from_line: int = 0
    need: int = 0
    last: bool = False
    later: bool = False
    blocks: bool = False
    blocks_below: bool = False
    guard: Guard = field(default_factory=lambda: Guard(healthy=False, strict=None, wide=None, cached=False, backup=False))
    post: Guard = field(default_factory=lambda: Guard(healthy=False, strict=None, wide=None, cached=False, backup=False))
    after: int = 0
    back_begun: int = 0
    back_idle: int = 0


@dataclass(frozen=True)
class Program:
    """The compiled plan."""

    plan: Plan
    steps: tuple[Step, ...]
    versions: tuple[Version, ...]
    line_of: tuple[int, ...]
    """The index into `lines` of each version."""
    lines: tuple[Line, ...]
    beyond: tuple[int, ...]
    """For each cluster line the lines (bits) that lie above the one that follows it."""
    members: tuple[str, ...]
    rows: tuple[tuple[str, int], ...]
    faults: tuple[Fault, ...]
    places: tuple[Place, ...]
    begin: int

    @property
    def size(self) -> int:
        """Return the number of members."""
        return len(self.members)


def compile_plan(plan: Plan, next_line: NextLine, *, merge_rows: bool = False) -> Program:
    """Compile a plan that passed the static checks; `merge_rows`: a row of one member has no fault but its node's."""
    steps = plan.steps
    texts = [text for step in steps for text in (step.from_, step.to, *((step.undo.to,) if step.undo else ()))]
    texts += [text for member in plan.members for text in (member.running, member.installed)]
    versions = tuple(sorted({Version.parse(text) for text in texts}))
    lines = tuple(sorted({version.line for version in versions} | {Version.parse(plan.cluster_version).line}))
    members = tuple(member.node for member in plan.members)
    names = dict.fromkeys(member.row for member in plan.members)
    rows = tuple((row, _bits(i for i, member in enumerate(plan.members) if member.row == row)) for row in names)
    places = _Places(plan, versions, lines)
    return Program(
        plan=plan, steps=steps, versions=versions, line_of=tuple(lines.index(version.line) for version in versions),
        lines=lines, beyond=tuple(_beyond(line, lines, next_line) for line in lines), members=members, rows=rows,
        faults=tuple(_faults(members, rows, merge=merge_rows)), places=tuple(places.made), begin=places.begin,
    )  # fmt: skip


def _bits(indices: Iterable[int]) -> int:
    return sum(1 << index for index in set(indices))


def _beyond(line: Line, lines: tuple[Line, ...], next_line: NextLine) -> int:
    highest = next_line(line) or line
    return _bits(index for index, other in enumerate(lines) if other > highest)


def _faults(members: tuple[str, ...], rows: tuple[tuple[str, int], ...], *, merge: bool) -> list[Fault]:
    """Return the faults; index 0 stands for none."""
    merged = {mask for _, mask in rows if merge and mask.bit_count() == 1}
    found = [Fault(None)]
    for index, node in enumerate(members):
        bit = 1 << index
        found.append(Fault(FaultKind.PROCESS, node, bit))
        found.append(Fault(FaultKind.NODE, node, bit, bit, stands_for=2 if bit in merged else 1))
        found.append(Fault(FaultKind.LINK, node, bit, bit))
    found += [Fault(FaultKind.ROW, row, mask, mask) for row, mask in rows if mask not in merged]
    return [*found, Fault(FaultKind.EXECUTOR)]


class _Places:
    """Lays out the places: each act of each step forward, each act of each undo backward, the ends."""

    def __init__(self, plan: Plan, versions: tuple[Version, ...], lines: tuple[Line, ...]) -> None:
        self.made: list[Place] = []
        self._versions, self._lines = versions, lines
        self._node = {member.node: index for index, member in enumerate(plan.members)}
        steps = list(plan.numbered())
        self._forward: dict[int, int] = {}
        self._back: dict[int, int] = {}
        self._rolled: dict[int, int] = {}
        self._layout(plan, steps)
        for phase, index, step in steps:
            first = index - phase.steps.index(step)
            self._fill(phase, index, step, first)
        self.begin = self._forward[0]

    def _layout(self, plan: Plan, steps: list[tuple[Phase, int, Step]]) -> None:
        for phase, index, step in steps:
            acts = ACTS[step.kind]
            first = index - phase.steps.index(step)
            self._forward[index] = len(self.made)
            self.made += [Place(Direction.FORWARD, index, act) for act in range(len(acts))]
            if step.undo is not None:
                self._back[index] = len(self.made)
                self.made += [Place(Direction.BACK, index, act) for act in range(len(acts))]
            if first == index:
                self._rolled[first] = len(self.made)
                self.made.append(Place(Direction.ROLLED_BACK, first, 0, finished=True))
        full = [phase for phase in plan.phases if phase.steps]
        blocks = any(step.blocks for step in full[-1].steps) if full else False
        self._forward[len(steps)] = len(self.made)
        self.made.append(Place(Direction.FORWARD, len(steps), 0, finished=True, blocks_below=blocks))

    def _fill(self, phase: Phase, index: int, step: Step, first: int) -> None:
        below = phase.steps[: index - first]
        back_idle = self._back_from(phase, first, index - 1)
        back_begun = self._back_from(phase, first, index)
        blocks_below = any(other.blocks for other in below)
        for act in range(len(ACTS[step.kind])):
            place = self.made[self._forward[index] + act]
            self._common(place, step, act, step.from_, step.to)
            place.guard, place.post = self._guard(step.pre, place, None), self._guard(step.post, place, None)
            place.blocks, place.blocks_below = bool(step.blocks), blocks_below
            place.back_begun, place.back_idle = back_begun, back_idle
            place.after = self._forward[index + 1] if place.last else self._forward[index] + act + 1
            if step.undo is not None:
                back = self.made[self._back[index] + act]
                self._common(back, step, act, step.to, step.undo.to)
                back.guard = back.post = self._guard(step.undo.pre, back, self._line(step.undo.to))
                back.blocks, back.blocks_below = bool(step.blocks), blocks_below
                back.after = back_idle if back.last else self._back[index] + act + 1

    def _back_from(self, phase: Phase, first: int, index: int) -> int:
        """Return the place where turning back begins when the steps up to `index` are begun."""
        undoable = [number for number in range(index, first - 1, -1) if phase.steps[number - first].undo is not None]
        return self._back[undoable[0]] if undoable else self._rolled[first]

    def _line(self, text: str) -> int:
        return self._lines.index(Version.parse(text).line)

    def _bit(self, text: str) -> int:
        return 1 << self._versions.index(Version.parse(text))

    def _common(self, place: Place, step: Step, act: int, old: str, new: str) -> None:
        acts = ACTS[step.kind]
        place.kind = acts[act]
        place.nodes = tuple(self._node[node] for node in step.nodes)
        place.mask = _bits(place.nodes)
        place.to = self._versions.index(Version.parse(new))
        place.to_line, place.from_line = self._line(new), self._line(old)
        place.need = self._bit(old) | self._bit(new)
        place.last, place.later = act == len(acts) - 1, act > 0

    def _guard(self, checks: tuple[Check, ...], place: Place, undo_line: int | None) -> Guard:
        strict = wide = None
        if Check.CLUSTER_VERSION in checks:
            strict = 1 << (place.from_line if undo_line is None else undo_line)
            wide = strict | (1 << place.to_line if undo_line is None else 0)
        return Guard(
            healthy=Check.MEMBERS_HEALTHY in checks, strict=strict, wide=wide,
            cached=Check.CACHED in checks, backup=Check.BACKUP_PROVEN in checks,
        )  # fmt: skip
