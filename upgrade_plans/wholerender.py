"""The verdict on a whole stack's plan as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from kubedeb.knowledge import Knowledge
from kubedeb.output import counted
from upgrade_plans.models.claims import INHERITED, NOT_CLAIMED, RECOVERY
from upgrade_plans.models.upgrade import Upgrade
from upgrade_plans.prover.verdict import Violation
from upgrade_plans.prover.whole import WholeVerdict
from upgrade_plans.prover.wholeprove import MODEL, Happening
from upgrade_plans.render import spell

DOES = {
    "begin": "{part} is taken in hand", "end": "{part} is done", "act": "it is done", "advance": "the step ends",
    "turn": "the executor turns back", "ended": "the way back ends here",
}  # fmt: skip
UNDOES = {**DOES, "begin": "{part} is taken in hand to go back", "end": "{part} is back", "advance": "the step is undone"}


def proof(plan: Upgrade, verdict: WholeVerdict, knowledge: Knowledge) -> Iterator[str]:
    """Yield the figures, exposures and limits of a proof."""
    sequence = verdict.sequence
    levels = ", ".join(f"{count} {level}" for level, count in sequence.levels.items())
    start = f"the facts {verdict.facts[:12]}" if verdict.facts else "the start that the plan states (no facts were given)"
    yield f"PROVEN: in the model {MODEL}, with {len(sequence.rules)} rules, from {start},"
    yield "no reachable state violates an invariant, and from each of them a way leads to the end or back."
    yield f"  states: {sequence.states} ({levels}), judged by what runs and by what any reboot would start"
    for segment in verdict.segments:
        states = "each step bounded" if segment.states is None else f"{segment.states} states"
        yield f"  proven apart: {segment.about}, in {segment.model} ({states})"
    inferred = [f"{rule} ({knowledge.by_id[rule].source})" for rule in sequence.inferred]
    yield f"  rules whose source was not read verbatim: {', '.join(inferred) or 'none'}"
    for rule, step in sequence.warned.items():
        yield f"  warning: {knowledge.by_id[rule].what} [{rule}{f', from {step} on' if step else ''}]"
    yield from (f"  finding: {text}" for text in dict.fromkeys(text for one in verdict.segments for text in one.findings))
    yield from _exposures(plan, verdict)
    yield f"  not claimed: {'; '.join(NOT_CLAIMED)}"


def _exposures(plan: Upgrade, verdict: WholeVerdict) -> Iterator[str]:
    seconds = {step.id: step.duration.p50 for step in plan.steps}
    pairs = [(step, fault) for step, fault, _ in verdict.sequence.exposures]
    pairs += [(step, fault) for one in verdict.segments if one.model == "stack-rolling/1" for step, fault, _ in one.exposures]
    order = [*seconds, ""]  # The last: what is so at the plan's end.
    exposed = dict.fromkeys(sorted(pairs, key=lambda pair: order.index(pair[0])))
    for kind, what in INHERITED.items():
        if steps := [step for step, fault in exposed if fault == kind]:
            long = spell(sum(seconds.get(step, 0.0) for step in steps))
            yield f"  exposure: {what} until {steps[-1]} is over, about {long}"
            yield f"    recovery: {RECOVERY[kind]}"
    exposed = {pair: None for pair in exposed if pair[1] not in INHERITED}
    if not exposed:
        yield "  exposures: none"
        return
    total = sum(seconds.get(step, 0.0) for step in dict.fromkeys(step for step, _ in exposed))
    yield (
        f"  exposures: in {counted(len(exposed), 'step')}, {spell(total)} together, one more fault would stop a service; "
        "no order of steps spares that"
    )
    for step, fault in exposed:
        yield f"    {step}: a fault of a {fault}, about {spell(seconds.get(step, 0.0))}"
    yield "    recovery: bring back what failed; nothing is lost"


def refusal(verdict: WholeVerdict, knowledge: Knowledge) -> Iterator[str]:
    """Yield why a plan is refused: the violations, and the nearest one as a story."""
    yield "REFUSED: " + ", ".join(dict.fromkeys(one.invariant for one in verdict.violations))
    for one in verdict.violations:
        yield from _violation(one, knowledge)
    if verdict.sequence.story:
        yield ""
        yield "The nearest way into it:"
        yield from (f"  {number:3}. {text}" for number, text in enumerate(_told(verdict.sequence.story), 1))
        yield from (f"      {text}" for text in verdict.sequence.there)
        yield f"    ⇒ {verdict.violations[0].invariant}: {verdict.violations[0].what}"


def _violation(one: Violation, knowledge: Knowledge) -> Iterator[str]:
    yield f"  {one.invariant}: {one.what}" + (f" [{one.step}]" if one.step and one.step not in one.what else "")
    for rule in one.rules:
        if rule in knowledge.by_id:
            yield f"    rule {rule}: {knowledge.by_id[rule].what}"
            yield f"    source: {knowledge.by_id[rule].source} ({knowledge.by_id[rule].confidence})"


def _told(story: tuple[Happening, ...]) -> Iterator[str]:
    """Yield a story's lines; a step that goes through as planned is one, and so are several of these."""
    through: list[str] = []
    for step, group in groupby(story, key=lambda one: one.step):
        here = list(group)
        if all(one.planned for one in here) and here[-1].what == "advance":
            through.append(step)
            continue
        yield from _through(through)
        through = []
        for one in here:
            words = DOES if one.planned or one.what in ("turn", "ended") else UNDOES
            yield f"{step}: {words[one.what].format(part=one.part or 'what it takes')}"
    yield from _through(through)


def _through(steps: list[str]) -> Iterator[str]:
    if len(steps) > 2:
        yield f"{len(steps)} steps go through as planned, from {steps[0]} to {steps[-1]}"
    else:
        yield from (f"{step} goes through as planned" for step in steps)
