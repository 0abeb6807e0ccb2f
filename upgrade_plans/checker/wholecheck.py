"""The check of a whole stack's certificate: everything that it states is derived again, and held to what is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubedeb.knowledge import Confidence, Knowledge
from upgrade_plans.canonical import digest
from upgrade_plans.checker.differences import brief
from upgrade_plans.checker.wholecounted import Found, counted
from upgrade_plans.checker.wholefind import Sequence, find
from upgrade_plans.checker.wholehops import Walked, hops, walked
from upgrade_plans.checker.wholestory import gone_through
from upgrade_plans.models.certificate import WHOLE_FORMAT, StatedSegment, WholeCertificate, WholeViolation
from upgrade_plans.models.claims import FAULTS, NOT_CLAIMED, RECOVERY
from upgrade_plans.models.upgrade import Upgrade

MODEL, COUNTED, HOP = "stack-sequence/1", "stack-rolling/1", "etcd-rolling/1"
ABOUT = "API servers, managers and workers"


@dataclass
class Anew:
    """What this checker finds of a plan by itself: its sequence, its segments, each hop of several members."""

    plan: str
    """The plan's sha256."""
    sequence: Sequence
    segment: Found | None = None
    hops: tuple[Walked, ...] = ()


def check_whole(certificate: WholeCertificate, plan: Upgrade, knowledge: Knowledge) -> tuple[str, ...]:
    """Return what a certificate states of a whole stack's plan and is not so; nothing means that it holds.

    All of it is derived again from the plan and the rows: see docs/semantics.md, 17. Not held to anything are words for people.
    """
    wrong = tuple(_inputs(certificate, plan, knowledge, digest(plan)))
    return wrong or compare(certificate, plan, knowledge, anew(plan, knowledge))


def anew(plan: Upgrade, knowledge: Knowledge) -> Anew:
    """Find everything that a certificate of a plan states."""
    sequence = find(plan, knowledge)
    if sequence.states is None:
        return Anew(digest(plan), sequence)
    return Anew(digest(plan), sequence, counted(plan, knowledge), tuple(walked(plan, step, knowledge) for step in hops(plan)))


def compare(certificate: WholeCertificate, plan: Upgrade, knowledge: Knowledge, found: Anew) -> tuple[str, ...]:
    """Return what a certificate states and is not what was found anew."""
    return (
        *_inputs(certificate, plan, knowledge, found.plan), *_verdict(certificate), *_sequence(certificate, found.sequence),
        *_violations(certificate, found.sequence, knowledge), *_story(certificate, found.sequence),
        *_exposures(certificate, plan, found), *_segments(certificate, found), *_of_segments(certificate, found),
    )  # fmt: skip


def _differ(name: str, stated: object, found: object) -> Iterator[str]:
    if stated != found:
        yield f"{name}: it states {brief(stated)}, and {brief(found)} is found"


def _inputs(certificate: WholeCertificate, plan: Upgrade, knowledge: Knowledge, sha256: str) -> Iterator[str]:
    if (certificate.format, certificate.model) != (WHOLE_FORMAT, MODEL):
        yield f"it is of the model {certificate.model!r}; this checker knows {MODEL} for such a plan"
    stated = certificate.sha256
    for what, theirs, ours in (
        ("plan", stated.plan, sha256), ("knowledge", stated.knowledge, knowledge.digest),
        ("start", stated.facts or plan.inputs.facts, plan.inputs.facts),
    ):  # fmt: skip
        if theirs != ours:
            yield f"it is of another {what}: sha256 {theirs}, not {ours}"
    if (certificate.cluster, certificate.target) != (plan.cluster, plan.target):
        yield "it names another cluster or target than the plan"
    if (certificate.states is None) != (certificate.evidence is None):
        yield "it carries no evidence: no digests of the states"
    yield from _differ("plan_says_made_from", certificate.plan_says_made_from, plan.inputs.model_dump())
    yield from _differ("fault_classes", certificate.fault_classes, FAULTS)
    yield from _differ("not_claimed", certificate.not_claimed, NOT_CLAIMED)


def _verdict(certificate: WholeCertificate) -> Iterator[str]:
    """Hold the verdict to the certificate's own violations and segments."""
    segments = all(segment.proven for segment in certificate.segments)
    if certificate.proven != (not certificate.violations) or (certificate.proven and not segments):
        yield f"proven: it states {brief(certificate.proven)}, and its violations and segments say otherwise"


def _sequence(certificate: WholeCertificate, found: Sequence) -> Iterator[str]:
    mine = [item for item in certificate.violations if item.model == MODEL]
    yield from _differ("violations", sorted({(one.invariant, one.clause) for one in mine}), sorted(found.violated))
    yield from _differ("states", certificate.states, found.states)
    yield from _differ("levels", certificate.levels, found.levels)
    yield from _differ("places", certificate.evidence.places if certificate.evidence else {}, found.places)
    warned = {rule for rule, _ in found.warned}
    yield from _differ("warnings", sorted(one.rule for one in certificate.warnings), sorted(warned))
    for one in certificate.warnings:
        if (one.rule, one.step) not in found.warned and one.rule in warned:
            yield f"warnings: {one.rule} does not warn of any state in {one.step!r}"


