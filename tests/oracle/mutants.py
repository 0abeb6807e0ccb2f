"""What can be wrong with a plan: small edits of a draft, each drawn by a random generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from book import VERSIONS, plan
from upgrade_plans.models.plan import Block, Check, Member, PackagePin, Plan, Release, Step, StepKind, Undo


@dataclass
class Draft:
    """A plan that is still being written: members, phases as lists of steps, the cluster version, the releases."""

    members: list[Member]
    phases: list[list[Step]]
    cluster: str
    releases: dict[str, Release]

    def places(self) -> list[tuple[int, int]]:
        """Return (phase, position) of every step."""
        return [(phase, position) for phase, steps in enumerate(self.phases) for position in range(len(steps))]

    def at(self, place: tuple[int, int]) -> Step:
        """Return the step at a place."""
        return self.phases[place[0]][place[1]]

    def edit(self, place: tuple[int, int], **update: Any) -> None:
        """Change fields of the step at a place."""
        self.phases[place[0]][place[1]] = self.at(place).model_copy(update=update)

    def remove(self, place: tuple[int, int]) -> Step:
        """Take the step at a place away."""
        return self.phases[place[0]].pop(place[1])

    def insert(self, place: tuple[int, int], step: Step) -> None:
        """Put a step before a place."""
        self.phases[place[0]].insert(place[1], step)

    @property
    def nodes(self) -> list[str]:
        """Return the members' names."""
        return [member.node for member in self.members]


def draft_of(source: Plan) -> Draft:
    """Return a plan as a draft."""
    phases = [list(phase.steps) for phase in source.phases]
    return Draft(list(source.members), phases, source.cluster_version, dict(source.releases))


def finish(draft: Draft) -> Plan:
    """Return the draft as a plan."""
    made = plan(draft.members, draft.phases, cluster=draft.cluster)
    return made.model_copy(update={"releases": draft.releases})


def mended(phases: Sequence[Sequence[Step]]) -> list[list[Step]]:
    """Return the phases with ids told apart and `requires` pruned to what is earlier."""
    earlier: set[str] = set()
    result: list[list[Step]] = []
    for steps in phases:
        result.append([])
        for step in steps:
            name = step.id
            while name in earlier:
                name += "-again"
            requires = tuple(one for one in step.requires if one in earlier)
            result[-1].append(step.model_copy(update={"id": name, "requires": requires}))
            earlier.add(name)
    return result


# Edits of the order.


def drop(draft: Draft, rng: Random) -> None:
    """Leave a step out."""
    draft.remove(rng.choice(draft.places()))


def swap(draft: Draft, rng: Random) -> None:
    """Swap two steps, wherever they are."""
    one, two = rng.choice(draft.places()), rng.choice(draft.places())
    first, second = draft.at(one), draft.at(two)
    draft.phases[one[0]][one[1]], draft.phases[two[0]][two[1]] = second, first


def move(draft: Draft, rng: Random) -> None:
    """Move a step to another place."""
    step = draft.remove(rng.choice(draft.places()))
    phase = rng.randrange(len(draft.phases))
    draft.insert((phase, rng.randint(0, len(draft.phases[phase]))), step)


def repeat(draft: Draft, rng: Random) -> None:
    """Carry a step out a second time, later in its phase."""
    place = rng.choice(draft.places())
    end = len(draft.phases[place[0]])
    draft.insert((place[0], rng.randint(place[1] + 1, end)), draft.at(place))


def join_phases(draft: Draft, rng: Random) -> None:
    """Turn two neighbouring phases into one."""
    if len(draft.phases) > 1:
        first = rng.randrange(len(draft.phases) - 1)
        draft.phases[first : first + 2] = [draft.phases[first] + draft.phases[first + 1]]


def split_phase(draft: Draft, rng: Random) -> None:
    """Turn a phase into two, of which one may be empty."""
    phase = rng.randrange(len(draft.phases))
    steps = draft.phases[phase]
    cut = rng.randint(0, len(steps))
    draft.phases[phase : phase + 1] = [steps[:cut], steps[cut:]]


# Edits of what is done.


