"""Plans and verdicts as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from kubedeb.knowledge import Knowledge
from upgrade_plans.models.claims import INHERITED
from upgrade_plans.models.plan import Phase, Plan, Step
from upgrade_plans.prover.blocked import BLOCKED
from upgrade_plans.prover.certificate import MODEL, NOT_CLAIMED
from upgrade_plans.prover.verdict import Moment, Story, Verdict, Violation

NO_RETURN = "NO WAY BACK"


def spell(seconds: float) -> str:
    """Return a duration as `12 s` or `3 min`."""
    return f"{seconds:.0f} s" if seconds < 180 else f"{seconds / 60:.0f} min"


def length(steps: tuple[Step, ...]) -> tuple[float, float]:
    """Return the sums of p50 and of p95, in seconds; the second is more than the p95 of the sum."""
    return sum(step.duration.p50 for step in steps), sum(step.duration.p95 for step in steps)


def eta(p50: float, p95: float, learned: int) -> str:
    """Return the line about the time that a plan takes, `learned` from so many steps of earlier runs."""
    known = f"from {learned} steps of earlier runs and the priors" if learned else "from the priors: no earlier run is known"
    return f"ETA: {spell(p50)} in half of all runs, {spell(p95)} or less in 95 of 100 ({known})"


def plan_tree(plan: Plan) -> Iterator[str]:
    """Yield a plan as a tree: phases, steps, each with its reason and its way back."""
    target = ", ".join(f"{name} {version}" for name, version in plan.target.items())
    p50, p95 = length(plan.steps)
    yield f"{plan.cluster}: {len(plan.members)} etcd members, cluster version {plan.cluster_version} → {target}"
    if not plan.steps:
        yield "nothing to do: every member runs the target"
        return
    blocking = [step.id for step in plan.steps if step.blocks]
    yield f"{len(plan.steps)} steps, about {spell(p50)} (at most {spell(p95)} if every step is slow)"
    yield f"no way back after: {', '.join(blocking) or 'none, every step can be undone'}"
    for phase in plan.phases:
        yield ""
        yield from _phase(phase)


def _phase(phase: Phase) -> Iterator[str]:
    p50, p95 = length(phase.steps)
    yield f"{phase.id}: {phase.title} (about {spell(p50)}, at most {spell(p95)})"
    yield f"│  {phase.reason}"
    for index, step in enumerate(phase.steps):
        last = index == len(phase.steps) - 1
        yield f"{'└─' if last else '├─'} {step.id}  {step.kind} on {', '.join(step.nodes)}  [{way_back(step)}]{_age(step)}"
        yield f"{'  ' if last else '│ '}    {step.reason}"


def _age(step: Step) -> str:
    return "" if step.max_backup_age is None else f"  (backup at most {spell(step.max_backup_age)} old)"


def way_back(step: Step) -> str:
    """Return what a plan's undo column says of a step."""
    if step.blocks:
        return NO_RETURN
    if step.undo is not None:
        return f"undo: back to {step.undo.to}"
    return "changes nothing that needs undoing"


def explain_step(plan: Plan, step: Step, knowledge: Knowledge) -> Iterator[str]:
    """Yield everything that is known of one step."""
    phase = next(phase for phase in plan.phases if step in phase.steps)
    yield f"{step.id}: {step.kind} of {step.component} {step.from_} → {step.to} on {', '.join(step.nodes)}"
    yield f"  in {phase.id}: {phase.title}"
    yield f"  why: {step.reason}"
    yield f"  time: about {spell(step.duration.p50)}, at most {spell(step.duration.p95)}"
    yield f"  after: {', '.join(step.requires) or 'nothing'}"
    yield f"  before it begins: {', '.join(step.pre) or 'nothing is asked'}"
    yield f"  before it counts as done: {', '.join(step.post) or 'its effect is read back'}"
    yield f"  way back: {way_back(step)}" + (f", asking {', '.join(step.undo.pre)}" if step.undo else "")
    if step.max_backup_age is not None:
        yield f"  age of the proven backup when it begins: at most {spell(step.max_backup_age)}"
    for block in step.blocks:
        yield f"  blocks: {block.state}"
        yield f"    by: {block.by}"
        yield f"    loss: {block.loss}"
    for rule_id in step.rules:
        rule = knowledge.by_id.get(rule_id)
        if rule is None:
            yield f"  rule {rule_id}: not in this version's knowledge"
            continue
        yield f"  rule {rule_id} ({rule.severity}, {rule.confidence}): {rule.what}"
        yield f"    {rule.source}"


