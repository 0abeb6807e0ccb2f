"""A whole stack's plan as a short text, and its changes of configuration as files that a change elsewhere can be made from."""

from __future__ import annotations

from collections.abc import Iterator

from kubedeb.output import counted
from upgrade_plans.models.upgrade import Change, Phase, Upgrade
from upgrade_plans.models.upgradekinds import StepKind
from upgrade_plans.passprice import PassPrice, passes
from upgrade_plans.planner.calendar import ends
from upgrade_plans.render import NO_RETURN, spell


def outline(plan: Upgrade) -> Iterator[str]:
    """Yield the phases in order, each with its steps counted, its time, and what it puts out of reach."""
    yield from heading(plan)
    if not plan.phases:
        return
    p50, p95 = length(plan)
    yield f"about {long(p50)} (at most {long(p95)} if every step is slow), {included(plan)}"
    yield ""
    for number, phase in enumerate(plan.phases, 1):
        yield from _phase(number, phase)


def heading(plan: Upgrade) -> Iterator[str]:
    """Yield what a plan is about and how much it holds, or that there is nothing to do."""
    target = ", ".join(f"{name} {version}" for name, version in plan.target.items())
    workers = sum(group.count for group in plan.workers)
    drains = passes(plan)
    yield f"{plan.cluster}: {len(plan.hosts)} hosts, {workers} workers → {target}"
    if plan.phases:
        held = f"{counted(len(plan.phases), 'phase')}, {counted(len(plan.steps), 'step')}"
        yield f"{held}; each worker is emptied {times(drains)}"
    else:
        yield "nothing to do: everything runs the target"


def included(plan: Upgrade) -> str:
    """Return what the time of a plan is made of besides its work."""
    waits = "soaks, waits for the cluster file's windows" if plan.windows else "soaks"
    return f"with {waits} and the work of people, without waiting for anybody's approval"


def too_many(price: PassPrice | None) -> Iterator[str]:
    """Yield what passes over the workers beyond those that are needed cost."""
    if price is not None:
        what = "pass to {} costs" if len(price.beyond) == 1 else "passes to {} cost"
        yield (
            f"  {times(price.enough)} is enough by the rows of skew: the {what.format(', '.join(price.beyond))}"
            f" {long(price.seconds)}, and {'a drain' if len(price.beyond) == 1 else 'drains'} of every worker"
        )


def length(plan: Upgrade) -> tuple[float, float]:
    """Return how long a plan takes if each step takes its p50, and its p95, in seconds; the second is more than its p95."""
    return max(ends(plan), default=0.0), max(ends(plan, slow=True), default=0.0)


def times(number: int) -> str:
    """Return how often, in words."""
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number} times")


def long(seconds: float) -> str:
    """Return a duration that may be days."""
    if seconds < 3 * 3600:
        return spell(seconds)
    return f"{seconds / 3600:.0f} h" if seconds < 3 * 86_400 else f"{seconds / 86_400:.1f} d"


def _phase(number: int, phase: Phase) -> Iterator[str]:
    p50 = sum(step.duration.p50 for step in phase.steps)
    by_hand = sum(step.kind is StepKind.CHECK for step in phase.steps)
    said = f"{counted(len(phase.steps), 'step')}, {long(p50)}" + (f", {by_hand} by hand" if by_hand else "")
    yield f"{number:>3}. {phase.id}: {phase.title} ({said})"
    for step in phase.steps:
        if step.outage:
            yield f"       OUTAGE of at most {long(step.outage.longest)}: {', '.join(step.outage.scope)}"
        for block in step.blocks:
            yield f"       {NO_RETURN} to before {block.state} after {step.id}: {block.by}; loss: {block.loss}"


def patches(plan: Upgrade) -> dict[str, str]:
    """Return each change of configuration as a patch, by file name: one setting a line, in the order of the plan."""
    numbered = enumerate(plan.changes.items(), 1)
    return {f"{number:03}-{key}.diff": "\n".join(patch(change)) + "\n" for number, (key, change) in numbered}


def patch(change: Change) -> Iterator[str]:
    """Yield a change as a patch, with why and by which rules above it."""
    yield f"# {change.component} on {change.nodes}, {change.when} the binary: {change.reason}"
    if change.rules:
        yield f"# rules: {', '.join(change.rules)}"
    yield f"--- {change.file}"
    yield f"+++ {change.file}"
    for line in change.lines:
        if line.old is not None:
            yield f"-{line.setting}={line.old}"
        if line.new is not None:
            yield f"+{line.setting}={line.new}"
