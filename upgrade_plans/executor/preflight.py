"""Everything that can be asked before a run begins: all findings at once, mandatory and forceable. Changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from upgrade_plans.adapters.protocols import Available, RefusedError, UnreachableError, World
from upgrade_plans.executor.checks import Question, Scene, judge
from upgrade_plans.executor.readings import MemberReading, on_all, read_members
from upgrade_plans.models.cluster import Cluster
from upgrade_plans.models.plan import Check, PackagePin, Plan, StepKind

PROGRAMS = (
    "apt-get",
    "apt-cache",
    "apt-mark",
    "dpkg-query",
    "etcd",
    "etcdctl",
    "flock",
    "sha256sum",
    "systemctl",
    "systemd-run",
    "timeout",
)
ASKED = (Check.MEMBERS_HEALTHY, Check.CAUGHT_UP, Check.NO_ALARM)
ROOM = 64 * 1024 * 1024
TIMES = 3
"""A backup and its restored copy, and as much again, must fit where the backups are kept, and `ROOM` bytes more."""
SPARE = 3
ENABLED = ("enabled", "alias")
"""A node that comes back must start its member by itself: docs/semantics.md, transition H."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be; `id` is what `--force` takes, where `forceable`."""

    id: str
    text: str
    forceable: bool = False


def ask(cluster: Cluster, plan: Plan, world: World) -> tuple[Finding, ...]:
    """Return every finding, mandatory ones first."""
    members = read_members(world, [member.node for member in plan.members])
    nodes = sorted({node for step in plan.steps for node in step.nodes} & set(cluster.nodes))
    per_node = on_all(world, nodes, lambda node: tuple(_node(cluster, plan, world, node, members)))
    found = [*_members(plan, members), *(finding for node in nodes for finding in per_node[node]), *_places(cluster, plan)]
    return tuple(sorted(found, key=lambda finding: finding.forceable))


def _members(plan: Plan, members: dict[str, MemberReading]) -> Iterator[Finding]:
    """Ask what every hop asks first."""
    scene = Scene(members, {}, {}, plan.releases)
    for finding in judge(ASKED, Question((), plan.cluster_version, plan.cluster_version), scene):
        yield Finding(str(finding.check), finding.text)


def _node(cluster: Cluster, plan: Plan, world: World, node: str, members: dict[str, MemberReading]) -> Iterator[Finding]:
    try:
        missing = world.probes.missing(node, PROGRAMS)
        if missing:
            yield Finding("programs", f"{node} lacks {', '.join(missing)}")
        if audit := world.probes.unfinished(node):
            yield Finding("packages-unfinished", f"{node} has half-installed packages: {audit.splitlines()[0]}")
        unit = cluster.etcd.unit
        if node in members and (word := world.probes.enabled(node, unit)) not in ENABLED:
            yield Finding("unit-enabled", f"{node}: {unit} would not start with the node: {word} (systemctl enable {unit})")
        yield from _packages(plan, world, node)
        yield from _backups(cluster, plan, world, node, members)
    except (UnreachableError, RefusedError) as error:
        yield Finding("node-answers", f"{error.brief}: {error.details}")


def _packages(plan: Plan, world: World, node: str) -> Iterator[Finding]:
    """Every version that a step or its undo installs must be there as exactly the plan's package, and touch no other one."""
    wanted = {version for step in plan.steps if node in step.nodes and step.kind is StepKind.DOWNLOAD
              for version in (step.from_, step.to)}  # fmt: skip
    names = sorted({name for version in wanted for name in plan.releases[version].packages})
    if not names:
        return
    available, cached = world.packages.available(node, names), world.packages.cached(node, names)
    for name in world.packages.held(node, names):
        yield Finding("packages-held", f"{node}: {name} is on hold (apt-mark unhold {name})")
    for version in sorted(wanted):
        packages = plan.releases[version].packages
        missing = [name for name, pin in packages.items() if cached[name].get(pin.version) != pin.sha256
                   and not _offered(available[name], pin.version, pin.sha256)]  # fmt: skip
        for name in missing:
            pin = packages[name]
            yield Finding("packages-offered", f"{node}: apt offers no {name} {pin.version} with sha256 {pin.sha256}")
        if not missing:
            yield from _transaction(world, node, version, packages)


def _transaction(world: World, node: str, version: str, packages: Mapping[str, PackagePin]) -> Iterator[Finding]:
    try:
        for other in world.packages.besides(node, packages):
            yield Finding("packages-alone", f"{node}: to install {version} apt would also {other}")
    except RefusedError as error:
        yield Finding("packages-alone", f"{node}: apt would not install {version}: {error.details}")


def _offered(available: tuple[Available, ...], version: str, sha256: str) -> bool:
    return any(item.version == version and item.sha256 == sha256 for item in available)


def _backups(cluster: Cluster, plan: Plan, world: World, node: str, members: dict[str, MemberReading]) -> Iterator[Finding]:
    kinds = {step.kind for step in plan.steps if node in step.nodes}
    status = members[node].status if node in members else None
    if StepKind.BACKUP in kinds and status is not None:
        need, free = TIMES * status.db_size + ROOM, world.probes.free(node, cluster.etcd.backups)
        if free < need:
            yield Finding("backup-room", f"{node}: {free:,} bytes free for {cluster.etcd.backups}, {need:,} needed")


def _places(cluster: Cluster, plan: Plan) -> Iterator[Finding]:
    """Say what the plan did not make and cannot mend: places that fail together."""
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for member in plan.members:
        if member.node in cluster.nodes:
            row, rack = cluster.place(member.node)
            shared["row", row].append(member.node)
            shared["rack", f"{rack} of row {row}"].append(member.node)
    for (kind, place), nodes in sorted(shared.items()):
        if len(nodes) > 1:
            yield Finding(
                f"{kind}-shared", f"{', '.join(nodes)} stand in one {kind} ({place}) and fail together", forceable=True
            )
    if len(plan.members) < SPARE:
        text = f"{len(plan.members)} members: the cluster stops while one of them restarts"
        yield Finding("no-spare", text, forceable=True)
