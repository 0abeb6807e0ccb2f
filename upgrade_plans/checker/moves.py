"""The transitions of docs/semantics.md, section 2: what may happen next, and what that violates by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from upgrade_plans.checker.case import (
    BACK,
    DONE,
    FORWARD,
    HEALTHY_WORLD,
    ISSUED,
    NONE,
    ROLLED_BACK,
    STOPPED,
    UNKNOWN,
    Case,
    Ints,
    State,
)
from upgrade_plans.models.plan import ACTS, Act, Check


class Move(NamedTuple):
    """A transition: whose it is (E, B, W, Z, F or H), where it leads, the ids of the invariants that it violates."""

    who: str
    after: State
    broken: tuple[str, ...] = ()


def put(values: Ints, index: int, value: int) -> Ints:
    """Return the values with one replaced."""
    return (*values[:index], value, *values[index + 1 :])


def moves(case: Case, state: State) -> Iterator[Move]:
    """Yield every transition, the leader normalised."""
    found = [*_world(case, state), *_faults(case, state)]
    if state.fault[0] != "executor" and not case.finished(state):
        found += [*_executor(case, state), *_turn_back(case, state)]
    for move in found:
        up = case.up(move.after)
        if move.after.leader != NONE and (move.after.leader not in up or 2 * len(up) <= case.size):
            yield move._replace(after=move.after._replace(leader=NONE))
        else:
            yield move


def shown(case: Case, state: State, member: int) -> bool:
    """Say whether the world has the current act's effect on a member."""
    old, new = case.ways(state)
    match case.kind(state):
        case Act.DOWNLOAD:
            return bool(state.cached[member] >> old & 1 and state.cached[member] >> new & 1)
        case Act.SAVE:
            return bool(state.saved >> state.cluster & 1)
        case Act.COMPARE:
            return bool(state.proven >> state.cluster & 1)
        case Act.TRANSFER:
            return state.leader == member
        case Act.INSTALL:
            return state.installed[member] == new
        case Act.RESTART:
            return state.installed[member] == state.running[member] == new and member not in case.cut_off(state)
        case Act.OBSERVE:
            return state.cluster >= case.line[new]


def holds(case: Case, state: State, checks: tuple[Check, ...], *, spare: bool, wide: bool) -> bool:
    """Say whether checks hold; `spare`: the step's own nodes need not be up; `wide`: what began may see the line after it."""
    old, new = case.ways(state)
    nodes, up = case.nodes[state.step], case.up(state)
    lines = {case.line[new if state.way == BACK else old]} | ({case.line[new]} if wide else set())
    proven = {state.cluster} | ({case.line[old]} if wide else set())
    answers = {
        Check.MEMBERS_HEALTHY: state.leader != NONE
        and all(member in up or (spare and member in nodes) for member in range(case.size)),
        Check.CLUSTER_VERSION: state.cluster in lines,
        Check.CACHED: all(state.cached[member] >> one & 1 for member in nodes for one in (old, new)),
        Check.BACKUP_PROVEN: any(state.proven >> line & 1 for line in proven),
    }
    return all(answers.get(check, True) for check in checks)


def _pre(case: Case, state: State) -> tuple[Check, ...]:
    step = case.steps[state.step]
    return step.undo.pre if state.way == BACK and step.undo is not None else step.pre


def _executor(case: Case, state: State) -> Iterator[Move]:
    nodes, lost, back = case.nodes[state.step], case.cut_off(state), state.way == BACK
    if not state.acts:
        acts = tuple(DONE if shown(case, state, member) else ISSUED for member in nodes)
        stuck = case.kind(state) is Act.OBSERVE and ISSUED in acts
        if not stuck and not set(nodes) & set(lost) and holds(case, state, _pre(case, state), spare=back, wide=state.act > 0):
            yield Move("E", state._replace(acts=acts), _issue_broken(case, state, acts, first=state.act == 0, now=acts))
        return
    for index, member in enumerate(nodes):
        if state.acts[index] != UNKNOWN or member in lost:
            continue
        if shown(case, state, member):
            yield Move("E", state._replace(acts=put(state.acts, index, DONE)))
        elif holds(case, state, _pre(case, state), spare=True, wide=True):
            acts = put(state.acts, index, ISSUED)
            only = put((DONE,) * len(nodes), index, ISSUED)
            yield Move("E", state._replace(acts=acts), _issue_broken(case, state, acts, first=False, now=only))
    if set(state.acts) == {DONE}:
        yield from _advance(case, state)


def _issue_broken(case: Case, state: State, acts: Ints, *, first: bool, now: Ints) -> tuple[str, ...]:
    """Return what issuing violates: `acts` are as they are after it, `now` marks those being issued."""
    broken: tuple[str, ...] = ()
    if case.kind(state) is Act.RESTART:
        issued = {member for member, act in zip(case.nodes[state.step], now, strict=True) if act == ISSUED}
        if sum(act in (ISSUED, STOPPED) for act in acts) > 1 or len(set(case.up(state)) | issued) < case.size:
            broken += ("etcd-quorum",)
    step = case.steps[state.step]
    if step.blocks and state.way == FORWARD:
        lines = [state.cluster] if first else [state.cluster, case.line[case.rank(step.from_)]]
        broken += () if any(state.proven >> line & 1 for line in lines) else ("snapshot",)
    return broken


