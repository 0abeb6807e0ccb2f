"""The prover's run for a whole stack: static checks, then states counted or steps bounded, then the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.knowledge import Knowledge
from upgrade_plans.models.stackplan import StackPlan
from upgrade_plans.prover.stackbounds import Bounds
from upgrade_plans.prover.stackcase import StackCase, compile_stack, stack_static
from upgrade_plans.prover.stackjudge import SAYS, Clause, StackJudge, findings
from upgrade_plans.prover.stackmachine import FORWARD, StackMachine, StackState
from upgrade_plans.prover.stackskew import Skew
from upgrade_plans.prover.verdict import Violation

MODEL = "stack-rolling/1"
LIMIT = 400_000
"""The most vectors that are visited when states are counted."""


@dataclass(frozen=True)
class StackVerdict:
    """The outcome. `states` and `levels` are None and empty where steps were bounded and no state was counted.

    `exposures` are (step, fault class) with the number of states, 0 where none was counted.
    """

    violations: tuple[Violation, ...]
    states: int | None = None
    levels: tuple[tuple[str, int], ...] = ()
    exposures: tuple[tuple[str, str, int], ...] = ()
    findings: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        """Say whether nothing violates an invariant."""
        return not self.violations


def prove_stack(plan: StackPlan, knowledge: Knowledge, *, count: bool = False) -> StackVerdict:
    """Judge a stack's plan by docs/semantics.md, part two. `count`: visit every vector of counts instead of bounding each step.

    Bounding takes time in proportion to steps and classes, however many nodes a class has. Raises `KubedebError` (REFUSED)
    when there are more than `LIMIT` vectors to count.
    """
    wrong = stack_static(plan)
    if wrong:
        return StackVerdict(wrong)
    case, skew = compile_stack(plan), Skew(knowledge)
    return _counted(case, skew) if count else _bounded(case, skew)


def _bounded(case: StackCase, skew: Skew) -> StackVerdict:
    bounds = Bounds(case, skew)
    violations = _violations(bounds.violations())
    exposures = tuple((step, fault, 0) for step, fault in sorted(bounds.exposures))
    return StackVerdict(violations, exposures=exposures, findings=tuple(findings(case)))


def _violations(found: Iterable[tuple[Clause, str | None]]) -> tuple[Violation, ...]:
    first: dict[Clause, str | None] = {}
    for clause, step in found:
        first.setdefault(clause, step)
    return tuple(Violation(clause[0], clause[1], SAYS[clause], step) for clause, step in first.items())


def _counted(case: StackCase, skew: Skew) -> StackVerdict:
    machine = StackMachine(case)
    judge = StackJudge(machine, skew)
    states = [machine.initial()]
    seen = {states[0]: 0}
    before: dict[int, list[tuple[str, int]]] = {}
    found: list[tuple[Clause, str | None]] = []
    for number, state in enumerate(states):
        found += [(clause, _step(case, state)) for clause in judge.judge(state)]
        for who, after in machine.successors(state):
            if after not in seen:
                seen[after] = len(states)
                states.append(after)
            if who in "EBWZ":
                before.setdefault(seen[after], []).append((who, number))
        if len(states) > LIMIT:
            raise KubedebError(
                f"the plan has more than {LIMIT:,} vectors of counts", code=ExitCode.REFUSED,
                hint="Prove it without counting: its steps are then judged at their worst.",
            )  # fmt: skip
    found += _ends(machine, states, before, case)
    exposures = tuple((step, fault, judge.exposures[step, fault]) for step, fault in sorted(judge.exposures))
    levels = tuple(sorted(judge.levels.items()))
    return StackVerdict(_violations(found), sum(judge.levels.values()), levels, exposures, tuple(findings(case)))


def _step(case: StackCase, state: StackState) -> str | None:
    return case.steps[state.step].step.id if state.step < len(case.steps) else None


def _ends(
    machine: StackMachine, states: list[StackState], before: dict[int, list[tuple[str, int]]], case: StackCase
) -> list[tuple[Clause, str | None]]:
    own = [state.fault[0] in ("", "executor") for state in states]
    over = [number for number, state in enumerate(states) if own[number] and machine.finished(state)]
    comes = _coming_to(over, before, "EBWZ")
    stuck = [number for number, counted in enumerate(own) if counted and number not in comes]
    found: list[tuple[Clause, str | None]] = [(("no-dead-end", "stuck"), _step(case, states[stuck[0]]))] if stuck else []
    if 0 not in _coming_to([number for number in over if states[number].way == FORWARD], before, "EW"):
        found.append((("reaches-end", "endless"), None))
    return found


def _coming_to(ends: list[int], before: dict[int, list[tuple[str, int]]], whose: str) -> set[int]:
    comes, waiting = set(ends), list(ends)
    while waiting:
        for who, number in before.get(waiting.pop(), ()):
            if who in whose and number not in comes:
                comes.add(number)
                waiting.append(number)
    return comes
