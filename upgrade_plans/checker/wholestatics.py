"""What is wrong with a whole stack's plan before any state is looked at (docs/semantics.md, 15)."""

from __future__ import annotations

from collections.abc import Iterator

from kubedeb.versions import Version, is_version
from upgrade_plans.checker.wholewords import CARRY, HANDLE, LOAD, must_state
from upgrade_plans.checker.wholeworld import SERVER
from upgrade_plans.models.upgrade import Step, Upgrade
from upgrade_plans.models.upgradekinds import StepKind as Kind

PLAN = ("plan", "static")


def statics_broken(plan: Upgrade) -> set[tuple[str, str]]:
    """Return the static checks that a plan fails, but those that replaying it finds."""
    if not all(map(is_version, _texts(plan))):
        return {PLAN}
    broken = {*_backups(plan), *_packages(plan), *_endpoints(plan), *_beside(plan)}
    return broken | {PLAN} if any(_unsound(plan)) else broken


def _texts(plan: Upgrade) -> set[str]:
    texts = {plan.cluster_version, *(tiller.version for tiller in plan.tillers)}
    for daemons in (*(host.daemons for host in plan.hosts), *(group.daemons for group in plan.workers)):
        texts |= {text for daemon in daemons.values() for text in (daemon.running, daemon.installed)}
    for step in plan.steps:
        texts |= {step.from_, step.to, step.undo.to if step.undo is not None else None}
    return {text for text in texts if text is not None}


def _unsound(plan: Upgrade) -> Iterator[bool]:
    """Yield for each thing that a plan can say whether it makes no sense."""
    ids = [step.id for step in plan.steps]
    things = [*(host.node for host in plan.hosts), *(one.id for one in plan.workers), *(one.id for one in plan.tillers)]
    yield from (len(set(names)) < len(names) for names in (ids, things, [phase.id for phase in plan.phases]))
    ends: dict[str, int] = {}
    for number, phase in enumerate(plan.phases):
        ends.setdefault(phase.id, number)
    where = {step.id: number for number, phase in enumerate(plan.phases) for step in phase.steps}
    for number, step in enumerate(plan.steps):
        yield step.kind in HANDLE - {Kind.CALICO_CONTROLLERS} and not step.takes
        yield step.kind in CARRY - {Kind.CLIENTS} and step.to is None
        yield not set(step.requires) <= set(ids[:number])
        yield not set(step.changes) <= set(plan.changes)
        yield must_state(step) and step.undo is None and not step.blocks
        undo = step.undo.to if step.undo is not None else None
        yield undo is not None and step.from_ is not None and undo != step.from_
        yield (step.kind is Kind.OUTAGE) != (step.outage is not None)
        yield step.outage is not None and step.outage.until not in ids[number + 1 :]
        yield any(ends.get(block.state, len(ids)) > where[step.id] for block in step.blocks)
        yield step.kind is Kind.BACKUP and step.backup is None


def _beside(plan: Upgrade) -> Iterator[tuple[str, str]]:
    """Yield when a kube-proxy is of another minor than the kubelet beside it; every step that moves one moves both."""
    for group in plan.workers:
        lines = {Version.parse(daemon.running).line for name, daemon in group.daemons.items()
                 if name in ("kubelet", "kube-proxy") and daemon.running is not None}  # fmt: skip
        if len(lines) > 1:
            yield "skew-proxy", "beside"


def _backups(plan: Upgrade) -> Iterator[tuple[str, str]]:
    made: set[str] = set()
    for step in plan.steps:
        named = {block.backup for block in step.blocks} - {None}
        if named - made or (named and step.max_backup_age is None):
            yield "snapshot", "stated"
        if step.kind is Kind.BACKUP:
            made.add(step.id)


def _packages(plan: Upgrade) -> Iterator[tuple[str, str]]:
    lying: set[tuple[str, str]] = set()
    for step in plan.steps:
        wanted = {(where, version) for where in step.takes for version in _ways(step)}
        if step.kind is Kind.DOWNLOAD:
            lying |= wanted
        elif step.kind in LOAD and wanted - lying:
            yield "packages", "uncached"


def _ways(step: Step) -> list[str]:
    return [version for version in (step.from_, step.to) if version]


def _endpoints(plan: Upgrade) -> Iterator[tuple[str, str]]:
    servers = sum(SERVER in host.daemons for host in plan.hosts)
    if plan.apiserver_count is None:
        return
    if plan.apiserver_count != servers:
        yield "apiserver-endpoints", "count"
    if servers > 1 and not plan.tolerant and any(step.kind is Kind.APISERVER for step in plan.steps):
        yield "apiserver-endpoints", "stopped"
