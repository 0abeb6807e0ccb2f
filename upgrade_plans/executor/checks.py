"""The checks of a plan: each one small function from what was read to findings. Their meaning: docs/semantics.md, section 2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from upgrade_plans.executor.readings import MemberReading, line_of
from upgrade_plans.models.plan import Check, Release
from upgrade_plans.models.state import Line

LAG = 1000
"""Raft entries that a member may be behind the foremost one."""

Cached = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Node, package, version: the sha256 of the file in the node's packages' folder."""


@dataclass(frozen=True)
class Question:
    """What is about to be done, or was done: the step's nodes and versions; `again` for an act issued again or taken back,
    `later` for an act after the step's first; `max_age` in seconds of the proven backup, None for any.
    """

    nodes: tuple[str, ...]
    from_: str
    to: str
    back: bool = False
    again: bool = False
    later: bool = False
    max_age: int | None = None


@dataclass(frozen=True)
class Scene:
    """What the checks judge: every member's reading, what packages the nodes keep, the lines with a proven backup, the pins."""

    members: Mapping[str, MemberReading]
    cached: Cached
    proven: Mapping[Line, float]
    releases: Mapping[str, Release]
    now: float = 0.0


@dataclass(frozen=True)
class Finding:
    """Why a check does not hold."""

    check: Check
    text: str


def members_healthy(question: Question, scene: Scene) -> Iterable[str]:
    """Every member answers, is healthy and knows a leader; issued again or undone: every member outside the step."""
    spared = question.nodes if question.again or question.back else ()
    asked = [member for node, member in scene.members.items() if node not in spared]
    for member in asked:
        if member.running is None or member.status is None:
            yield f"member {member.node} does not answer: {member.why}"
        elif not member.healthy:
            yield f"member {member.node} says that it is not healthy"
        elif member.status.leader is None:
            yield f"member {member.node} knows no leader"


def caught_up(_question: Question, scene: Scene) -> Iterable[str]:
    """No member's raft index lags the highest by more than `LAG` entries."""
    indices = {member.node: member.status.raft_index for member in scene.members.values() if member.status is not None}
    highest = max(indices.values(), default=0)
    for node, index in indices.items():
        if highest - index > LAG:
            yield f"member {node} is {highest - index:,} raft entries behind (at most {LAG:,})"


def no_alarm(_question: Question, scene: Scene) -> Iterable[str]:
    """No member reports an alarm."""
    for member in scene.members.values():
        if member.alarms:
            yield f"member {member.node} reports {', '.join(member.alarms)}"


def cluster_version(question: Question, scene: Scene) -> Iterable[str]:
    """Every member that answers reports the line of `from` (undo: of `to`; in the middle of a step `to` will do as well)."""
    wanted = {line_of(question.to)} if question.back else {line_of(question.from_)}
    if not question.back and (question.again or question.later):
        wanted.add(line_of(question.to))
    said = " or ".join(f"{major}.{minor}" for major, minor in sorted(wanted))
    answers = [member for member in scene.members.values() if member.running is not None]
    for member in answers:
        if member.line not in wanted:
            yield f"member {member.node} reports the cluster version {member.cluster_version or 'not decided'}, not {said}"
    if not answers:
        yield "no member answers"


def cached(question: Question, scene: Scene) -> Iterable[str]:
    """The packages of `from` and `to` are in the cache of each of the step's nodes, with the plan's sha256."""
    for node in question.nodes:
        for version in dict.fromkeys((question.from_, question.to)):
            for name, pin in scene.releases[version].packages.items():
                found = scene.cached.get(node, {}).get(name, {}).get(pin.version)
                if found is None:
                    yield f"{name} {pin.version} is not in the packages' folder of {node}"
                elif found != pin.sha256:
                    where = f"in the packages' folder of {node}"
                    yield f"{name} {pin.version} {where} has sha256 {found}, the plan says {pin.sha256}"


def backup_proven(question: Question, scene: Scene) -> Iterable[str]:
    """A backup made at the present cluster version (in the middle of a step: at that of `from`) was restored and compared.

    How old it is matters until the cluster version has risen: from then on there is no way back but that backup.
    """
    lines, before = {member.line for member in scene.members.values() if member.line is not None}, line_of(question.from_)
    if (question.again or question.later) and before in scene.proven and lines != {before}:
        return
    if not lines or not lines <= scene.proven.keys():
        yield "there is no backup of the present cluster version that was restored and compared equal"
        return
    oldest = scene.now - min(scene.proven[line] for line in lines)
    if question.max_age is not None and oldest > question.max_age:
        yield f"the proven backup is {oldest / 60:,.0f} minutes old, the plan allows {question.max_age / 60:,.0f}"


CHECKS: dict[Check, Callable[[Question, Scene], Iterable[str]]] = {
    Check.MEMBERS_HEALTHY: members_healthy,
    Check.CAUGHT_UP: caught_up,
    Check.NO_ALARM: no_alarm,
    Check.CLUSTER_VERSION: cluster_version,
    Check.CACHED: cached,
    Check.BACKUP_PROVEN: backup_proven,
}


def judge(checks: Iterable[Check], question: Question, scene: Scene) -> tuple[Finding, ...]:
    """Return every finding of `checks`; none when all of them hold."""
    return tuple(Finding(check, text) for check in checks for text in CHECKS[check](question, scene))
