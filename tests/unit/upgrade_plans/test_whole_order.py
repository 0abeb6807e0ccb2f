"""The same plan gives the same certificate, byte for byte: what a state violates comes in an order that no set decides."""

from __future__ import annotations

import byhand
from kubedeb.knowledge import load
from kubedeb.versions import Version
from upgrade_plans.prover.mixrules import MixRules
from upgrade_plans.prover.wholecase import compile_whole
from upgrade_plans.prover.wholejudge import WholeJudge
from upgrade_plans.prover.wholerecords import Record
from upgrade_plans.prover.wholestate import FORWARD, PENDING, Memory, Standing, State, View

MISSION = next(case["plan"] for case in byhand.cases() if case["name"] == "the mission by hand is proven")
NEW = Version(1, 10, 13)


def test_refused_flags_come_in_their_order() -> None:
    refused = [one.flag for one in load().flags if one.component == "kubelet" and one.removed_from(NEW)]
    fleet = frozenset(("kubelet", Record(NEW, NEW, lines=((flag, "1"),))) for flag in refused)
    case = compile_whole(MISSION, load())
    view = View(Standing({}, fleet), frozenset(), case.boundaries[0], None)
    judge = WholeJudge(case, load(), lambda _step, _parts: view)
    start = State(FORWARD, 0, (PENDING,), Memory(None, frozenset(), None))
    said = [part for invariant, part, _ in judge.judge(start, finished=False) if invariant == "flags-legal"]
    assert said == sorted(f"{flag} with kubelet {NEW}" for flag in refused)
    assert len(said) > 5


def test_blocked_versions_come_in_their_order() -> None:
    """Components and versions, however the mix was put together."""
    blocked = [Version.parse(text) for text in ("3.5.3", "3.0.0", "3.5.1", "3.4.20")]
    mix = {"kubelet": frozenset({NEW}), "etcd": frozenset(blocked)}
    found = [rule.id for rule in MixRules(load()).broken(mix)]
    assert found == [rule.id for one in sorted(blocked) for rule in load().blocked("etcd", one)]