def merge(draft: Draft, rng: Random) -> None:
    """Do on two nodes at once what two steps of a kind did one after the other."""
    places = draft.places()
    pairs = [(one, two) for one in places for two in places if one < two and draft.at(one).kind is draft.at(two).kind]
    if pairs:
        one, two = rng.choice(pairs)
        nodes = tuple(dict.fromkeys(draft.at(one).nodes + draft.at(two).nodes))
        draft.remove(two)
        draft.edit(one, nodes=nodes)


def enlarge(draft: Draft, rng: Random) -> None:
    """Let a step take one more node with it."""
    place = rng.choice(draft.places())
    others = [node for node in draft.nodes if node not in draft.at(place).nodes]
    if others:
        draft.edit(place, nodes=(*draft.at(place).nodes, rng.choice(others)))


def redirect(draft: Draft, rng: Random) -> None:
    """Let a step work on another node."""
    draft.edit(rng.choice(draft.places()), nodes=(rng.choice(draft.nodes),))


def other_to(draft: Draft, rng: Random) -> None:
    """Let a step go to another version: a skipped minor, a step back, no step at all."""
    draft.edit(rng.choice(draft.places()), to=rng.choice(VERSIONS[1:]))


def other_from(draft: Draft, rng: Random) -> None:
    """Let a step come from another version."""
    draft.edit(rng.choice(draft.places()), from_=rng.choice(VERSIONS[1:]))


# Edits of the checks, the undo and the blocks.


def drop_check(draft: Draft, rng: Random) -> None:
    """Leave one check out, before, after or in the undo."""
    places = [(place, name) for place in draft.places() for name in ("pre", "post") if getattr(draft.at(place), name)]
    if not places:
        return
    place, name = rng.choice(places)
    checks = list(getattr(draft.at(place), name))
    checks.remove(rng.choice(checks))
    draft.edit(place, **{name: tuple(checks)})


def drop_check_everywhere(draft: Draft, rng: Random) -> None:
    """Leave one check out of every step, undo included."""
    check = rng.choice(list(Check))
    for place in draft.places():
        step = draft.at(place)
        undo = step.undo and Undo(to=step.undo.to, pre=tuple(one for one in step.undo.pre if one is not check))
        pre, post = ([one for one in checks if one is not check] for checks in (step.pre, step.post))
        draft.edit(place, pre=tuple(pre), post=tuple(post), undo=undo)


def add_check(draft: Draft, rng: Random) -> None:
    """Ask for more than is needed, before or after."""
    place = rng.choice(draft.places())
    name = rng.choice(["pre", "post"])
    draft.edit(place, **{name: (*getattr(draft.at(place), name), rng.choice(list(Check)))})


def changes(draft: Draft) -> Iterator[tuple[int, int]]:
    """Yield the places of the changes."""
    yield from (place for place in draft.places() if draft.at(place).kind is StepKind.CHANGE)


def spoil_undo(draft: Draft, rng: Random) -> None:
    """Give a change another undo: none, to another version, with other checks."""
    places = list(changes(draft))
    if places:
        checks = tuple(check for check in Check if rng.random() < 0.3)
        undo = rng.choice([None, Undo(to=rng.choice(VERSIONS[1:]), pre=checks), Undo(to=VERSIONS[1], pre=checks)])
        draft.edit(rng.choice(places), undo=undo)


def drop_blocks(draft: Draft, rng: Random) -> None:
    """Say nowhere what can no longer be reached."""
    for place in draft.places():
        draft.edit(place, blocks=())


def add_block(draft: Draft, rng: Random) -> None:
    """Let some step block the way back."""
    draft.edit(
        rng.choice(draft.places()), blocks=(Block(state="before", by="this step", loss="everything since"),), max_backup_age=600
    )


# Edits of where the plan starts.


def half_done(draft: Draft, rng: Random) -> None:
    """Let some members be ahead already, some of them with another version installed than the running one."""
    ahead = rng.choice(VERSIONS[1:])
    for number, member in enumerate(draft.members):
        if rng.random() < 0.5:
            running = ahead if rng.random() < 0.8 else member.running
            draft.members[number] = member.model_copy(update={"installed": ahead, "running": running})


def other_cluster(draft: Draft, rng: Random) -> None:
    """Let the cluster version be another one."""
    draft.cluster = rng.choice(VERSIONS[1:])


def same_row(draft: Draft, rng: Random) -> None:
    """Put a member into another member's row."""
    number = rng.randrange(len(draft.members))
    draft.members[number] = draft.members[number].model_copy(update={"row": rng.choice(draft.members).row})