def _advance(case: Case, state: State) -> Iterator[Move]:
    step = case.steps[state.step]
    if state.act + 1 < len(ACTS[step.kind]):
        yield Move("E", state._replace(act=state.act + 1, acts=()))
    elif state.way == FORWARD and holds(case, state, step.post, spare=False, wide=False):
        yield Move("E", state._replace(step=state.step + 1, act=0, acts=()))
    elif state.way == BACK and holds(case, state, _pre(case, state), spare=True, wide=True):
        yield Move("E", _undo(case, state, range(case.phases[state.step][0], state.step)))


def _undo(case: Case, state: State, steps: range) -> State:
    """Return the state in which the highest of the steps that has an undo is to be undone, or all is."""
    below = [number for number in steps if case.steps[number].undo is not None]
    if below:
        return state._replace(way=BACK, step=below[-1], act=0, acts=())
    return state._replace(way=ROLLED_BACK, step=case.phases[state.step][0], act=0, acts=())


def _turn_back(case: Case, state: State) -> Iterator[Move]:
    if state.way != FORWARD or any(act in (ISSUED, STOPPED) for act in state.acts):
        return
    begun = case.begun(state)
    if not any(case.steps[number].blocks for number in begun):
        yield Move("B", _undo(case, state, range(case.phases[state.step][0], begun[-1] + 1 if begun else 0)))


def _world(case: Case, state: State) -> Iterator[Move]:
    nodes = case.nodes[state.step] if state.acts else ()
    for index, (member, act) in enumerate(zip(nodes, state.acts, strict=True)):
        if act not in (ISSUED, STOPPED):
            continue
        after = state._replace(acts=put(state.acts, index, UNKNOWN))
        yield Move("W", after)
        if act == STOPPED:
            running = put(state.running, member, state.installed[member])
            yield Move("W", after._replace(running=running), start_broken(case, state, member))
        else:
            yield from _land(case, state, after, index, member)
    up = case.up(state)
    if state.leader == NONE:
        yield from (Move("W", state._replace(leader=member)) for member in up if 2 * len(up) > case.size)
    elif len(up) == case.size and (lowest := min(case.line[version] for version in state.running)) > state.cluster:
        declared = any(case.steps[number].blocks for number in case.begun(state))
        sound = declared and state.proven >> state.cluster & 1
        yield Move("W", state._replace(cluster=lowest), () if sound else ("snapshot",))


def _land(case: Case, state: State, after: State, index: int, member: int) -> Iterator[Move]:
    old, new = case.ways(state)
    both = 1 << old | 1 << new
    match case.kind(state):
        case Act.DOWNLOAD:
            yield Move("W", after._replace(cached=put(state.cached, member, state.cached[member] | both)))
        case Act.INSTALL:
            there = state.cached[member] & both == both
            installed = put(state.installed, member, new)
            yield Move("W", after._replace(installed=installed), () if there else ("packages",))
        case Act.RESTART:
            stopped = put(state.acts, index, STOPPED)
            yield Move("W", state._replace(running=put(state.running, member, NONE), acts=stopped))
        case Act.SAVE if state.running[member] != NONE and state.leader != NONE:
            yield Move("W", after._replace(saved=state.saved | 1 << state.cluster))
        case Act.COMPARE if state.saved >> state.cluster & 1:
            yield Move("W", after._replace(proven=state.proven | 1 << state.cluster))
        case Act.TRANSFER if member in case.up(state) and state.leader != NONE:
            yield Move("W", after._replace(leader=member))


def start_broken(case: Case, state: State, member: int) -> tuple[str, ...]:
    """Return what starting the installed version on a member violates."""
    line = case.line[state.installed[member]]
    others = [
        case.line[run if run != NONE else disk]
        for other, (run, disk) in enumerate(zip(state.running, state.installed, strict=True)) if other != member
    ]  # fmt: skip
    behind = line > state.cluster and any(other < state.cluster for other in others)
    return ("etcd-hop",) if line < state.cluster or line > case.highest[state.cluster] or behind else ()


def _faults(case: Case, state: State) -> Iterator[Move]:
    """Yield the faults that may come, or the repair of the one that is there."""
    if state.fault != HEALTHY_WORLD:
        yield _repair(case, state)
        return
    yield Move("F", state._replace(fault=("executor", NONE)))
    for member in range(case.size):
        if state.running[member] != NONE:
            yield Move("F", _struck(case, state, ("process", member), (member,)))
        yield Move("F", _struck(case, state, ("node", member), (member,)))
        yield Move("F", state._replace(fault=("link", member)))
    for row, members in enumerate(case.rows):
        if len(members) > 1 or not case.merge_rows:
            yield Move("F", _struck(case, state, ("row", row), members))


def _struck(case: Case, state: State, fault: tuple[str, int], members: Ints) -> State:
    running = tuple(NONE if number in members else version for number, version in enumerate(state.running))
    acts = state.acts
    if fault[0] != "process":
        nodes = case.nodes[state.step] if acts else ()
        acts = tuple(UNKNOWN if n in members and act in (ISSUED, STOPPED) else act for n, act in zip(nodes, acts, strict=True))
    return state._replace(running=running, acts=acts, fault=fault)


def _repair(case: Case, state: State) -> Move:
    kind, where = state.fault
    if kind == "executor":
        return Move("Z", state._replace(fault=HEALTHY_WORLD))
    broken: tuple[str, ...] = ()
    now = state
    hit: Ints = () if kind == "link" else case.rows[where] if kind == "row" else (where,)
    for member in hit:
        if now.running[member] == NONE:
            broken += start_broken(case, now, member)
            now = now._replace(running=put(now.running, member, now.installed[member]))
    return Move("H", now._replace(fault=HEALTHY_WORLD), broken)
