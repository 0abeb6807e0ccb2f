"""Each check: a scene in which it holds, and one change after which it says what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kubedeb.files import sha256_bytes
from upgrade_plans.adapters.protocols import Status
from upgrade_plans.executor.checks import CHECKS, LAG, Question, Scene, judge
from upgrade_plans.executor.readings import MemberReading
from upgrade_plans.models.plan import Check, PackagePin, Release

NODES = ("n1", "n2", "n3")
STATUS = Status("a", "c", "a", 5000, 7, 4096)
MEMBERS = {node: MemberReading(node, "3.4.23", "3.4.0", True, replace(STATUS, member_id=node, leader="n1")) for node in NODES}
OLD, NEW = sha256_bytes(b"3.4.23"), sha256_bytes(b"3.5.16")
RELEASES = {
    v: Release(packages={"etcd-server": PackagePin(version=f"{v}-1", sha256=sha256_bytes(v.encode()))})
    for v in ("3.4.23", "3.5.16")
}
CACHED = {"n2": {"etcd-server": {"3.4.23-1": OLD, "3.5.16-1": NEW}}}
SCENE = Scene(MEMBERS, CACHED, {(3, 4): 1000.0}, RELEASES, 1660.0)
FIRST = Question(("n2",), "3.4.23", "3.5.16")


def with_member(node: str, **changes: object) -> Scene:
    return replace(SCENE, members={**MEMBERS, node: replace(MEMBERS[node], **changes)})  # type: ignore[arg-type]


def risen(question: Question) -> tuple[Question, Scene]:
    return question, replace(
        SCENE, members={node: replace(member, cluster_version="3.5.0") for node, member in MEMBERS.items()}
    )


DOWN = with_member("n2", running=None, status=None, healthy=False, why="connection refused")
CASES: list[tuple[Check, Question, Scene, str | None]] = [
    (Check.MEMBERS_HEALTHY, FIRST, SCENE, None),
    (Check.MEMBERS_HEALTHY, FIRST, DOWN, "member n2 does not answer: connection refused"),
    (Check.MEMBERS_HEALTHY, replace(FIRST, again=True), DOWN, None),
    (Check.MEMBERS_HEALTHY, replace(FIRST, back=True), DOWN, None),
    (Check.MEMBERS_HEALTHY, replace(FIRST, again=True, nodes=("n3",)), DOWN, "member n2 does not answer: connection refused"),
    (Check.MEMBERS_HEALTHY, FIRST, with_member("n3", healthy=False), "member n3 says that it is not healthy"),
    (Check.MEMBERS_HEALTHY, FIRST, with_member("n3", status=replace(STATUS, leader=None)), "member n3 knows no leader"),
    (Check.CAUGHT_UP, FIRST, with_member("n3", status=replace(STATUS, raft_index=5000 - LAG)), None),
    (Check.CAUGHT_UP, FIRST, with_member("n3", status=replace(STATUS, raft_index=4999 - LAG)),
     "member n3 is 1,001 raft entries behind (at most 1,000)"),
    (Check.NO_ALARM, FIRST, SCENE, None),
    (Check.NO_ALARM, FIRST, with_member("n1", alarms=("NOSPACE",)), "member n1 reports NOSPACE"),
    (Check.CLUSTER_VERSION, FIRST, SCENE, None),
    (Check.CLUSTER_VERSION, FIRST, DOWN, None),
    (Check.CLUSTER_VERSION, *risen(FIRST), "member n1 reports the cluster version 3.5.0, not 3.4"),
    (Check.CLUSTER_VERSION, *risen(replace(FIRST, later=True)), None),
    (Check.CLUSTER_VERSION, *risen(replace(FIRST, again=True)), None),
    (Check.CLUSTER_VERSION, Question(("n2",), "3.5.16", "3.4.23", back=True), SCENE, None),
    (Check.CLUSTER_VERSION, *risen(Question(("n2",), "3.5.16", "3.4.23", back=True)),
     "member n1 reports the cluster version 3.5.0, not 3.4"),
    (Check.CLUSTER_VERSION, FIRST, with_member("n1", cluster_version=None),
     "member n1 reports the cluster version not decided, not 3.4"),
    (Check.CLUSTER_VERSION, FIRST, replace(SCENE, members={}), "no member answers"),
    (Check.CACHED, FIRST, SCENE, None),
    (Check.CACHED, FIRST, replace(SCENE, cached={}), "etcd-server 3.4.23-1 is not in the packages' folder of n2"),
    (Check.CACHED, FIRST, replace(SCENE, cached={"n2": {"etcd-server": {"3.4.23-1": "x", "3.5.16-1": NEW}}}),
     f"etcd-server 3.4.23-1 in the packages' folder of n2 has sha256 x, the plan says {OLD}"),
    (Check.BACKUP_PROVEN, FIRST, SCENE, None),
    (Check.BACKUP_PROVEN, FIRST, replace(SCENE, proven={(3, 3): 1000.0}),
     "there is no backup of the present cluster version that was restored and compared equal"),
    (Check.BACKUP_PROVEN, *risen(FIRST),
     "there is no backup of the present cluster version that was restored and compared equal"),
    (Check.BACKUP_PROVEN, *risen(replace(FIRST, later=True)), None),
    (Check.BACKUP_PROVEN, replace(FIRST, max_age=660), SCENE, None),
    (Check.BACKUP_PROVEN, replace(FIRST, max_age=600), SCENE, "the proven backup is 11 minutes old, the plan allows 10"),
    (Check.BACKUP_PROVEN, replace(FIRST, max_age=600, later=True), SCENE,
     "the proven backup is 11 minutes old, the plan allows 10"),
    (Check.BACKUP_PROVEN, *risen(replace(FIRST, max_age=600, again=True)), None),
]  # fmt: skip


@pytest.mark.parametrize(("check", "question", "scene", "finding"), CASES)
def test_check(check: Check, question: Question, scene: Scene, finding: str | None) -> None:
    found = judge([check], question, scene)
    assert [item.text for item in found][:1] == ([finding] if finding else [])
    assert {item.check for item in found} <= {check}


def test_every_check_has_a_case_that_holds_and_one_that_does_not() -> None:
    assert set(CHECKS) == set(Check)
    for check in Check:
        assert {finding is None for found, _, _, finding in CASES if found is check} == {True, False}


def test_all_findings_are_listed() -> None:
    broken = with_member("n3", healthy=False, alarms=("NOSPACE",))
    found = judge(Check, FIRST, replace(broken, cached={}, proven={}))
    assert {item.check for item in found} == {Check.MEMBERS_HEALTHY, Check.NO_ALARM, Check.CACHED, Check.BACKUP_PROVEN}