def _violations(certificate: WholeCertificate, found: Sequence, knowledge: Knowledge) -> Iterator[str]:
    """Hold each violation of the sequence to where it is found, and the rules to those that were asked."""
    yield from _differ("rules", list(certificate.rules), found.rules)
    inferred = [rule for rule in certificate.rules
                if rule in knowledge.by_id and knowledge.by_id[rule].confidence is Confidence.INFERRED]  # fmt: skip
    yield from _differ("inferred_rules", list(certificate.inferred_rules), inferred)
    named: dict[tuple[str, str], set[str]] = {}
    for number, one in enumerate(certificate.violations):
        if (
            one in certificate.violations[:number]
            or len(set(one.rules)) < len(one.rules)
            or (one.rules and found.states is None)
        ):
            yield f"violations: {one.invariant} ({one.clause}) stands there twice, or with rows that it does not rest on"
        for rule in one.rules:
            if rule.id not in knowledge.by_id or knowledge.by_id[rule.id].source != rule.source:
                yield f"violations: no row {rule.id} stands in {rule.source}"
        if one.model == MODEL and found.states is not None:
            named.setdefault((one.invariant, one.clause), set()).update(rule.id for rule in one.rules)
            if (one.invariant, one.clause, one.step) not in found.at and (one.invariant, one.clause) in found.violated:
                yield f"violations: {one.invariant} ({one.clause}) is not violated in {one.step!r}"
    for clause, rules in named.items():
        behind = found.behind.get(clause, set()) & knowledge.by_id.keys()
        yield from _differ(f"rows behind {clause[0]} ({clause[1]})", sorted(rules), sorted(behind))


def _story(certificate: WholeCertificate, found: Sequence) -> Iterator[str]:
    """Go through the counter-example: it leads from the start to a state that violates what the certificate names first."""
    mine = [item for item in certificate.violations if item.model == MODEL]
    story = certificate.counterexample or ()
    if found.moves is None or not mine:
        yield from _differ("counterexample", len(story), 0)
        return
    end = gone_through(story, found.moves)
    if end is None:
        yield "counterexample: one of its transitions is none of the plan's"
    elif (mine[0].invariant, mine[0].clause) not in found.broken(end):
        yield f"counterexample: it does not lead to what violates {mine[0].invariant}"


def _exposures(certificate: WholeCertificate, plan: Upgrade, found: Anew) -> Iterator[str]:
    wanted = [(MODEL, *one) for one in found.sequence.exposures]
    wanted += [(COUNTED, step, fault, 0) for step, fault in sorted(found.segment.exposures)] if found.segment else []
    stated = [(one.model, one.step, one.fault, one.states) for one in certificate.exposures]
    yield from _differ("exposures", sorted(stated), sorted(wanted))
    seconds = {step.id: step.duration.p50 for step in plan.steps}
    for one in certificate.exposures:
        if (one.seconds, one.recovery) != (seconds.get(one.step, 0.0), RECOVERY.get(one.fault)):
            yield f"exposures: of {one.step} it states {brief((one.seconds, one.recovery))}, which is not so"


def _segments(certificate: WholeCertificate, found: Anew) -> Iterator[str]:
    """Hold the segments to those that the plan has, each with its states and its verdict."""
    wanted: list[tuple[str, str, int | None, bool]] = []
    if found.segment is not None:
        wanted.append((COUNTED, ABOUT, None, not found.segment.violations))
    wanted += [(HOP, one.step, one.states, not one.violated) for one in found.hops]
    stated = [(one.model, _about(one), one.states, one.proven) for one in certificate.segments]
    yield from _differ("segments", stated, wanted)
    earlier: dict[str, tuple[int | None, frozenset[str]]] = {}
    for one, hop in zip([one for one in certificate.segments if one.model == HOP], found.hops, strict=False):
        other = one.about.partition(", alike ")[2]
        if other and earlier.get(other) != (hop.states, hop.violated):
            yield f"segments: {hop.step} is not alike {other!r}"
        earlier[hop.step] = hop.states, hop.violated


def _about(segment: StatedSegment) -> str:
    return segment.about.split(", alike ")[0] if segment.model == HOP else segment.about


def _of_segments(certificate: WholeCertificate, found: Anew) -> Iterator[str]:
    """Hold the violations and findings of the segments to what is found; what the sequence says of a step is not said again."""
    known = {(one.invariant, one.step) for one in certificate.violations if one.model == MODEL}
    for model, wanted in (
        (COUNTED, {one for one in found.segment.violations if (one[0], one[2]) not in known} if found.segment else set()),
        (HOP, {(name, "", one.step) for one in found.hops for name in one.violated if (name, one.step) not in known}),
    ):  # fmt: skip
        stated = {_placed(one) for one in certificate.violations if one.model == model}
        yield from _differ(f"violations in {model}", sorted(stated, key=str), sorted(wanted, key=str))
    others = [one.model for one in certificate.violations if one.model not in (MODEL, COUNTED, HOP)]
    yield from _differ("violations in other models", others, [])
    yield from _differ(
        "findings", list(certificate.findings), list(dict.fromkeys(found.segment.findings)) if found.segment else []
    )


def _placed(one: WholeViolation) -> tuple[str, str, str | None]:
    # Part one's checker tells invariants, not clauses.
    return one.invariant, "" if one.model == HOP else one.clause, one.step
