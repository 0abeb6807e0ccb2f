"""Small plans from a seed, legal and illegal, for whoever wants to compare two judges; `python plans.py` shows their sizes."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from random import Random

from book import VERSIONS, download, good
from mutants import EDITS, STATIC, Draft, draft_of, finish, mended
from upgrade_plans.models.plan import Check, Plan, StepKind

HOPS = {1: (1, 2), 2: (1, 2), 3: (1,), 4: (1,)}
"""How many hops a case of that many members may have, so that brute force stays small."""
WIDEST = {1: 16, 2: 10, 3: 9, 4: 3}
"""How many steps a case of that many members may have at the most."""
SHORTEST = {1: 16, 2: 4, 3: 2, 4: 1}
"""The same of cases that take hundredths of a second."""


def small(seed: int, widest: Mapping[int, int] = WIDEST) -> Plan:
    """Return the small case of a seed: a good plan, a part of one, or either with up to four edits."""
    rng = Random(seed)  # noqa: S311 - cases, not secrets
    count = rng.choices([1, 2, 3, 4], [3, 4, 6, 1])[0]
    hops = rng.choice(HOPS[count])
    first = rng.randrange(1, len(VERSIONS) - hops)
    draft = draft_of(good(count, VERSIONS[first : first + hops + 1]))
    cut(draft, rng, widest[count])
    for _ in range(rng.choices([0, 1, 2, 3, 4], [1, 4, 5, 4, 2])[0]):
        if draft.places():
            rng.choice(EDITS)(draft, rng)
    narrow(draft, rng)
    draft.phases = mended(draft.phases)
    if draft.places() and rng.random() < 0.05:
        rng.choice(STATIC)(draft, rng)
    return finish(draft)


def mutant(seed: int) -> tuple[str, Plan]:
    """Return the name of one edit, by turns, and a whole good plan after it."""
    rng = Random(seed)  # noqa: S311 - cases, not secrets
    count, hops = rng.choices([(3, 1), (3, 2)], [5, 1])[0]  # fewer members cannot be upgraded without losing the majority
    first = rng.randrange(1, len(VERSIONS) - hops)
    draft = draft_of(good(count, VERSIONS[first : first + hops + 1]))
    edit = EDITS[seed % len(EDITS)]
    edit(draft, rng)
    draft.phases = mended(draft.phases)
    return edit.__name__, finish(draft)


def part(seed: int) -> tuple[str, Plan]:
    """Return the name of one edit, by turns, and a part of a good plan for three members after it."""
    rng = Random(seed)  # noqa: S311 - cases, not secrets
    first = rng.randrange(1, len(VERSIONS) - 1)
    draft = draft_of(good(3, VERSIONS[first : first + 2]))
    cut(draft, rng, 5)
    edit = EDITS[seed % len(EDITS)]
    if draft.places():
        edit(draft, rng)
    narrow(draft, rng)
    draft.phases = mended(draft.phases)
    return edit.__name__, finish(draft)


def cut(draft: Draft, rng: Random, widest: int) -> None:
    """Keep neighbouring steps only: sometimes few, never more than the widest; what was cut from the front is done."""
    places = draft.places()
    width = min(widest, len(places)) if rng.random() < 0.4 else rng.randint(1, min(widest, 5, len(places)))
    begin = rng.choice([0, rng.randint(0, len(places) - width)])
    kept = places[begin : begin + width]
    for place in places[:begin]:
        step = draft.at(place)
        if step.kind is StepKind.CHANGE:
            for number, member in enumerate(draft.members):
                if member.node in step.nodes:
                    draft.members[number] = member.model_copy(update={"installed": step.to, "running": step.to})
        if step.kind is StepKind.AWAIT_VERSION:
            draft.cluster = step.to
    draft.phases = [[steps[i] for i in range(len(steps)) if (phase, i) in kept] for phase, steps in enumerate(draft.phases)]
    draft.phases = [steps for steps in draft.phases if steps]
    if rng.random() < 0.8:
        make_good(draft)


def make_good(draft: Draft) -> None:
    """Mend what the cut took away: the downloads that changes need, and the proof that they ask for."""
    changes = [draft.at(place) for place in draft.places() if draft.at(place).kind is StepKind.CHANGE]
    kinds = {draft.at(place).kind for place in draft.places()}
    if changes and StepKind.DOWNLOAD not in kinds:
        nodes = [node for node in draft.nodes if any(node in step.nodes for step in changes)]
        hops = dict.fromkeys((step.from_, step.to) for step in changes)
        draft.phases.insert(0, [download(nodes, hop) for hop in hops])
    if not kinds >= {StepKind.BACKUP, StepKind.DRILL}:
        for place in draft.places():
            draft.edit(place, pre=tuple(check for check in draft.at(place).pre if check is not Check.BACKUP_PROVEN))


def narrow(draft: Draft, rng: Random) -> None:
    """Keep what is done to several members at once small: their progresses multiply."""
    for place in draft.places():
        step = draft.at(place)
        widest = 3 if step.kind is StepKind.DOWNLOAD or len(draft.members) < 3 else 2
        if step.kind is not StepKind.AWAIT_VERSION and len(step.nodes) > widest:
            draft.edit(place, nodes=tuple(rng.sample(step.nodes, widest)))


def sizes(first: int, count: int) -> dict[str, object]:
    """Judge that many seeds and return how large, how legal and how slow the cases were."""
    from oracle import judge

    states: list[int] = []
    verdicts: Counter[str] = Counter()
    began = time.monotonic()
    for seed in range(first, first + count):
        judgement = judge(small(seed))
        states.append(judgement.states or 0)
        verdicts.update(judgement.violated or ["proven"])
    states.sort()
    return {
        "cases": count,
        "seconds": round(time.monotonic() - began, 1),
        "states": {f"p{percent}": states[percent * (count - 1) // 100] for percent in (0, 10, 50, 90, 99, 100)},
        "verdicts": dict(verdicts.most_common()),
    }


if __name__ == "__main__":
    print(json.dumps(sizes(*map(int, sys.argv[1:] or ("0", "200"))), indent=2))  # noqa: T201