EDITS: tuple[Callable[[Draft, Random], None], ...] = (
    drop, swap, move, repeat, join_phases, split_phase, merge, enlarge, redirect, other_to, other_from, drop_check,
    drop_check_everywhere, add_check, spoil_undo, drop_blocks, add_block, half_done, other_cluster, same_row,
)  # fmt: skip
"""Edits that leave a plan which can be explored."""


# Edits that the static checks must find.


def unknown_node(draft: Draft, rng: Random) -> None:
    """Name a node that is no member."""
    draft.edit(rng.choice(draft.places()), nodes=("nobody",))


def node_twice(draft: Draft, rng: Random) -> None:
    """Name a node twice."""
    place = rng.choice(draft.places())
    draft.edit(place, nodes=(*draft.at(place).nodes, draft.at(place).nodes[0]))


def no_node(draft: Draft, rng: Random) -> None:
    """Name no node."""
    draft.edit(rng.choice(draft.places()), nodes=())


def requires_later(draft: Draft, rng: Random) -> None:
    """Require a step that is not before this one: itself."""
    place = rng.choice(draft.places())
    draft.edit(place, requires=(draft.at(place).id,))


def undo_of_no_change(draft: Draft, rng: Random) -> None:
    """Undo what cannot be undone."""
    places = [place for place in draft.places() if draft.at(place).kind is not StepKind.CHANGE]
    if places:
        draft.edit(rng.choice(places), undo=Undo(to=VERSIONS[1]))


def id_twice(draft: Draft, rng: Random) -> None:
    """Give two steps one id."""
    place = rng.choice(draft.places())
    draft.insert(place, draft.at(place))


def member_twice(draft: Draft, rng: Random) -> None:
    """Let a member stand twice in the plan."""
    draft.members.append(draft.members[0])


def no_member(draft: Draft, rng: Random) -> None:
    """Let there be no member."""
    draft.members.clear()


def no_version(draft: Draft, rng: Random) -> None:
    """Write something that is no version."""
    number = rng.randrange(len(draft.members))
    draft.members[number] = draft.members[number].model_copy(update={rng.choice(["running", "installed"]): "newest"})


def no_release(draft: Draft, rng: Random) -> None:
    """Forget a release that a step names."""
    draft.releases.pop(draft.at(rng.choice(draft.places())).to, None)


def no_digest(draft: Draft, rng: Random) -> None:
    """Forget a package's sha256."""
    version = rng.choice(sorted(draft.releases))
    draft.releases[version] = Release(packages={"etcd-server": PackagePin(version=version, sha256="")})


def no_package(draft: Draft, rng: Random) -> None:
    """Let a release have no packages."""
    draft.releases[rng.choice(sorted(draft.releases))] = Release(packages={})


def another_version(draft: Draft, rng: Random) -> None:
    """Let a release hold a package of another version, whose digest nobody compares."""
    version, other = rng.sample(sorted(draft.releases), 2)
    name = rng.choice(["etcd-server", "etcd-client", "bash"])
    spoilt = {**draft.releases[version].packages, name: draft.releases[other].packages["etcd-server"]}
    draft.releases[version] = Release(packages=spoilt)


def no_server(draft: Draft, rng: Random) -> None:
    """Let a release hold everything but etcd."""
    version = rng.choice(sorted(draft.releases))
    draft.releases[version] = Release(packages={"etcd-client": draft.releases[version].packages["etcd-client"]})


def no_such_version(draft: Draft, rng: Random) -> None:
    """Call a release something that is no version."""
    draft.releases["newest"] = draft.releases[rng.choice(sorted(draft.releases))]


def endless_age(draft: Draft, rng: Random) -> None:
    """Give up the way back without saying how much may be lost."""
    place = rng.choice(draft.places())
    lost = Block(state="before", by="this step", loss="everything since")
    draft.edit(place, blocks=(lost,), max_backup_age=None)


STATIC: tuple[Callable[[Draft, Random], None], ...] = (
    unknown_node, node_twice, no_node, requires_later, undo_of_no_change, id_twice, member_twice, no_member, no_version,
    no_release, no_digest, no_package, another_version, no_server, no_such_version, endless_age,
)  # fmt: skip
"""Edits after which a plan is not explored."""