def verdict_text(verdict: Verdict, knowledge: Knowledge) -> Iterator[str]:
    """Yield a verdict: the figures and exposures of a proof, or the story of a refusal."""
    if verdict.proven:
        yield from _proof(verdict, knowledge)
    else:
        yield from refusal(verdict, knowledge)


def _proof(verdict: Verdict, knowledge: Knowledge) -> Iterator[str]:
    levels = ", ".join(f"{count} {level}" for level, count in verdict.levels.items())
    start = f"the facts {verdict.facts[:12]}" if verdict.facts else "the start that the plan states (no facts were given)"
    yield f"PROVEN: in the model {MODEL}, with {len(verdict.rules)} rules, from {start},"
    yield "no reachable state violates an invariant."
    yield f"  states: {verdict.states} ({levels}); one fault at a time of: {', '.join(verdict.faults)}"
    inferred = [f"{rule} ({knowledge.by_id[rule].source})" for rule in verdict.inferred]
    yield f"  rules whose source was not read verbatim: {', '.join(inferred) or 'none'}"
    yield from (f"  finding: {finding}" for finding in verdict.findings)
    inherited = [exposure for exposure in verdict.exposures if exposure.fault == BLOCKED]
    faults = [exposure for exposure in verdict.exposures if exposure.fault != BLOCKED]
    if inherited:
        total = spell(sum(exposure.seconds for exposure in inherited))
        yield f"  exposure: {INHERITED[BLOCKED]} until {inherited[-1].step} is over, about {total}"
        yield f"    recovery: {inherited[-1].recovery}"
    if not faults:
        yield "  exposures: none; after any one fault a majority is left in every state"
    else:
        yield "  exposures (one more fault would stop writes, and nothing can be done about it):"
    for step in dict.fromkeys(exposure.step for exposure in faults):
        here = [exposure for exposure in faults if exposure.step == step]
        kinds = ", ".join(exposure.fault for exposure in here)
        yield f"    {step}: about {spell(here[0].seconds)}, {here[0].states} states; a fault of {kinds}"
    if faults:
        yield "    recovery: bring back what failed; a majority is then up again and nothing is lost"
    yield f"  not claimed: {'; '.join(NOT_CLAIMED)}"


def refusal(verdict: Verdict, knowledge: Knowledge) -> Iterator[str]:
    """Yield why a plan is refused: the violations, and the nearest one as a story."""
    yield "REFUSED: " + ", ".join(dict.fromkeys(violation.invariant for violation in verdict.violations))
    for violation in verdict.violations:
        yield f"  {violation.invariant} ({violation.clause}): {violation.what}" + _at(violation)
    if verdict.counterexample is not None:
        yield ""
        yield from _told(verdict.counterexample, knowledge)


def _at(violation: Violation) -> str:
    return f" [{violation.step}]" if violation.step and violation.step not in violation.what else ""


def _told(story: Story, knowledge: Knowledge) -> Iterator[str]:
    yield "The nearest way into it:"
    yield f"   0. {_members(story.begins)}; {story.leader} leads"
    before = story.begins
    for number, (what, moment) in enumerate(_folded(story.moments), 1):
        yield f"  {number:2}. {what}"
        if moment.where != before:
            yield f"      now: {_members(moment.where)}; cluster version {moment.cluster_version}"
        before = moment.where
    yield f"   ⇒ {story.ends.invariant}: {story.ends.what}"
    for rule_id in story.ends.rules:
        rule = knowledge.by_id[rule_id]
        yield f"     rule {rule.id}: {rule.what}"
        yield f"     source: {rule.source} ({rule.confidence})"


def _folded(moments: tuple[Moment, ...]) -> Iterator[tuple[str, Moment]]:
    """Yield the moments; a step that goes through as planned is one of them."""
    for step, group in groupby(moments, key=lambda moment: moment.step):
        here = list(group)
        if here[-1].ends_step and all(moment.planned for moment in here):
            yield f"step {step} goes through as planned", here[-1]
        else:
            yield from ((moment.what, moment) for moment in here)


def _members(where: dict[str, str]) -> str:
    return ", ".join(f"{node} {runs}" for node, runs in where.items())
