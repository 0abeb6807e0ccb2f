"""Prover, checker and oracle on one whole plan: whether they agree on the verdict, and on what is reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

import wholecases
from kubedeb import knowledge
from kubedeb.versions import Version
from upgrade_plans.checker.wholefind import find
from upgrade_plans.models.upgrade import Upgrade
from upgrade_plans.passprice import enough, passes
from upgrade_plans.prover.wholeprove import SequenceVerdict, prove_sequence
from wholeoracle import Oracle, fewest_drains

MANAGER = "kube-controller-manager"
AFTER = 10**9
"""How far away the next seed is that takes the place of one whose case is too large."""
SAVED = Path(__file__).parents[1] / "cases" / "wholeplans"
"""Plans on which they once disagreed, or might have: judged again in every run."""


@dataclass(frozen=True)
class Compared:
    """The outcome of one comparison: of what and how large, what the oracle finds violated, states, a difference if any."""

    name: str
    nodes: int
    hops: int
    violated: tuple[str, ...]
    states: int | None
    visited: int = 0
    """How many states the oracle visited, acts and faults told apart."""
    difference: str = ""
    plan: str = ""

    @property
    def upper(self) -> bool:
        """Say whether the case is of the upper size."""
        return self.nodes == wholecases.NODES and self.hops == wholecases.HOPS


@cache
def known() -> knowledge.Knowledge:
    """Return the rows, read once for each process."""
    return knowledge.load()


def compare(name: str, plan: Upgrade, nodes: int = 0, hops: int = 0) -> Compared:
    """Judge a plan by all three."""
    verdict, again = prove_sequence(plan, known()), find(plan, known())
    ours = {(one.invariant, one.clause) for one in verdict.violations}
    wrong = []
    if (verdict.states, ours, dict(verdict.levels)) != (again.states, again.violated, again.levels):
        wrong.append(f"prover {verdict.states} {sorted(ours)}, checker {again.states} {sorted(again.violated)}")
    elif {place: tuple(one) for place, one in verdict.places.items()} != again.places:
        wrong.append("prover and checker reach other states at some place")
    if verdict.states is None:
        return _compared(name, plan, nodes, hops, tuple(sorted({one for one, _ in ours})), verdict, 0, wrong)
    oracle = Oracle(plan)
    oracle.explore()
    found = tuple(sorted(oracle.broken))
    if bool(found) != bool(ours):
        wrong.append(f"prover {sorted(ours)}, oracle {list(found)}")
    if verdict.reached != len(oracle.places):
        wrong.append(f"prover reaches {verdict.reached} places, oracle {len(oracle.places)}")
    wrong += _drains(plan, legal=not found)
    return _compared(name, plan, nodes, hops, found, verdict, oracle.states, wrong)


def _drains(plan: Upgrade, *, legal: bool) -> Iterator[str]:
    """Hold the planner's number of passes to the fewest that any legal order has; no plan that is legal has fewer."""
    begin: dict[str, int] = {}
    for daemons in (*(one.daemons for one in plan.hosts), *(one.daemons for one in plan.workers)):
        begin |= {name: Version.parse(str(daemon.running)).minor for name, daemon in daemons.items()}
    if not {"kube-apiserver", "kubelet"} <= begin.keys():
        return
    ends = dict(begin)
    for step in plan.steps:
        name = {"apiserver": "kube-apiserver", "managers": MANAGER, "workers": "kubelet"}.get(step.kind)
        if name is not None and step.to is not None:
            ends[name] = max(ends[name], Version.parse(step.to).minor)
    least = fewest_drains((begin["kube-apiserver"], begin["kubelet"]), (ends["kube-apiserver"], ends["kubelet"]))
    if not 0 <= ends["kube-apiserver"] - ends.get(MANAGER, ends["kube-apiserver"]) <= 1:
        least = None  # No order ends there.
    if enough(plan, known()) != least:
        yield f"the planner needs {enough(plan, known())} passes, the fewest are {least}"
    if legal and (least is None or passes(plan) < least):
        yield f"a legal plan has {passes(plan)} passes, the fewest are {least}"


def _compared(
    name: str, plan: Upgrade, nodes: int, hops: int, found: tuple[str, ...], verdict: SequenceVerdict, visited: int,
    wrong: list[str],
) -> Compared:  # fmt: skip
    text = plan.model_dump_json(by_alias=True) if wrong else ""
    return Compared(name, nodes, hops, found, verdict.states, visited, "; ".join(wrong), text)


def drawn(seed: int) -> Compared:
    """Compare on the case of a seed; every seventeenth is of the upper size."""
    return _of_seed(seed, 17, 500)


def brief(seed: int) -> Compared:
    """Compare on a case of a seed that takes hundredths of a second; every 150th is of the upper size."""
    return _of_seed(seed, 150, 150)


def _of_seed(seed: int, often: int, most: int) -> Compared:
    """Compare on the case of a seed. Where brute force would visit many states, another is taken: the prover tells its own."""
    if seed % often == 0:
        case = wholecases.small(seed, large=True)
    else:
        made = ((number, wholecases.small(number)) for number in count(seed, AFTER))
        seed, case = next((number, case) for number, case in made if _size(case.plan) <= most)
    return compare(f"whole-{seed}-{case.name}", case.plan, case.nodes, case.hops)


def _size(plan: Upgrade) -> int:
    """Return how large brute force will be: states of the prover's times daemons that can fail in each."""
    daemons = sum(len(one.daemons) for one in plan.hosts) + sum(len(one.daemons) for one in plan.workers)
    return (prove_sequence(plan, known()).states or 0) * daemons


def mutant(seed: int) -> Compared:
    """Compare on a good plan after one edit."""
    made = ((number, wholecases.small(number, edits=(1,))) for number in count(seed, AFTER))
    seed, case = next((number, case) for number, case in made if _size(case.plan) <= 500)
    return compare(f"mutant-{seed}-{case.name}", case.plan, case.nodes, case.hops)


def sizes(outcomes: Iterable[Compared]) -> dict[str, int]:
    """Return how many cases there are by nodes and hops."""
    counted = Counter(f"{one.nodes} nodes, {one.hops} hops" for one in outcomes)
    return dict(sorted(counted.items()))
