"""A stack's plan, compiled: classes of units, steps with their quotas, and the static checks (docs/semantics.md, 7 and 9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from kubedeb.versions import Version, is_version
from upgrade_plans.models.stackplan import StackKind, StackPlan, StackStep
from upgrade_plans.prover.verdict import Violation, wrong

Release = tuple[Version, ...]
"""The versions of a unit's daemons: one, for a worker kubelet's and kube-proxy's."""
KINDS = {StackKind.APISERVER: "apiserver", StackKind.MANAGERS: "managers", StackKind.WORKERS: "workers"}


@dataclass(frozen=True)
class UnitClass:
    """Units that are alike: what they are, where they stand, how many, the release they run and the one on disk."""

    name: str
    kind: str
    row: str
    taints: str
    count: int
    running: Release
    installed: Release
    down: bool = False
    host: int = -1


@dataclass(frozen=True)
class CompiledStep:
    """A step: what it takes by class, the target each way, and how many units earlier steps took to the same target."""

    step: StackStep
    takes: dict[int, int]
    forward: Release
    back: Release
    before: dict[int, int]


@dataclass(frozen=True)
class StackCase:
    """A compiled plan."""

    plan: StackPlan
    classes: tuple[UnitClass, ...]
    steps: tuple[CompiledStep, ...]

    @cached_property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """Return the classes of workers by taint group, also of groups that are needed and have none."""
        found: dict[str, list[int]] = {taints: [] for taints in sorted(self.plan.needed)}
        for number, one in enumerate(self.classes):
            if one.kind == "workers":
                found.setdefault(one.taints, []).append(number)
        return {taints: tuple(numbers) for taints, numbers in found.items()}

    @cached_property
    def rows(self) -> dict[str, tuple[int, ...]]:
        """Return the classes of each row that can be hit by a fault."""
        found: dict[str, list[int]] = {}
        for number, one in enumerate(self.classes):
            if not one.down:
                found.setdefault(one.row, []).append(number)
        return {row: tuple(numbers) for row, numbers in found.items()}

    @cached_property
    def apiservers(self) -> tuple[int, ...]:
        """Return the classes of the API servers."""
        return tuple(number for number, one in enumerate(self.classes) if one.kind == "apiserver")


def compile_stack(plan: StackPlan) -> StackCase:
    """Compile a plan that passed the static checks."""
    classes = tuple(_classes(plan))
    number = {(one.kind, one.name): index for index, one in enumerate(classes)}
    taken: Counter[tuple[int, Release]] = Counter()
    steps = []
    for step in plan.steps:
        forward, back = _releases(step)
        takes = {number[KINDS[step.kind], name]: count for name, count in step.takes.items()} if step.kind in KINDS else {}
        before = {index: taken[index, forward] for index in takes}
        taken.update({(index, forward): count for index, count in takes.items()})
        steps.append(CompiledStep(step, takes, forward, _back(classes, takes, back), before))
    return StackCase(plan, classes, tuple(steps))


def _releases(step: StackStep) -> tuple[Release, Release]:
    to, old = Version.parse(step.to), Version.parse(step.from_)
    if step.kind is not StackKind.WORKERS:
        return (to,), (old,)
    return (to, Version.parse(step.proxy) if step.proxy else to), (old, old)


def _back(classes: tuple[UnitClass, ...], takes: dict[int, int], back: Release) -> Release:
    """Return the release to go back to: of workers with the kube-proxy that they began with, where the kubelet is that one."""
    first = next(iter(takes), None)
    same = first is not None and classes[first].kind == "workers" and classes[first].running[0] == back[0]
    return classes[first].running if same and first is not None else back


def _classes(plan: StackPlan) -> Iterator[UnitClass]:
    run: Release
    for host, one in enumerate(plan.servers):
        run = (Version.parse(one.version),)
        yield UnitClass(one.node, "apiserver", one.row, "", 1, run, _installed(one.installed, run), host=host)
    for host, one in enumerate(plan.servers):
        if one.managers is not None:
            run = (Version.parse(one.managers),)
            yield UnitClass(one.node, "managers", one.row, "", 1, run, run, host=host)
    for group in plan.workers:
        kubelet = Version.parse(group.version)
        run = (kubelet, Version.parse(group.proxy) if group.proxy else kubelet)
        disk = _installed(group.installed, run)
        yield UnitClass(group.id, "workers", group.row, group.taints, group.count, run, disk, down=group.down)


