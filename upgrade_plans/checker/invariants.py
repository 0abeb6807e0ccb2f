"""What a plan and a state violate (docs/semantics.md, sections 3 and 4), and where one more fault would take the majority."""

from __future__ import annotations

from collections.abc import Iterator

from kubedeb.versions import Version
from upgrade_plans.checker.case import FORWARD, HEALTHY_WORLD, NONE, Case, State
from upgrade_plans.models.plan import Plan, Step, StepKind
from upgrade_plans.models.upstream import upstream_of


def plan_broken(plan: Plan) -> set[str]:
    """Return the ids of the static checks that a plan fails."""
    steps, broken = plan.steps, set[str]()
    nodes, ids = [member.node for member in plan.members], [step.id for step in steps]
    versions = [text for step in steps for text in _named(step)]
    texts = [*versions, plan.cluster_version, *(text for member in plan.members for text in (member.running, member.installed))]
    if not nodes or len(set(nodes)) < len(nodes) or len(set(ids)) < len(ids) or not all(map(_readable, texts)):
        broken.add("plan")
    for number, step in enumerate(steps):
        own = step.nodes
        sound = own and len(set(own)) == len(own) and set(own) <= set(nodes) and set(step.requires) <= set(ids[:number])
        if not sound or (step.undo is not None and step.kind is not StepKind.CHANGE):
            broken.add("plan")
        if step.blocks and step.max_backup_age is None:
            broken.add("snapshot")
    whole = all(_whole(plan, version) for version in plan.releases)
    return broken if whole and set(versions) <= set(plan.releases) else broken | {"packages"}


def _named(step: Step) -> tuple[str, ...]:
    return (step.from_, step.to, *((step.undo.to,) if step.undo else ()))


def _readable(text: str) -> bool:
    try:
        return bool(Version.parse(text))
    except ValueError:
        return False


def _whole(plan: Plan, version: str) -> bool:
    packages = plan.releases[version].packages
    pins = packages.values()
    return "etcd-server" in packages and all(pin.sha256 and str(upstream_of(pin.version)) == version for pin in pins)


def blocked_broken(case: Case) -> bool:
    """Say whether a change, or an undo of what began elsewhere, brings a blocked version, or a member stays on its own."""
    changes = [step for step in case.steps if step.kind is StepKind.CHANGE]
    last = {node: step.to for step in changes for node in step.nodes}
    ends = [step.to for step in changes] + [last.get(member.node, member.running) for member in case.plan.members]
    began = {member.node: member.running for member in case.plan.members}
    undone = ((step.undo.to, {began[node] for node in step.nodes}) for step in changes if step.undo is not None)
    ends += [text for text, begun in undone if begun != {text}]
    return any(case.rank(text) in case.blocked for text in ends)


def level(case: Case, state: State) -> str:
    """Return a state's level: R, N or F."""
    if state.fault != HEALTHY_WORLD:
        return "F"
    resting = state.way == FORWARD and not state.acts and state.act == 0
    return "R" if resting or case.finished(state) else "N"


def state_broken(case: Case, state: State) -> Iterator[str]:
    """Yield the ids of the invariants that a state violates."""
    up, rank = case.up(state), level(case, state)
    pairs = enumerate(zip(state.installed, state.running, strict=True))
    differ = {number for number, (disk, run) in pairs if run not in (NONE, disk)}
    own = set() if case.finished(state) else set(case.nodes[state.step])
    if differ and (rank == "R" or len(differ) > 1 or differ - own):
        yield "installed-running"
    if rank == "F":
        return
    too_few = 2 * len(up) <= case.size
    careless = rank == "N" and case.size - len(up) > 1 and bool(exposed(case, state))
    if too_few or careless or (rank == "R" and len(up) < case.size):
        yield "etcd-quorum"


def exposed(case: Case, state: State) -> list[str]:
    """Return the fault classes of which one more would take the majority of a nominal state, forced or not."""
    up = case.up(state)
    need = case.size // 2 + 1
    found = ["process", "node", "link"] if up and len(up) - 1 < need else []
    lost = [len(set(row) & set(up)) for row in case.rows]
    return found + (["row"] if any(gone and len(up) - gone < need for gone in lost) else [])
