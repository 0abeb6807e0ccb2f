"""The prover's run for a whole stack's plan: static checks, then every state of its sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.knowledge import Knowledge
from kubedeb.knowledge.schema import Confidence
from upgrade_plans.models.upgrade import Upgrade
from upgrade_plans.prover.verdict import Violation
from upgrade_plans.prover.wholecase import compile_whole
from upgrade_plans.prover.wholeevidence import evidence
from upgrade_plans.prover.wholejudge import WholeJudge
from upgrade_plans.prover.wholemachine import Machine
from upgrade_plans.prover.wholerecords import Record, WholeCase
from upgrade_plans.prover.wholesays import SAYS
from upgrade_plans.prover.wholestate import FORWARD, State
from upgrade_plans.prover.wholestatic import static
from upgrade_plans.prover.wholeversions import RULE, Clause

MODEL = "stack-sequence/1"
LIVE = ("no-dead-end", "reaches-end")
LIMIT = 2_000_000
"""The most states that are visited."""


@dataclass(frozen=True)
class Happening:
    """One transition of a story: in which step, what, to what; `planned`: nobody has to turn back for it."""

    step: str
    what: str
    part: str
    planned: bool = True


@dataclass(frozen=True)
class SequenceVerdict:
    """The outcome; `states` is None when the plan was refused without exploring.

    `reached`: how many places (direction, step, how far each part is) the states are at. `visited`: the states themselves.
    """

    violations: tuple[Violation, ...]
    states: int | None = None
    levels: dict[str, int] = field(default_factory=dict)
    exposures: tuple[tuple[str, str, int], ...] = ()
    warned: dict[str, str] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    inferred: tuple[str, ...] = ()
    story: tuple[Happening, ...] = ()
    there: tuple[str, ...] = ()
    reached: int = 0
    visited: Sequence[State] = field(default=(), repr=False, compare=False)

    @property
    def proven(self) -> bool:
        """Say whether no reachable state violates an invariant."""
        return not self.violations

    @cached_property
    def places(self) -> dict[str, tuple[int, str]]:
        """Return the evidence for a checker, by place; worked out once a certificate asks for it."""
        return evidence(self.visited)


def prove_sequence(plan: Upgrade, knowledge: Knowledge) -> SequenceVerdict:
    """Judge the sequence of a whole stack's plan. Raises `KubedebError` (REFUSED) when it has too many states."""
    wrong = static(plan)
    if any(one.invariant == "plan" for one in wrong):
        return SequenceVerdict(wrong)
    case = compile_whole(plan, knowledge)
    if wrong or case.wrong:
        return SequenceVerdict((*wrong, *case.wrong))
    return _explore(case, knowledge)


def _explore(case: WholeCase, knowledge: Knowledge) -> SequenceVerdict:
    machine = Machine(case)
    judge = WholeJudge(case, knowledge, machine.view)
    states = [machine.initial()]
    seen = {states[0]: 0}
    parents: list[int] = [-1]
    before: list[list[int]] = [[]]
    ends: list[int] = []
    found: dict[Clause, int] = {}
    for number, state in enumerate(states):
        finished = machine.finished(state)
        if finished:
            ends.append(number)
        for clause in judge.judge(state, finished=finished):
            found.setdefault(clause, number)
        for _, _, after in machine.successors(state):
            known = seen.get(after)
            if known is None:
                seen[after] = known = len(states)
                states.append(after)
                parents.append(number)
                before.append([])
            before[known].append(number)
        if len(states) > LIMIT:
            raise KubedebError(
                f"the plan reaches more than {LIMIT} states", hint="Take fewer hosts in one step.", code=ExitCode.REFUSED
            )
    for clause, number in _stuck(states, before, ends):
        found.setdefault(clause, number)
    # What is unsafe before what leads nowhere, the nearest first: the story is of the first.
    order = sorted(found.items(), key=lambda item: (item[0][0] in LIVE, item[1]))
    violations = tuple(_violation(case, clause, states[number]) for clause, number in order)
    story = tuple(_story(machine, case, states, parents, order[0][1])) if order else ()
    used = tuple(sorted(judge.rules.used | _hops(case, knowledge) | {rule for clause in found for rule in clause[2]}))
    return SequenceVerdict(
        violations, len(states), dict(sorted(judge.levels.items())),
        tuple((step, fault, count) for (step, fault), count in sorted(judge.exposures.items())), dict(judge.warned),
        used, tuple(rule for rule in used if _inferred(knowledge, rule)), story,
        tuple(_there(machine, states[order[0][1]])) if order else (), len({state[:3] for state in states}), states,
    )  # fmt: skip


