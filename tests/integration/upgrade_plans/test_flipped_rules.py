"""Flip each rule's condition, leaf by leaf: some case of the rule must tell."""

from __future__ import annotations

from collections.abc import Iterator

from kubedeb.knowledge import Rule, load
from kubedeb.knowledge.conditions import Condition
from rulecases import cases
from upgrade_plans.planner.detect import concerns


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
    """Yield a rule with its condition flipped; one that goes by versions with its ranges exchanged for others."""
    if rule.detect.when is None:
        return
    for when in flips(rule.detect.when):
        yield rule.model_copy(update={"detect": rule.detect.model_copy(update={"when": when})})


def test_no_leaf_can_be_flipped_without_a_case_that_tells() -> None:
    knowledge = load()
    silent, number = [], 0
    for rule in knowledge.rules:
        known = list(cases(rule, knowledge)) if rule.detect.when is not None else []
        for mutant in flipped(rule):
            number += 1
            if all(concerns(case.facts, case.target, knowledge, mutant) == case.hits for case in known):
                silent.append(f"{rule.id}: {mutant.detect.when}")
    assert silent == []
    assert number >= 183
