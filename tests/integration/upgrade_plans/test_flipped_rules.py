"""Flip each rule, a condition leaf by leaf: some case of the rule must tell. The rows of flags are flipped in test_flags.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from kubedeb.errors import KubedebError
from kubedeb.knowledge import Knowledge, Rule, load
from kubedeb.knowledge.conditions import Condition
from kubedeb.knowledge.journey import BITES, bites, stops
from kubedeb.knowledge.ranges import Range
from kubedeb.knowledge.schema import DetectMode
from rulecases import cases, way
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


def met(rule: Rule, knowledge: Knowledge) -> set[str]:
    """Return the rules that are met where `rule` is: on its product's way, or from one version straight to the other."""
    product = next((name for name, parts in load().parts.items() if rule.component in parts), rule.component)
    names = (product, *knowledge.parts.get(product, ()))
    old, new = way(rule, load())
    try:
        walked = stops(knowledge, product, old, new)
    except KubedebError:
        walked = (old, new)
    return {one.id for one in knowledge.rules if one.component in names and any(bites(one, *step) for step in pairwise(walked))}


def test_no_rule_that_a_person_looks_at_can_be_flipped_without_a_way_that_tells() -> None:
    knowledge, silent = load(), []
    rows = [rule for rule in knowledge.rules if rule.detect.mode is DetectMode.MANUAL]
    for rule in rows:
        assert rule.id in met(rule, knowledge)
        for mutant in (rule.model_copy(update={"from_": NOWHERE}), rule.model_copy(update={"to": NOWHERE})):
            others = tuple(mutant if one.id == rule.id else one for one in knowledge.rules)
            if rule.id in met(rule, replace(knowledge, rules=others)):
                silent.append(f"{rule.id}: {mutant.from_} {mutant.to}")
    assert rows
    assert silent == []


def test_no_part_can_be_taken_out_of_a_product_without_a_way_that_tells() -> None:
    """What is known of a part is met on the product's way; of one that no row is about nothing is lost."""
    knowledge, silent = load(), set()
    for product, parts in knowledge.parts.items():
        for part in parts:
            about = [rule for rule in knowledge.rules if rule.component == part and rule.kind in BITES]
            less = replace(knowledge, parts={**knowledge.parts, product: tuple(one for one in parts if one != part)})
            told = any(rule.id in met(rule, knowledge) and rule.id not in met(rule, less) for rule in about)
            silent |= set() if told else {part}
    assert silent == {part for parts in knowledge.parts.values() for part in parts} - {
        rule.component for rule in knowledge.rules if rule.kind in BITES
    }


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
