"""A state of a whole stack's plan: the place, what is remembered, and what may be there (docs/semantics.md, 11 and 13)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from kubedeb.versions import Version
from upgrade_plans.checker.wholewords import MANAGERS
from upgrade_plans.checker.wholeworld import SERVER, Key, Replay, Unit, World
from upgrade_plans.models.upgrade import Step
from upgrade_plans.models.upgradekinds import Check

FORWARD, BACK, ENDED = "forward", "back", "ended"
PENDING, IN_HAND, DONE = range(3)
BOTH = "both"


class Past(NamedTuple):
    """What the world remembers, in the order of the evidence (docs/semantics.md, 17)."""

    cluster: tuple[int, int] | None
    wrote: frozenset[Version]
    newest: str | None
    left: bool
    gone: frozenset[str]
    sentinel: bool
    migrated: bool
    compared: bool
    saved: frozenset[str]
    proven: frozenset[str]
    cold: bool
    since: tuple[tuple[Key, int], ...]
    beat: bool
    floor: int


class State(NamedTuple):
    """The way, the step, how far each of its parts is, and what is remembered."""

    way: str
    step: int
    stages: tuple[int, ...]
    past: Past


@dataclass(frozen=True)
class Scene:
    """What may be there at a place: the units of each daemon of the hosts, the crowd, what is in hand, what lies around."""

    may: dict[Key, tuple[Unit, ...]]
    crowd: frozenset[tuple[str, Unit]]
    hand: frozenset[Key]
    crowd_in_hand: bool
    around: World
    step: Step | None
    begun: bool

    @cached_property
    def up(self) -> frozenset[Key]:
        """Return the hosts' daemons that run for sure."""
        return frozenset(key for key, units in self.may.items() if len(units) == 1 and units[0].runs is not None)

    @cached_property
    def serving(self) -> bool:
        """Say whether an API server runs for sure."""
        return any(name == SERVER for name, _ in self.up)

    @cached_property
    def servers(self) -> tuple[Unit, ...]:
        """Return every unit that an API server may be."""
        return tuple(unit for (name, _), units in self.may.items() if name == SERVER for unit in units)

    @cached_property
    def units(self) -> tuple[tuple[str, Unit], ...]:
        """Return everything that may be there, by component."""
        return (*((name, unit) for (name, _), units in self.may.items() for unit in units), *self.crowd)

    def some(self, component: str) -> bool:
        """Say whether a daemon of the hosts may run, or would after a reboot."""
        return any(unit.either for (name, _), units in self.may.items() if name == component for unit in units)


def scene(plan: Replay, step: int, stages: tuple[int, ...]) -> Scene:
    """Return what may be there when the parts of a step are so far."""
    before = plan.worlds[step]
    now = plan.steps[step] if step < len(plan.steps) else None
    may: dict[Key, tuple[Unit, ...]] = {key: (unit,) for key, unit in before.hosts.items()}
    if not any(stages):
        return Scene(may, before.crowd, frozenset(), crowd_in_hand=False, around=before, step=now, begun=False)
    after, crowd, hand, crowded = plan.worlds[step + 1], before.crowd, set[Key](), False
    for part, stage in zip(plan.parts[step], stages, strict=False):
        for key, (old, new) in part.pairs.items():
            may[key] = {PENDING: (old,), IN_HAND: (old, new), DONE: (new,)}[stage]
        if stage == IN_HAND:
            hand |= set(part.pairs)
        if part.crowd:
            crowd = {PENDING: crowd, IN_HAND: crowd | after.crowd, DONE: after.crowd}[stage]
            crowded = stage == IN_HAND
    around = after if set(stages) == {DONE} else before
    return Scene(may, crowd, frozenset(hand), crowd_in_hand=crowded, around=around, step=now, begun=True)


def holds(plan: Replay, here: Scene, state: State, check: Check, *, post: bool = False) -> bool:
    """Say whether a check of the state's step holds; of those that ask for what the model leaves out: always."""
    step, past = plan.steps[state.step], state.past
    match check:
        case Check.CLUSTER_VERSION:
            wanted = step.to if post and state.way != BACK else step.from_
            return wanted is None or past.cluster == Version.parse(wanted).line
        case Check.BACKUP_PROVEN:
            return all(block.backup in past.proven for block in step.blocks if block.backup is not None)
        case Check.MEMBERS_EQUAL:
            return past.compared
        case Check.OLD_DATASTORE_CLOSED:
            return here.around.calico != "before"
        case Check.NEW_DATASTORE_OPEN:
            return here.around.calico == "after"
        case Check.CONFIG_HELD:
            return here.around.held
        case _:
            return _seen(plan, here, step, check, post=post)


def _seen(plan: Replay, here: Scene, step: Step, check: Check, *, post: bool) -> bool:
    """Say whether a check holds that asks for what runs and what is in hand."""
    match check:
        case Check.REST:
            return not here.hand and not here.crowd_in_hand and here.around.rests
        case Check.MEMBERS_HEALTHY:
            return all(key in here.up | here.hand for key in here.may if key[0] == "etcd")
        case Check.BALANCER:
            return _enough(plan, here, frozenset() if post else frozenset(step.takes))
        case Check.STANDBY_HEALTHY:
            mine = {name for name, where in here.may if name in MANAGERS and where in step.takes}
            return mine <= {name for name, where in here.up if where not in step.takes}
        case Check.MANAGERS_LEAD:
            return here.serving and {name for name, _ in here.may if name in MANAGERS} <= {name for name, _ in here.up}
        case Check.APIS_COMPLETE | Check.NODES_READY | Check.HEARTBEATS_FRESH:
            return here.serving or not plan.named(SERVER)
        case Check.WRITERS_STOPPED:
            return not here.some(SERVER)
        case _:
            return True


def _enough(plan: Replay, here: Scene, taken: frozenset[str]) -> bool:
    balancer, servers = plan.plan.balancer, plan.named(SERVER)
    if balancer is None or not servers:
        return True
    left = [key for key in servers if key in here.up and key[1] not in here.around.out | taken]
    return len(left) / len(servers) >= balancer.threshold
