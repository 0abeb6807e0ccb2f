"""The levels and invariants of docs/semantics.md, sections 3 and 4: what is violated by a plan, by a state, by a move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum

from oracle_moves import Kind, Move
from oracle_words import (
    Case,
    begun,
    current_act,
    finished,
    following,
    from_and_to,
    idle,
    line,
    majority,
    members_in,
    up,
    ups,
)
from upgrade_plans.models.plan import Act, Plan, Release, StepKind
from upgrade_plans.models.state import Direction, FaultKind, Progress, State

PLAN, QUORUM, HOP, CONSISTENT = "plan", "etcd-quorum", "etcd-hop", "installed-running"
PACKAGES, SNAPSHOT, DEAD_END, REACHES_END = "packages", "snapshot", "no-dead-end", "reaches-end"


class Level(StrEnum):
    """Rest, nominal, fault."""

    R = "R"
    N = "N"
    F = "F"


def level(case: Case, state: State) -> Level:
    """Return a state's level."""
    if state.fault is not None:
        return Level.F
    resting = state.direction is Direction.FORWARD and idle(state) and state.act == 0
    return Level.R if resting or finished(case, state) else Level.N


# The plan itself.


def in_plan(plan: Plan) -> Iterator[str]:
    """Yield what the static checks find."""
    if not packages_known(plan):
        yield PACKAGES
    if not ages_stated(plan):
        yield SNAPSHOT
    if not all((members_sound(plan), ids_sound(plan), nodes_sound(plan), undos_sound(plan), versions_sound(plan))):
        yield PLAN


def named(plan: Plan) -> set[str]:
    """Return every version that a step names."""
    undone = {step.undo.to for step in plan.steps if step.undo is not None}
    return {step.from_ for step in plan.steps} | {step.to for step in plan.steps} | undone


def packages_known(plan: Plan) -> bool:
    """Whether every version that a step names is a release, and each release is whole and of its version."""
    return named(plan) <= set(plan.releases) and all(truthful(version, one) for version, one in plan.releases.items())


def truthful(version: str, release: Release) -> bool:
    """Whether a release holds the server, and each package has a sha256 and packs this version."""
    pins = release.packages.values()
    return "etcd-server" in release.packages and all(pin.sha256 and packed(pin.version) == version for pin in pins)


def packed(debian: str) -> str:
    """Return the upstream version in a Debian one: no epoch, no revision, no mark of a repacked source, `-` for `~`."""
    upstream = debian.rpartition(":")[2].rpartition("-")[0] or debian.rpartition(":")[2]
    return upstream.partition("+")[0].replace("~", "-")


def ages_stated(plan: Plan) -> bool:
    """Whether every step that blocks says how old the backup may be."""
    return all(step.max_backup_age is not None for step in plan.steps if step.blocks)


def members_sound(plan: Plan) -> bool:
    """Whether there is a member, and none twice."""
    nodes = [member.node for member in plan.members]
    return len(nodes) > 0 and len(nodes) == len(set(nodes))


def ids_sound(plan: Plan) -> bool:
    """Whether no step id stands twice and each `requires` names an earlier step."""
    earlier: set[str] = set()
    for step in plan.steps:
        if step.id in earlier or not set(step.requires) <= earlier:
            return False
        earlier.add(step.id)
    return True


def nodes_sound(plan: Plan) -> bool:
    """Whether every step has nodes, all of them members, none twice."""
    known = {member.node for member in plan.members}
    return all(step.nodes and set(step.nodes) <= known and len(step.nodes) == len(set(step.nodes)) for step in plan.steps)


def undos_sound(plan: Plan) -> bool:
    """Whether only changes have an undo."""
    return all(step.undo is None or step.kind is StepKind.CHANGE for step in plan.steps)


def versions_sound(plan: Plan) -> bool:
    """Whether every version can be read as one."""
    texts = named(plan) | {plan.cluster_version}
    for member in plan.members:
        texts |= {member.running, member.installed}
    try:
        for text in texts:
            line(text)
    except ValueError:
        return False
    return True


# States.


def in_state(case: Case, state: State) -> Iterator[str]:
    """Yield what a state violates by itself."""
    if not quorum_kept(case, state):
        yield QUORUM
    if not installed_runs(case, state):
        yield CONSISTENT