def _there(machine: Machine, state: State) -> Iterator[str]:
    """Yield what is where at the end of a story: by component and version, and what of it is in hand."""
    view = machine.view(state.step, state.parts)
    found: dict[str, list[str]] = {}
    for key, records in sorted(view.there.may.items()):
        words = " or ".join(dict.fromkeys(_word(one) for one in records))
        found.setdefault(key[0], []).append(f"{key[1]} {words}" + (" (in hand)" if key in view.hand else ""))
    for name in sorted({name for name, _ in view.there.fleet}):
        found.setdefault(name, []).extend(sorted({_word(one) for component, one in view.there.fleet if component == name}))
    for name, places in found.items():
        yield f"{name}: {', '.join(places)}"
    if state.memory.newest is not None:
        yield f"Kubernetes' newest data: {state.memory.newest}; etcd's cluster version: {_line(state)}"


def _line(state: State) -> str:
    return "none" if state.memory.cluster is None else "{}.{}".format(*state.memory.cluster)


def _word(record: Record) -> str:
    if record.run is None:
        return "stopped" + ("" if record.starts is None else f", would start {record.starts}")
    store = f" on {record.store}" if record.store is not None else ""
    boot = f", would come back on {record.boot}" if record.starts is not None and record.boot != record.store else ""
    return f"{record.run}{store}" + (f", would start {record.starts}" if record.starts != record.run else "") + boot


def _inferred(knowledge: Knowledge, rule: str) -> bool:
    return rule in knowledge.by_id and knowledge.by_id[rule].confidence is Confidence.INFERRED


def _stuck(states: list[State], before: list[list[int]], ends: list[int]) -> Iterator[tuple[Clause, int]]:
    """Yield states from which no end can be reached, and the start when the plan's own end cannot."""
    reach = _backwards(before, ends)
    for number in range(len(states)):
        if number not in reach:
            yield ("no-dead-end", "stuck", ()), number
            break
    done = [number for number in ends if states[number].direction == FORWARD]
    if 0 not in _backwards(before, done):
        yield ("reaches-end", "endless", ()), 0


def _backwards(before: list[list[int]], goals: list[int]) -> set[int]:
    reach, waiting = set(goals), list(goals)
    while waiting:
        for number in before[waiting.pop()]:
            if number not in reach:
                reach.add(number)
                waiting.append(number)
    return reach


def _violation(case: WholeCase, clause: Clause, state: State) -> Violation:
    step = case.steps[state.step].step.id if state.step < len(case.steps) else None
    name, part, rules = clause
    if part.startswith(RULE):
        return Violation(name, "rule", part.removeprefix(RULE), step, rules)
    if name == "flags-legal":
        return Violation(name, "flag", f"the unit would start with what its binary refuses: {part}", step, rules)
    return Violation(name, part, SAYS[name, part], step, rules)


def _hops(case: WholeCase, knowledge: Knowledge) -> set[str]:
    """Return the hops of etcd that the plan makes: rows, too."""
    lines = {one.run.line for here in case.boundaries for key, one in here.hosts.items() if key[0] == "etcd" and one.run}
    found = [knowledge.hop("etcd", line) for line in lines]
    return {rule.id for rule in found if rule is not None and rule.to.line in lines}


def _story(machine: Machine, case: WholeCase, states: list[State], parents: list[int], number: int) -> Iterator[Happening]:
    """Yield the shortest way from the start to a state."""
    way = [number]
    while parents[way[-1]] >= 0:
        way.append(parents[way[-1]])
    for old, new in zip(way[:0:-1], way[-2::-1], strict=True):
        what, part = next((what, part) for what, part, after in machine.successors(states[old]) if after == states[new])
        yield Happening(case.steps[states[old].step].step.id, what, part, states[old].direction == FORWARD and what != "turn")
