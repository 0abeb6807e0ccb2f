"""What is wrong with a plan before any state is explored (docs/semantics.md, section 4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from kubedeb.versions import is_version
from upgrade_plans.models.plan import Plan, Release, Step, StepKind
from upgrade_plans.models.upstream import upstream_of
from upgrade_plans.prover.verdict import Violation, wrong

SERVER = "etcd-server"


def static_checks(plan: Plan) -> tuple[Violation, ...]:
    """Return every static violation: ids `plan`, `packages` and `snapshot`."""
    found = [*_members(plan), *_ids(plan)]
    earlier: set[str] = set()
    nodes = {member.node for member in plan.members}
    for step in plan.steps:
        found += [*_step(step, nodes, earlier), *_packages(plan, step)]
        earlier.add(step.id)
    found += [*_releases(plan.releases)]
    return tuple(found)


def _twice(values: Iterable[str]) -> list[str]:
    return sorted(value for value, times in Counter(values).items() if times > 1)


def _members(plan: Plan) -> Iterator[Violation]:
    if not plan.members:
        yield wrong("the plan names no member")
    for node in _twice(member.node for member in plan.members):
        yield wrong(f"member {node} is there twice")
    texts = [("cluster_version", plan.cluster_version)]
    for member in plan.members:
        texts += [(f"{member.node}'s running", member.running), (f"{member.node}'s installed", member.installed)]
    for name, text in texts:
        if not is_version(text):
            yield wrong(f"{name} is no version: {text!r}")


def _ids(plan: Plan) -> Iterator[Violation]:
    for step_id in _twice(step.id for step in plan.steps):
        yield wrong(f"step {step_id} is there twice", step_id)


def _step(step: Step, nodes: set[str], earlier: set[str]) -> Iterator[Violation]:
    if not step.nodes:
        yield wrong(f"step {step.id} has no node", step.id)
    for node in sorted(set(step.nodes) - nodes):
        yield wrong(f"step {step.id} names {node}, which is no member", step.id)
    for node in _twice(step.nodes):
        yield wrong(f"step {step.id} names {node} twice", step.id)
    for needed in step.requires:
        if needed not in earlier:
            yield wrong(f"step {step.id} requires {needed}, which is no earlier step", step.id)
    if step.undo is not None and step.kind is not StepKind.CHANGE:
        yield wrong(f"step {step.id} has an undo, but a {step.kind} changes nothing that could be put back", step.id)
    if step.blocks and step.max_backup_age is None:
        what = f"step {step.id} gives up the way back and does not say how old the proven backup may be (max_backup_age)"
        yield Violation("snapshot", "age", what, step.id)
    for text in _versions(step):
        if not is_version(text):
            yield wrong(f"step {step.id} names {text!r}, which is no version", step.id)


def _versions(step: Step) -> tuple[str, ...]:
    return (step.from_, step.to, *((step.undo.to,) if step.undo else ()))


def _packages(plan: Plan, step: Step) -> Iterator[Violation]:
    for text in dict.fromkeys(_versions(step)):
        if text not in plan.releases:
            what = f"step {step.id} names {text}, and the plan's releases hold no packages of it"
            yield Violation("packages", "release", what, step.id)


def _releases(releases: dict[str, Release]) -> Iterator[Violation]:
    for version, release in releases.items():
        if not release.packages:
            yield Violation("packages", "release", f"the release {version} has no package")
        elif SERVER not in release.packages:
            yield Violation("packages", "release", f"the release {version} does not hold {SERVER}")
        for name, pin in release.packages.items():
            if str(upstream_of(pin.version)) != version:
                what = f"the release {version} holds {name} {pin.version}, which is not of that version"
                yield Violation("packages", "release", what)
            if not pin.sha256:
                yield Violation("packages", "release", f"{name} of the release {version} has no sha256")
