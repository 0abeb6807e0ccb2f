"""Where the cluster stands, as far as planning is concerned, or why it cannot be changed as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubedeb.knowledge import Knowledge
from kubedeb.versions import Version, is_version
from upgrade_plans.models.facts import Facts, MemberFacts
from upgrade_plans.models.upstream import upstream_of
from upgrade_plans.planner.reasons import Reason, RefusedError

SERVER = "etcd-server"
AGAIN = "Then read the facts again: kubedeb inspect."


@dataclass(frozen=True)
class Place:
    """A member at the start: its node, row, id, and the one version that is installed and runs."""

    node: str
    row: str
    member_id: str
    version: Version
    leader: bool


@dataclass(frozen=True)
class Start:
    """The whole cluster at the start; `line` is the cluster version's."""

    members: tuple[Place, ...]
    cluster_id: str
    cluster_version: Version

    @property
    def line(self) -> tuple[int, int]:
        """Return the line that the cluster version is on."""
        return self.cluster_version.line

    @property
    def lowest(self) -> Version:
        """Return the lowest version that runs."""
        return min(member.version for member in self.members)


def read_start(facts: Facts, knowledge: Knowledge) -> Start:
    """Return the start. Raises `RefusedError` with everything that must be put right before any plan."""
    reasons = [*_whole(facts)]
    for member in facts.etcd:
        reasons += _alive(member)
    if reasons:
        raise RefusedError(*reasons)
    reasons += [reason for member in facts.etcd for reason in _one_version(facts, member)]
    if reasons:
        raise RefusedError(*reasons)
    members = tuple(_place(facts, member) for member in sorted(facts.etcd, key=lambda member: member.node))
    start = Start(members, str(facts.etcd[0].cluster_id), Version.parse(str(facts.etcd[0].cluster_version)))
    if reasons := [*_legal(start, knowledge)]:
        raise RefusedError(*reasons)
    return start


def _whole(facts: Facts) -> Iterator[Reason]:
    members = facts.etcd
    if len(members) < 3:
        yield Reason(
            f"{len(members)} etcd member{'s' if len(members) != 1 else ''}: changing one stops the cluster",
            "Add members until there are three, or plan an outage by hand.", "etcd-quorum",
        )  # fmt: skip
    answering = [member for member in members if member.running is not None]
    leaders = [member.node for member in answering if member.leader]
    if len(leaders) != 1:
        said = f"{', '.join(leaders)} each say that they lead" if leaders else "no member leads"
        yield Reason(said, f"Wait until the members agree on a leader. {AGAIN}", "etcd-healthy-first")
    for name, values in (
        ("cluster ids", {member.cluster_id for member in answering}),
        ("cluster versions", {member.cluster_version for member in answering}),
    ):
        if len(values) > 1:
            listed = ", ".join(sorted(str(value) for value in values))
            yield Reason(f"the members report different {name}: {listed}", f"Find out why. {AGAIN}", "etcd-healthy-first")


def _alive(member: MemberFacts) -> Iterator[Reason]:
    if member.running is None or member.cluster_version is None or member.member_id is None:
        yield Reason(f"{member.node} does not answer", f"Bring it up. {AGAIN}", "etcd-healthy-first")
    elif unread := [text for text in (member.running, member.cluster_version) if not is_version(text)]:
        yield Reason(f"{member.node} reports a version that cannot be read: {', '.join(unread)}",
                     f"Only releases of etcd can be planned for. {AGAIN}")  # fmt: skip
    elif not member.healthy:
        yield Reason(f"{member.node} is not healthy", f"Find out why and mend it. {AGAIN}", "etcd-healthy-first")
    if member.alarms:
        yield Reason(
            f"{member.node} has an alarm: {', '.join(member.alarms)}",
            f"Remove its cause, then: etcdctl alarm disarm. {AGAIN}", "etcd-healthy-first",
        )  # fmt: skip


def _one_version(facts: Facts, member: MemberFacts) -> Iterator[Reason]:
    package = facts.of(member.node).packages.get(SERVER)
    installed = package.installed if package else None
    if installed is None:
        yield Reason(
            f"{SERVER} is not installed on {member.node}, though etcd {member.running} runs there",
            f"Install the version that runs from a package. {AGAIN}",
        )
    elif upstream_of(installed) != Version.parse(str(member.running)):
        yield Reason(
            f"{member.node} runs etcd {member.running} but {SERVER} {installed} is installed: a crash would start that",
            f"End the run that left it so (kubedeb resume, kubedeb rollback), or install what runs. {AGAIN}",
            "installed-running",
        )


def _place(facts: Facts, member: MemberFacts) -> Place:
    version = Version.parse(str(member.running))
    return Place(member.node, facts.of(member.node).row, str(member.member_id), version, member.leader)


def _legal(start: Start, knowledge: Knowledge) -> Iterator[Reason]:
    above = knowledge.next_line("etcd", start.line)
    for member in start.members:
        if member.version.line not in (start.line, above):
            yield Reason(
                f"{member.node} runs etcd {member.version} in a cluster of version {start.cluster_version}",
                f"Only the cluster version's line and the next one may run. Put back the older version. {AGAIN}",
                "etcd-one-minor",
            )
    if all(member.version.line == above for member in start.members):
        yield Reason(
            f"every member runs etcd {_text(above)} and the cluster version is still {start.cluster_version}",
            f"It rises by itself within seconds. {AGAIN}", "etcd-cluster-version",
        )  # fmt: skip


def _text(line: tuple[int, int] | None) -> str:
    return f"{line[0]}.{line[1]}" if line else "?"
