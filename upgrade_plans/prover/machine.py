"""The transitions of docs/semantics.md, section 2, on packed states.

A packed state is a tuple: installed and running (version indices by member, -1: not running), cached (version bits by
member), cluster (line index), leader (member index, -1: none), saved and proven (line bits), place, acts (by the step's
nodes), fault. A successor is (label, state, clauses): the label says what happened, the clauses what it violates.
"""

from __future__ import annotations

from kubedeb.versions import Version
from upgrade_plans.models.plan import Act
from upgrade_plans.models.state import Direction, FaultKind
from upgrade_plans.prover.program import Guard, Place, Program

Ints = tuple[int, ...]
Packed = tuple[Ints, Ints, Ints, int, int, int, int, int, Ints, int]
Label = tuple[str, int]
Successor = tuple[Label, Packed, Ints]

ISSUED, STOPPED, UNKNOWN, DONE = range(4)
NOBODY, NOT_RUNNING, NO_FAULT = -1, -1, 0
TAKES_DOWN = frozenset({FaultKind.PROCESS, FaultKind.NODE, FaultKind.ROW})
CUTS_OFF = frozenset({FaultKind.NODE, FaultKind.ROW})
"""Faults after which daemons run no more, and those after which nobody knows what became of an act."""
OUTSIDE = frozenset({"fault", "repair"})
"""The labels of transitions that are not the executor's nor the world's own."""

# The clauses of section 4 that a transition can violate, by number; judge.py says them in words.
TWO_STOPPED, OTHERS_DOWN, START_BELOW, START_BEYOND, START_AHEAD, UNCACHED, UNPROVEN, RISE_UNPROVEN, RISE_UNDECLARED = range(9)
SOUND: Ints = ()


def swap(values: Ints, index: int, value: int) -> Ints:
    """Return `values` with one replaced."""
    return (*values[:index], value, *values[index + 1 :])