def quorum_kept(case: Case, state: State) -> bool:
    """N, R: a majority is Up. R: every member is. N: every exposure is forced."""
    healthy = len(ups(case, state))
    match level(case, state):
        case Level.R:
            return healthy == case.size
        case Level.N:
            forced = case.size - healthy <= 1
            return healthy >= majority(case) and (forced or not exposed_to(case, state))
        case Level.F:
            return True


def exposed_to(case: Case, state: State) -> set[FaultKind]:
    """Return the kinds of one more fault that would leave fewer than a majority Up; for N states."""
    healthy = ups(case, state)
    found: set[FaultKind] = set()
    if healthy and len(healthy) - 1 < majority(case):
        found |= {FaultKind.PROCESS, FaultKind.NODE, FaultKind.LINK}
    for members in case.rows.values():
        lost = len(set(members) & set(healthy))
        if lost and len(healthy) - lost < majority(case):
            found.add(FaultKind.ROW)
    return found


def exposures(case: Case, state: State) -> Counter[tuple[str, FaultKind]]:
    """Return the forced exposures of a state, by step and fault class."""
    if level(case, state) is not Level.N or case.size - len(ups(case, state)) > 1:
        return Counter()
    step = case.steps[state.step].id
    return Counter((step, kind) for kind in exposed_to(case, state))


def installed_runs(case: Case, state: State) -> bool:
    """R: no member runs another version than the installed one. N, F: at most one does, one of the current step's nodes."""
    pairs = zip(state.installed, state.running, strict=True)
    differing = [number for number, (installed, running) in enumerate(pairs) if running not in (None, installed)]
    if level(case, state) is Level.R or finished(case, state):
        return not differing
    return len(differing) <= 1 and all(number in case.nodes[state.step] for number in differing)


# Moves.


def in_move(case: Case, state: State, move: Move) -> Iterator[str]:
    """Yield what a transition from a state violates."""
    if move.kind in (Kind.ISSUE, Kind.REISSUE):
        if current_act(case, state) is Act.RESTART and not restart_alone(case, state, move):
            yield QUORUM
        if blocks_unproven(case, state, move):
            yield SNAPSHOT
    if not all(start_legal(case, before, member) for before, member in move.starts):
        yield HOP
    if move.kind is Kind.LAND and current_act(case, state) is Act.INSTALL and not cached(case, state, move):
        yield PACKAGES
    if move.kind is Kind.RISE and not rise_declared(case, state):
        yield SNAPSHOT


def restart_alone(case: Case, state: State, move: Move) -> bool:
    """Whether at most one node is restarting then and every member but those issued now is Up."""
    restarting = members_in(case, move.after, [Progress.ISSUED, Progress.STOPPED])
    issued_before = members_in(case, state, [Progress.ISSUED])
    issued_now = [member for member in members_in(case, move.after, [Progress.ISSUED]) if member not in issued_before]
    others = [member for member in range(case.size) if member not in issued_now]
    return len(restarting) <= 1 and all(up(case, state, member) for member in others)


def blocks_unproven(case: Case, state: State, move: Move) -> bool:
    """Whether an act of a step that blocks is issued while no backup of the version that is left is proven."""
    if state.direction is not Direction.FORWARD or not case.steps[state.step].blocks:
        return False
    begins = move.kind is Kind.ISSUE and state.act == 0
    left = {state.cluster} if begins else {state.cluster, line(case.steps[state.step].from_)}
    return not left & state.proven


def start_legal(case: Case, state: State, member: int) -> bool:
    """Whether the daemon that is started in this state may run the version that is installed."""
    version = line(state.installed[member])
    others = [
        line(state.running[other] or state.installed[other])  # what runs, or what would start
        for other in range(case.size)
        if other != member
    ]
    too_low = version < state.cluster
    too_high = version > following(state.cluster)
    too_early = version > state.cluster and any(other < state.cluster for other in others)
    return not (too_low or too_high or too_early)


def cached(case: Case, state: State, move: Move) -> bool:
    """Whether the member that installs has both versions in its cache."""
    assert move.member is not None
    return set(from_and_to(case, state)) <= state.cached[move.member]


def rise_declared(case: Case, state: State) -> bool:
    """Whether the line that is left for good has a proven backup, and a begun step says that it is left."""
    return state.cluster in state.proven and any(case.steps[number].blocks for number in begun(case, state))