def _installed(text: str | None, run: Release) -> Release:
    return run if text is None else (Version.parse(text),) * len(run)


# What is wrong with a plan before any state is looked at.


def stack_static(plan: StackPlan) -> tuple[Violation, ...]:
    """Return every static violation: ids `plan`, `packages` and `apiserver-endpoints`."""
    found = [*_names(plan), *_steps(plan)]
    if not found:
        found = [*_order(plan), *_packages(plan), *_endpoints(plan)]
    return tuple(found)


def _names(plan: StackPlan) -> Iterator[Violation]:
    if not plan.servers:
        yield wrong("the plan names no API server")
    texts = [text for one in plan.servers for text in (one.version, one.installed, one.managers)]
    texts += [text for group in plan.workers for text in (group.version, group.proxy, group.installed)]
    texts += [text for step in plan.steps for text in (step.from_, step.to, step.proxy)]
    for text in dict.fromkeys(texts):
        if text is not None and not is_version(text):
            yield wrong(f"{text!r} is no version")
    names = [one.node for one in plan.servers] + [group.id for group in plan.workers]
    for name, times in [*Counter(names).items(), *Counter(step.id for step in plan.steps).items()]:
        if times > 1:
            yield wrong(f"{name} is there twice")


def _steps(plan: StackPlan) -> Iterator[Violation]:
    counts = {group.id: 0 if group.down else group.count for group in plan.workers}
    managed = {one.node: int(one.managers is not None) for one in plan.servers}
    able = {
        StackKind.APISERVER: dict.fromkeys(managed, 1), StackKind.MANAGERS: managed, StackKind.WORKERS: counts,
        StackKind.DOWNLOAD: {**dict.fromkeys(managed, 1), **{group.id: group.count for group in plan.workers}},
    }  # fmt: skip
    for step in plan.steps:
        if not step.takes or any(count < 1 for count in step.takes.values()):
            yield wrong(f"step {step.id} takes nothing", step.id)
        for name, count in step.takes.items():
            if count > able[step.kind].get(name, 0):
                there = able[step.kind].get(name, 0)
                yield wrong(f"step {step.id} takes {count} of {name}, and there are {there} that it can take", step.id)
        if step.kind is StackKind.APISERVER and sum(step.takes.values()) > 1:
            yield wrong(f"step {step.id} takes more than one API server", step.id)


def _order(plan: StackPlan) -> Iterator[Violation]:
    """Yield units that a step finds on another version than its `from`."""
    where: dict[tuple[str, str], Counter[str]] = {}
    for one in plan.servers:
        where["apiserver", one.node] = Counter({one.version: 1})
        where["managers", one.node] = Counter({one.managers: 1} if one.managers else {})
    where |= {("workers", group.id): Counter({group.version: group.count}) for group in plan.workers}
    for step in plan.steps:
        for name, count in step.takes.items() if step.kind in KINDS else ():
            here = where[KINDS[step.kind], name]
            if here[step.from_] < count or step.from_ == step.to:
                yield wrong(f"step {step.id} takes {count} of {name} from {step.from_}, where {here[step.from_]} are", step.id)
            here[step.from_] -= count
            here[step.to] += count


def _packages(plan: StackPlan) -> Iterator[Violation]:
    there: set[tuple[str, str]] = set()
    for step in plan.steps:
        for name in step.takes:
            if step.kind is StackKind.DOWNLOAD:
                there |= {(name, step.from_), (name, step.to)}
            elif missing := [version for version in (step.from_, step.to) if (name, version) not in there]:
                what = f"step {step.id} moves {name}, and no earlier step downloads {' and '.join(missing)} there"
                yield Violation("packages", "uncached", what, step.id)


def _endpoints(plan: StackPlan) -> Iterator[Violation]:
    count = plan.apiserver_count
    if count is not None and count != len(plan.servers):
        what = (
            f"--apiserver-count is {count} and there are {len(plan.servers)} API servers: they overwrite each other's endpoints"
        )
        yield Violation("apiserver-endpoints", "count", what)
    first = next((step.id for step in plan.steps if step.kind is StackKind.APISERVER), None)
    if first is not None and not plan.tolerant:
        what = (
            "the address of a stopped API server stays in the endpoints, and in-cluster clients are not declared to bear that"
        )
        yield Violation("apiserver-endpoints", "stopped", what, first)
