"""Flip each rule, a condition leaf by leaf: some case of the rule must tell."""

from __future__ import annotations

from collections.abc import Iterator

from kubedeb.knowledge import Rule, load
from kubedeb.knowledge.conditions import Condition
from kubedeb.knowledge.ranges import Range
from kubedeb.knowledge.schema import DetectMode
from rulecases import cases
from upgrade_plans.planner.detect import concerns

NOWHERE = Range.parse("0.0.x")
"""A line that no component has had."""


def flips(when: Condition) -> Iterator[Condition]:
    """Yield a condition with one leaf turned into its opposite, for each leaf."""
    for join in ("all", "any"):
        for index, one in enumerate(parts := getattr(when, join) or ()):
            for turned in flips(one):
                yield Condition(**{join: (*parts[:index], turned, *parts[index + 1 :])})
    if when.no is not None:
        yield when.no
    if when.field is not None:
        yield when.model_copy(update={"present": not when.present}) if when.present is not None else Condition(no=when)


def flipped(rule: Rule) -> Iterator[Rule]:
    """Yield a rule with its condition flipped; one that goes by versions alone so that it concerns none, or allows all."""
    if rule.detect.when is not None:
        for when in flips(rule.detect.when):
            yield rule.model_copy(update={"detect": rule.detect.model_copy(update={"when": when})})
    elif rule.skew is not None:
        yield rule.model_copy(update={"skew": rule.skew.model_copy(update={"behind": 99, "ahead": 99})})
    elif rule.window is not None:
        window = rule.window.model_copy(update={"oldest": NOWHERE, "newest": None})
        yield rule.model_copy(update={"window": window})
    else:
        yield rule.model_copy(update={"from_": NOWHERE, "to": NOWHERE})


def test_no_rule_can_be_flipped_without_a_case_that_tells() -> None:
    knowledge = load()
    silent, number, tried = [], 0, set()
    for rule in knowledge.rules:
        if rule.detect.mode is not DetectMode.AUTO:
            continue
        known = list(cases(rule, knowledge))
        for mutant in flipped(rule):
            number += 1
            tried.add(rule.id)
            if all(concerns(case.facts, case.target, knowledge, mutant) == case.hits for case in known):
                silent.append(f"{rule.id}: {mutant.detect.when or mutant.kind}")
    assert silent == []
    assert tried == {rule.id for rule in knowledge.rules if rule.detect.mode is DetectMode.AUTO}
    assert number > len(tried)