class Machine:
    """Computes the successors of states of one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.full = (1 << program.size) - 1
        self.majority = program.size // 2 + 1
        self.executor_fault = len(program.faults) - 1
        self._up: dict[tuple[Ints, int], int] = {}
        self._left: dict[tuple[Ints, int], Ints] = {}
        self._harm = [(number, fault.members, fault.kind in TAKES_DOWN, fault.kind in CUTS_OFF)
                      for number, fault in enumerate(program.faults) if fault.kind is not None]  # fmt: skip

    def initial(self) -> list[Packed]:
        """Return the initial states: one for each member that may lead."""
        plan, program = self.program.plan, self.program
        index = {str(version): number for number, version in enumerate(program.versions)}
        installed = tuple(index[str(Version.parse(member.installed))] for member in plan.members)
        running = tuple(index[str(Version.parse(member.running))] for member in plan.members)
        cluster = program.lines.index(Version.parse(plan.cluster_version).line)
        empty = (0,) * program.size
        return [
            (installed, running, empty, cluster, leader, 0, 0, program.begin, (), NO_FAULT) for leader in range(program.size)
        ]

    def up(self, running: Ints, fault: int) -> int:
        """Return the members (bits) that run and can be reached."""
        key = running, fault
        mask = self._up.get(key)
        if mask is None:
            mask = sum(1 << index for index, version in enumerate(running) if version != NOT_RUNNING)
            mask &= ~self.program.faults[fault].unreachable
            self._up[key] = mask
        return mask

    def successors(self, state: Packed) -> list[Successor]:
        """Return every successor."""
        out: list[Successor] = []
        place, fault = self.program.places[state[7]], state[9]
        if fault != self.executor_fault and not place.finished:
            if state[8]:
                self._in_flight(state, place, out)
            else:
                self._issue(state, place, out)
            self._turn_back(state, place, out)
        if state[8]:
            self._land(state, place, out)
        self._elect_and_rise(state, place, out)
        if fault == NO_FAULT:
            self._faults(state, place, out)
        else:
            out.append(self._repair(state))
        return out

    # E: the executor

    def _holds(self, guard: Guard, state: Packed, place: Place, *, relaxed: bool, wide: bool) -> bool:
        _, running, cached, cluster, leader, _, proven, _, _, fault = state
        if guard.healthy and (leader < 0 or (self.up(running, fault) | (place.mask if relaxed else 0)) != self.full):
            return False
        allowed = guard.wide if wide else guard.strict
        if allowed is not None and not allowed >> cluster & 1:
            return False
        if guard.cached and any(cached[node] & place.need != place.need for node in place.nodes):
            return False
        return not guard.backup or bool(proven >> cluster & 1 or (wide and proven >> place.from_line & 1))

    def shown(self, state: Packed, place: Place, node: int) -> bool:
        """Say whether the world shows the effect of the place's act on a node."""
        installed, running, cached, cluster, leader, saved, proven, _, _, fault = state
        match place.kind:
            case Act.RESTART:
                here = installed[node] == place.to and running[node] == place.to
                return here and not self.program.faults[fault].unreachable >> node & 1
            case Act.INSTALL:
                return installed[node] == place.to
            case Act.DOWNLOAD:
                return cached[node] & place.need == place.need
            case Act.OBSERVE:
                return cluster >= place.to_line
            case Act.TRANSFER:
                return leader == node
            case Act.SAVE:
                return bool(saved >> cluster & 1)
            case _:
                return bool(proven >> cluster & 1)

    def _issue(self, state: Packed, place: Place, out: list[Successor]) -> None:
        back = place.direction is Direction.BACK
        if self.program.faults[state[9]].unreachable & place.mask:
            return
        if not self._holds(place.guard, state, place, relaxed=back, wide=place.later):
            return
        acts = tuple(DONE if self.shown(state, place, node) else ISSUED for node in place.nodes)
        if place.kind is Act.OBSERVE and ISSUED in acts:
            return
        issued = sum(1 << node for node, act in zip(place.nodes, acts, strict=True) if act == ISSUED)
        broken = self._sound_issue(state, place, issued, acts, later=place.later)
        out.append((("issue", 0), (*state[:8], acts, state[9]), broken))

    def _sound_issue(self, state: Packed, place: Place, issued: int, acts: Ints, *, later: bool) -> Ints:
        """Return the clauses that issuing now (`issued`, member bits; `acts` as they are after it) violates."""
        broken: Ints = ()
        if place.kind is Act.RESTART:
            if sum(act in (ISSUED, STOPPED) for act in acts) > 1:
                broken += (TWO_STOPPED,)
            if self.up(state[1], state[9]) | issued != self.full:
                broken += (OTHERS_DOWN,)
        if place.blocks and place.direction is Direction.FORWARD:
            cluster, proven = state[3], state[6]
            if not (proven >> cluster & 1 or (later and proven >> place.from_line & 1)):
                broken += (UNPROVEN,)
        return broken

    def _in_flight(self, state: Packed, place: Place, out: list[Successor]) -> None:
        acts = state[8]
        unreachable = self.program.faults[state[9]].unreachable
        for index, act in enumerate(acts):
            node = place.nodes[index]
            if act != UNKNOWN or unreachable >> node & 1:
                continue
            if self.shown(state, place, node):
                out.append((("read-back", node), (*state[:8], swap(acts, index, DONE), state[9]), SOUND))
            elif self._holds(place.guard, state, place, relaxed=True, wide=True):
                again = swap(acts, index, ISSUED)
                broken = self._sound_issue(state, place, 1 << node, again, later=True)
                out.append((("reissue", node), (*state[:8], again, state[9]), broken))
        if all(act == DONE for act in acts) and self._may_advance(state, place):
            out.append((("advance", 0), (*state[:7], place.after, (), state[9]), SOUND))

    def _may_advance(self, state: Packed, place: Place) -> bool:
        back = place.direction is Direction.BACK
        return not place.last or self._holds(place.post, state, place, relaxed=back, wide=back)

    def _turn_back(self, state: Packed, place: Place, out: list[Successor]) -> None:
        acts = state[8]
        if place.direction is not Direction.FORWARD or any(act in (ISSUED, STOPPED) for act in acts):
            return
        begun = bool(acts) or place.later
        if place.blocks_below or (begun and place.blocks):
            return
        out.append((("back", 0), (*state[:7], place.back_begun if begun else place.back_idle, (), state[9]), SOUND))

    # W: the world

    def _land(self, state: Packed, place: Place, out: list[Successor]) -> None:
        acts = state[8]
        for index, act in enumerate(acts):
            if act not in (ISSUED, STOPPED):
                continue
            node = place.nodes[index]
            unknown = swap(acts, index, UNKNOWN)
            out.append((("fail", node), (*state[:8], unknown, state[9]), SOUND))
            if act == STOPPED:
                running = swap(state[1], node, state[0][node])
                broken = self._start(state, node)
                out.append((("start", node), self._settled(state, running=running, acts=unknown), broken))
            else:
                self._take_effect(state, place, node, index, out)

    def _take_effect(self, state: Packed, place: Place, node: int, index: int, out: list[Successor]) -> None:
        installed, running, cached, cluster, leader, saved, proven, at, acts, fault = state
        unknown = swap(acts, index, UNKNOWN)
        label = ("land", node)
        match place.kind:
            case Act.RESTART:
                stopped = swap(acts, index, STOPPED)
                out.append((label, self._settled(state, running=swap(running, node, NOT_RUNNING), acts=stopped), SOUND))
            case Act.INSTALL:
                broken = SOUND if cached[node] & place.need == place.need else (UNCACHED,)
                now = swap(installed, node, place.to)
                out.append((label, (now, running, cached, cluster, leader, saved, proven, at, unknown, fault), broken))
            case Act.DOWNLOAD:
                more = swap(cached, node, cached[node] | place.need)
                out.append((label, (installed, running, more, cluster, leader, saved, proven, at, unknown, fault), SOUND))
            case Act.SAVE if running[node] != NOT_RUNNING and leader >= 0:
                out.append((label, (*state[:5], saved | 1 << cluster, proven, at, unknown, fault), SOUND))
            case Act.COMPARE if saved >> cluster & 1:
                out.append((label, (*state[:6], proven | 1 << cluster, at, unknown, fault), SOUND))
            case Act.TRANSFER if leader >= 0 and self.up(running, fault) >> node & 1:
                out.append((label, (*state[:4], node, saved, proven, at, unknown, fault), SOUND))
            case _:
                pass

    def _elect_and_rise(self, state: Packed, place: Place, out: list[Successor]) -> None:
        running, cluster, leader, fault = state[1], state[3], state[4], state[9]
        up = self.up(running, fault)
        if leader < 0:
            if up.bit_count() >= self.majority:
                out += [(("elect", node), (*state[:4], node, *state[5:]), SOUND)
                        for node in range(self.program.size) if up >> node & 1]  # fmt: skip
            return
        if up != self.full:
            return
        lowest = min(self.program.line_of[version] for version in running)
        if lowest > cluster:
            broken: Ints = () if state[6] >> cluster & 1 else (RISE_UNPROVEN,)
            begun = bool(state[8]) or place.later
            if not (place.blocks_below or (begun and place.blocks)):
                broken += (RISE_UNDECLARED,)
            out.append((("rise", lowest), (*state[:3], lowest, *state[4:]), broken))

    def _start(self, state: Packed, node: int) -> Ints:
        """Return the clauses that starting what is installed on `node` violates."""
        installed, running, cluster = state[0], state[1], state[3]
        line_of = self.program.line_of
        line = line_of[installed[node]]
        if line < cluster:
            return (START_BELOW,)
        broken: Ints = (START_BEYOND,) if self.program.beyond[cluster] >> line & 1 else ()
        if line > cluster:
            for other, version in enumerate(running):
                if other != node and line_of[version if version != NOT_RUNNING else installed[other]] < cluster:
                    return (*broken, START_AHEAD)
        return broken

    # F and H: faults and repairs

    def _faults(self, state: Packed, place: Place, out: list[Successor]) -> None:
        for number, members, takes_down, cuts_off in self._harm:
            running, acts = state[1], state[8]
            if takes_down:
                running = self._lost(running, number)
                if not cuts_off and running == state[1]:  # of a process: none runs
                    continue
            if acts and cuts_off:
                acts = tuple([
                    UNKNOWN if act in (ISSUED, STOPPED) and members >> node & 1 else act
                    for node, act in zip(place.nodes, acts, strict=True)
                ])  # fmt: skip
            out.append((("fault", number), self._settled(state, running=running, acts=acts, fault=number), SOUND))

    def _lost(self, running: Ints, fault: int) -> Ints:
        """Return what runs when a fault has taken its members down."""
        key = running, fault
        left = self._left.get(key)
        if left is None:
            members = self.program.faults[fault].members
            left = tuple(NOT_RUNNING if members >> i & 1 else version for i, version in enumerate(running))
            self._left[key] = left
        return left

    def _repair(self, state: Packed) -> Successor:
        fault = self.program.faults[state[9]]
        if fault.kind is FaultKind.EXECUTOR:
            return ("resume", 0), (*state[:9], NO_FAULT), SOUND
        broken: Ints = ()
        now = state
        if fault.kind is not FaultKind.LINK:
            for node in range(self.program.size):
                if fault.members >> node & 1 and now[1][node] == NOT_RUNNING:
                    broken += self._start(now, node)
                    now = (now[0], swap(now[1], node, now[0][node]), *now[2:])
        return ("repair", state[9]), self._settled(now, running=now[1], acts=now[8], fault=NO_FAULT), broken

    def _settled(self, state: Packed, *, running: Ints, acts: Ints, fault: int | None = None) -> Packed:
        """Return the state with these parts, its leader None where nobody can lead as it was."""
        installed, _, cached, cluster, leader, saved, proven, at, _, old_fault = state
        now = old_fault if fault is None else fault
        if leader >= 0:
            up = self.up(running, now)
            if not up >> leader & 1 or up.bit_count() < self.majority:
                leader = NOBODY
        return installed, running, cached, cluster, leader, saved, proven, at, acts, now
