"""The prover's run: static checks, exploration, verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kubedeb.knowledge import Confidence, Knowledge, RuleKind
from upgrade_plans.canonical import digest
from upgrade_plans.models import claims
from upgrade_plans.models.facts import Facts
from upgrade_plans.models.plan import Plan, StepKind
from upgrade_plans.models.state import FaultKind
from upgrade_plans.prover import blocked as versions
from upgrade_plans.prover.evidence import evidence
from upgrade_plans.prover.explore import At, Explored, explore
from upgrade_plans.prover.judge import CLAUSES, DEAD_END, ENDLESS, Judge
from upgrade_plans.prover.machine import Machine
from upgrade_plans.prover.program import Program, compile_plan
from upgrade_plans.prover.static import static_checks
from upgrade_plans.prover.story import tell
from upgrade_plans.prover.symmetry import Reductions, Symmetry
from upgrade_plans.prover.verdict import Exposure, Verdict, Violation

ALL = Reductions()
FAULT_CLASSES = tuple(kind.value for kind in FaultKind)
RECOVERY: dict[str, str] = {
    versions.BLOCKED: claims.RECOVERY[versions.BLOCKED],
    FaultKind.PROCESS: "the unit starts the daemon again; nothing is lost, writes wait meanwhile",
    FaultKind.NODE: "bring the node back; nothing is lost, writes wait meanwhile",
    FaultKind.LINK: "mend the link; nothing is lost, writes wait meanwhile",
    FaultKind.ROW: "bring the row back; nothing is lost, writes wait meanwhile",
}


def prove(
    plan: Plan, facts: Facts | None, knowledge: Knowledge, reductions: Reductions = ALL, *, with_evidence: bool = False
) -> Verdict:
    """Judge every state that `plan` can reach, from the start that the plan states; `facts` are compared with its digest.

    Takes time and memory in proportion to the number of states that are left with `reductions`, which change no verdict and
    no count. The rules are those of docs/semantics.md and `knowledge`. `with_evidence`: the verdict has what a checker needs.
    """
    rules = _rules(plan, knowledge)
    inferred = tuple(rule for rule in rules if knowledge.by_id[rule].confidence is Confidence.INFERRED)
    compared = digest(facts) if facts is not None else None
    wrong = static_checks(plan)
    if wrong:
        return Verdict(wrong, None, faults=FAULT_CLASSES, rules=rules, inferred=inferred, facts=compared)
    program = compile_plan(plan, lambda line: knowledge.next_line("etcd", line), merge_rows=reductions.rows)
    machine = Machine(program)
    inherited = frozenset(rank for rank, one in enumerate(program.versions) if versions.blocking(one, knowledge))
    symmetry, judge = Symmetry(program, on=reductions.symmetry), Judge(machine, inherited)
    found = explore(machine, judge, symmetry)
    if reductions.symmetry and any(symmetry.cells) and {DEAD_END, ENDLESS} & set(found.first):
        again = replace(reductions, symmetry=False)  # a suspicion: see explore
        return prove(plan, facts, knowledge, again, with_evidence=with_evidence)
    violations = _violations(program, found, knowledge)
    findings = (*_other_inputs(plan, compared, knowledge), *_findings(program, machine.majority))
    return Verdict(
        violations=(*(violation for violation, _ in violations), *versions.blocked(plan, knowledge)),
        states=found.stands_for, visited=len(found.states),
        levels=dict(sorted(judge.levels.items())),
        exposures=tuple(_exposures(program, judge)), findings=findings,
        faults=FAULT_CLASSES, rules=rules, inferred=inferred, facts=compared,
        counterexample=tell(machine, found, symmetry, *violations[0]) if violations else None,
        evidence=evidence(program, found, reductions) if with_evidence else None,
    )  # fmt: skip


def _violations(program: Program, found: Explored, knowledge: Knowledge) -> list[tuple[Violation, At]]:
    """Return one violation for each clause that is violated somewhere and where it was met.

    What is unsafe comes before what leads nowhere, the nearest first.
    """
    made = []
    order = sorted(found.first.items(), key=lambda item: (item[0] in (DEAD_END, ENDLESS), item[1][0], item[0]))
    for clause, (index, number) in order:
        described = CLAUSES[clause]
        step = program.places[found.states[index][7]].step
        rules = tuple(rule for rule in described.rules if rule in knowledge.by_id)
        violation = Violation(described.invariant, described.name, described.what, _step_id(program, step), rules)
        made.append((violation, (index, number)))
    return made


def _step_id(program: Program, step: int) -> str | None:
    return program.steps[step].id if step < len(program.steps) else None


def _exposures(program: Program, judge: Judge) -> list[Exposure]:
    kinds = [versions.BLOCKED, *FaultKind]
    found = sorted(judge.exposures.items(), key=lambda item: (item[0][0], kinds.index(item[0][1])))
    return [
        Exposure(program.steps[step].id, str(kind), states, program.steps[step].duration.p50, RECOVERY[kind])
        for (step, kind), states in found
        if step < len(program.steps)
    ]


def _findings(program: Program, majority: int) -> list[str]:
    found = []
    if program.size < 3:
        found.append(f"a cluster of {program.size} has no member to spare")
    for row, mask in program.rows:
        if mask.bit_count() > 1:
            nodes = [node for index, node in enumerate(program.members) if mask >> index & 1]
            left = "still leaves" if program.size - len(nodes) >= majority else "leaves less than"
            found.append(f"row {row} holds {', '.join(nodes)}: losing it {left} a majority")
    return found


def _other_inputs(plan: Plan, compared: str | None, knowledge: Knowledge) -> Iterator[str]:
    if compared is not None and compared != plan.inputs.facts:
        yield "the plan was made from other facts than these"
    if knowledge.digest != plan.inputs.knowledge:
        yield "the plan was made with other knowledge than this"


def _rules(plan: Plan, knowledge: Knowledge) -> tuple[str, ...]:
    """Return the rules that the verdict rests on: those of the invariants and the hops that the plan makes."""
    used = {rule for clause in CLAUSES for rule in clause.rules}
    used |= {
        rule for step in plan.steps if step.kind is StepKind.CHANGE
        for rule in step.rules if rule in knowledge.by_id and knowledge.by_id[rule].kind is RuleKind.HOP
    }  # fmt: skip
    return tuple(sorted(used & set(knowledge.by_id)))
