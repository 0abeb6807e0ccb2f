"""What is wrong with a whole stack's plan before any state is looked at (docs/semantics.md, 15)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from kubedeb.versions import Version, is_version
from upgrade_plans.models.upgrade import Step, Upgrade
from upgrade_plans.models.upgradekinds import StepKind as Kind
from upgrade_plans.prover.verdict import Violation, wrong
from upgrade_plans.prover.wholekinds import HANDLED, MOVERS, stated

LOADED = MOVERS - {Kind.TILLERS, Kind.CLIENTS, Kind.CALICO_CONTROLLERS}
"""They install packages on nodes, which must lie there before."""


def static(plan: Upgrade) -> tuple[Violation, ...]:
    """Return every violation that no state is needed for, but those that compiling finds."""
    if unread := tuple(_versions(plan)):
        return unread
    return (*_names(plan), *_steps(plan), *_blocks(plan), *_packages(plan), *_endpoints(plan), *_beside(plan))


def _beside(plan: Upgrade) -> Iterator[Violation]:
    """Yield workers whose kube-proxy and kubelet differ in their minor at the start.

    A step of kind WORKERS moves both of a node in one hand, and no other kind changes a version of either: where they are of
    one minor at the start, they are so whenever no node is in hand.
    """
    for group in plan.workers:
        kubelet, proxy = (group.daemons[name].running if name in group.daemons else None for name in ("kubelet", "kube-proxy"))
        if kubelet == proxy or kubelet is None or proxy is None:
            continue
        if Version.parse(kubelet).line != Version.parse(proxy).line:
            yield Violation("skew-proxy", "beside", f"{group.nodes}: kube-proxy {proxy} runs beside a kubelet {kubelet};"
                            " the two of a node are of one minor and move together", None)  # fmt: skip


def _versions(plan: Upgrade) -> Iterator[Violation]:
    texts: list[str | None] = [plan.cluster_version, *(tiller.version for tiller in plan.tillers)]
    daemons = [one.daemons for one in plan.hosts] + [one.daemons for one in plan.workers]
    texts += [text for one in daemons for daemon in one.values() for text in (daemon.running, daemon.installed)]
    for step in plan.steps:
        texts += [step.from_, step.to, step.undo.to if step.undo else None]
    for text in dict.fromkeys(texts):
        if text is not None and not is_version(text):
            yield wrong(f"{text!r} is no version")


def _names(plan: Upgrade) -> Iterator[Violation]:
    things = [host.node for host in plan.hosts] + [one.id for one in plan.workers] + [one.id for one in plan.tillers]
    for names in (things, [phase.id for phase in plan.phases], [step.id for step in plan.steps]):
        yield from (wrong(f"{name} is there twice") for name, times in Counter(names).items() if times > 1)


def _steps(plan: Upgrade) -> Iterator[Violation]:
    order = {step.id: number for number, step in enumerate(plan.steps)}
    for number, step in enumerate(plan.steps):
        if step.kind in HANDLED and not step.takes and step.kind is not Kind.CALICO_CONTROLLERS:
            yield wrong(f"step {step.id} takes nothing", step.id)
        if step.kind in MOVERS - {Kind.CLIENTS} and step.to is None:
            yield wrong(f"step {step.id} does not say to which version", step.id)
        for earlier in step.requires:
            if order.get(earlier, number) >= number:
                yield wrong(f"step {step.id} requires {earlier}, which is no earlier step", step.id)
        yield from (wrong(f"step {step.id} names the change {one}, which the plan does not have", step.id)
                    for one in step.changes if one not in plan.changes)  # fmt: skip
        if stated(step) and step.undo is None and not step.blocks:
            yield wrong(f"step {step.id} says neither how it is taken back nor what it blocks", step.id)
        if step.undo is not None and None not in (step.undo.to, step.from_) and step.undo.to != step.from_:
            yield wrong(f"step {step.id} goes from {step.from_}, and its undo to {step.undo.to}", step.id)
        yield from _outage(step, number, order)


def _outage(step: Step, number: int, order: dict[str, int]) -> Iterator[Violation]:
    if (step.kind is Kind.OUTAGE) != (step.outage is not None):
        yield wrong(f"step {step.id} is an outage that is not declared, or declares one that it is not", step.id)
    elif step.outage is not None and order.get(step.outage.until, -1) <= number:
        yield wrong(f"the outage {step.id} ends with {step.outage.until}, which is no later step", step.id)


def _blocks(plan: Upgrade) -> Iterator[Violation]:
    phases = {phase.id: number for number, phase in enumerate(plan.phases)}
    made: set[str] = set()
    for number, phase in enumerate(plan.phases):
        for step in phase.steps:
            for block in step.blocks:
                if phases.get(block.state, number + 1) > number:
                    yield wrong(f"step {step.id} blocks {block.state}, which is no phase before it", step.id)
                if block.backup is not None and block.backup not in made:
                    yield _says(step, f"names the backup {block.backup}, which no earlier step makes")
                if block.backup is not None and step.max_backup_age is None:
                    yield _says(step, "does not say how old its backup may be")
            if step.kind is Kind.BACKUP:
                if step.backup is None:
                    yield wrong(f"step {step.id} does not say what it saves", step.id)
                made.add(step.id)


def _says(step: Step, what: str) -> Violation:
    return Violation("snapshot", "stated", f"step {step.id} {what}", step.id)


def _packages(plan: Upgrade) -> Iterator[Violation]:
    there = defaultdict[str, set[str]](set)
    """By version where it was downloaded to."""
    for step in plan.steps:
        versions = [version for version in (step.from_, step.to) if version]
        if step.kind is Kind.DOWNLOAD:
            for version in versions:
                there[version].update(step.takes)
        elif step.kind in LOADED and not all(step.takes.keys() <= there[version] for version in versions):
            for where in step.takes:
                if missing := [version for version in versions if where not in there[version]]:
                    what = f"step {step.id} moves {where}, and no earlier step downloads {' and '.join(missing)} there"
                    yield Violation("packages", "uncached", what, step.id)


def _endpoints(plan: Upgrade) -> Iterator[Violation]:
    servers = sum("kube-apiserver" in host.daemons for host in plan.hosts)
    if plan.apiserver_count is None:
        return
    if plan.apiserver_count != servers:
        what = (
            f"--apiserver-count is {plan.apiserver_count} and there are {servers} API servers: they overwrite each other's "
            "endpoints"
        )
        yield Violation("apiserver-endpoints", "count", what)
    first = next((step.id for step in plan.steps if step.kind is Kind.APISERVER), None)
    if first is not None and servers > 1 and not plan.tolerant:
        what = (
            "the address of a stopped API server stays in the endpoints, and in-cluster clients are not declared to bear that"
        )
        yield Violation("apiserver-endpoints", "stopped", what, first)
