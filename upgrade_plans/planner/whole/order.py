"""The stages of a whole stack: what is half done is finished first, then the cheapest legal way to the target."""

from __future__ import annotations

from dataclasses import dataclass

from kubedeb.knowledge import Knowledge
from kubedeb.versions import Version
from upgrade_plans.models.nodesets import fold
from upgrade_plans.models.upgradekinds import Mode
from upgrade_plans.planner.climb import Climb, NoReturn, NoWay, Stage, climb
from upgrade_plans.planner.reasons import Reason, RefusedError
from upgrade_plans.planner.stack import BY_NAME, KEPT, Stack, Wish
from upgrade_plans.planner.whole.catalogue import procedures
from upgrade_plans.planner.whole.survey import Survey
from upgrade_plans.planner.whole.wishes import Request

COMPONENTS = {
    "workers": ("kubelet", "kube-proxy"), "apiservers": ("kube-apiserver",), "calico": ("calico", "calico-node"),
    "managers": ("kube-controller-manager", "kube-scheduler"), "etcd": ("etcd",), "helm": ("helm",), "tillers": ("tiller",),
    "storage": (),
}  # fmt: skip


@dataclass(frozen=True)
class Order:
    """The stages, those of the repair first; `way` is the climb after it."""

    repair: tuple[Stage, ...]
    way: Climb
    frozen: frozenset[str]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Return all stages in order."""
        return (*self.repair, *self.way.stages)

    @property
    def drains(self) -> int:
        """Return how often each worker is emptied."""
        return sum(stage.move.group == "workers" for stage in self.stages)


def find_order(found: Survey, request: Request, knowledge: Knowledge) -> Order:
    """Return the order. Raises `RefusedError` with an irreducible set of what forbids every order, and what to change."""
    goals = request.goals(found.at)
    low = {group: _first(versions) for group, versions in found.at.items()}
    high = {group: _aligned(versions) for group, versions in found.at.items()}
    kept = _kept(found, goals)
    frozen = frozenset(group for group in goals if _stays(found, group))
    stones = {(name.rpartition("-")[0], version.line): version for name, version in request.via.items()}
    repair: tuple[Stage, ...] = ()
    if low != high:
        repair = _climbed(low, high, kept, frozenset(), stones, knowledge, found, "what is half done cannot be finished").stages
    late = procedures().blocks if request.mode is Mode.CAREFUL else None
    what = "there is no legal order to the target"
    way = _climbed(high, goals, kept, frozen, stones, knowledge, found, what, no_return=late)
    if late is not None:
        way = _lowest(way, late, high, goals, kept, frozen, stones, knowledge, found)
    _passed((*repair, *way.stages), stones)
    return Order(repair, way, frozen)


def _passed(stages: tuple[Stage, ...], stones: dict[tuple[str, tuple[int, int]], Version]) -> None:
    """Raise `RefusedError` where a patch was asked for that the way does not pass: it would be left out without a word."""
    on_the_way = {(BY_NAME[stage.move.group].product, stage.move.new) for stage in stages}
    for (product, _), version in stones.items():
        if (product, version) not in on_the_way:
            known = ", ".join(sorted({str(new) for name, new in on_the_way if name == product})) or "no version at all"
            raise RefusedError(Reason(
                f"the way does not pass {product} {version}, which --via asks for",
                f"Of {product} it passes {known}: name another patch of one of these lines, or leave it out.",
            ))  # fmt: skip


def _first(versions: dict[str, Version]) -> Version:
    return min(versions.values())


def _aligned(versions: dict[str, Version]) -> Version:
    """Return the version that a group stands on once it is on one line: patches of one line are one."""
    low, high = min(versions.values()), max(versions.values())
    return low if low.line == high.line else high


def _stays(found: Survey, group: str) -> bool:
    """Say whether the operators froze a whole group: of hosts any, of workers all."""
    if group in ("workers", "calico"):
        names = COMPONENTS[group]
        return bool(found.crowds) and all(any(crowd.stays(name) for name in names) for crowd in found.crowds)
    frozen = {
        node for rule in found.cluster.constraints.frozen for node in rule.nodes
        if not rule.components or set(rule.components) & set(COMPONENTS.get(group, ()))
    }  # fmt: skip
    return bool(frozen & found.at[group].keys())


def _kept(found: Survey, goals: dict[str, Version]) -> dict[str, Version]:
    """Return the lowest version of workers that stay while others move, being frozen or down: it counts in every mix."""
    at = found.at.get("workers", {})
    stay = [at[crowd.id] for crowd in found.crowds if crowd.id in at and crowd.is_left(COMPONENTS["workers"])]
    return {KEPT: min(stay)} if stay and len(stay) < len(found.crowds) and "workers" in goals else {}


def _climbed(
    begin: dict[str, Version], end: dict[str, Version], kept: dict[str, Version], frozen: frozenset[str],
    stones: dict[tuple[str, tuple[int, int]], Version], knowledge: Knowledge, found: Survey, what: str,
    rest: dict[str, tuple[int, int]] | None = None, no_return: NoReturn | None = None,
) -> Climb:  # fmt: skip
    goals = {**end, **dict.fromkeys(kept, end["workers"])} if kept else end
    wish = Wish(Stack.of(goals), frozen | kept.keys(), stones, rest or {})
    way = climb(Stack.of({**begin, **kept}), wish, knowledge, no_return)
    if isinstance(way, NoWay):
        raise RefusedError(*_reasons(way, begin, what, found))
    return way


def _lowest(
    way: Climb, late: NoReturn, begin: dict[str, Version], end: dict[str, Version], kept: dict[str, Version],
    frozen: frozenset[str], stones: dict[tuple[str, tuple[int, int]], Version], knowledge: Knowledge, found: Survey,
) -> Climb:  # fmt: skip
    """Let workers rest on the lowest minor that costs no further drain: API servers keep their way back the longest."""
    lines = [stage.move.new.line for stage in way.stages if stage.move.group == "workers"]
    if len(lines) < 2:
        return way
    line = begin["workers"].line
    while (above := knowledge.next_line("kubernetes", line)) is not None and above < lines[0]:
        line = above
        try:
            other = _climbed(begin, end, kept, frozen, stones, knowledge, found, "", {"workers": line}, late)
        except RefusedError:
            continue
        if other.drains == way.drains:
            return other
    return way


def _who(found: Survey, group: str) -> str:
    """Return who of a group stays and why, as node sets; looked for only where it is in the way."""
    workers = {node for crowd in found.crowds for node in crowd.nodes}
    mine = workers if group in ("workers", "calico") else found.at.get(group, {}).keys()
    down = fold(node for crowd in found.crowds if crowd.down for node in crowd.nodes)
    said = [f"{down} (does not answer)"] if down and group == "workers" else []
    for rule in found.cluster.constraints.frozen:
        nodes = [node for node in rule.nodes if node in mine]
        if nodes and (not rule.components or set(rule.components) & set(COMPONENTS.get(group, ()))):
            said.append(f"{fold(nodes)} (frozen: {rule.reason})")
    return ", ".join(said)


def _reasons(way: NoWay, begin: dict[str, Version], what: str, found: Survey) -> list[Reason]:
    """Return what forbids every order together: none of it can be left out."""
    together = f"{what}: these forbid it together" if len(way.rules) + len(way.freezes) > 1 else what
    said = [Reason(f"{together}: {rule.what}", rule.remedy, rule.id) for rule in way.rules]
    for name in way.freezes:
        whose = "workers that are frozen or do not answer" if name == KEPT else name
        mend = "Mend what does not answer, or take it out of the cluster. " if name == KEPT else ""
        nodes = _who(found, "workers" if name == KEPT else name)
        on = f" on {begin[name]}" if name in begin else ""
        said.append(Reason(
            f"{together}: {whose} must stay{on}" + (f": {nodes}" if nodes else ""),
            f"{mend}Lift the freeze in the cluster file, or take a lower target.",
        ))  # fmt: skip
    hint = "Take a target that hops lead to: kubedeb rules list."
    said += [Reason(f"no hops are known that take {name} to its target", hint) for name in way.no_hops]
    return said or [Reason(what, "Read the findings: kubedeb cluster findings.")]
