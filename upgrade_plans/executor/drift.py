"""Is the cluster still the one that the plan was made for?"""

from __future__ import annotations

from collections.abc import Iterator

from kubedeb.errors import ExitCode, KubedebError
from upgrade_plans.models.facts import Facts, MemberFacts
from upgrade_plans.models.plan import Plan


def identity(plan: Plan, facts: Facts) -> Iterator[str]:
    """Yield where name, cluster id, members or member ids differ; these hold during a run too."""
    if plan.cluster != facts.cluster:
        yield f"the plan is for the cluster {plan.cluster}, this is {facts.cluster}"
    found = {member.node: member for member in facts.etcd}
    planned = {member.node: member for member in plan.members}
    for node in sorted(planned.keys() - found.keys()):
        yield f"member {node} is in the plan and not in the cluster file"
    for node in sorted(found.keys() - planned.keys()):
        yield f"member {node} is in the cluster file and not in the plan"
    for node in sorted(planned.keys() & found.keys()):
        member = found[node]
        if member.cluster_id is not None and member.cluster_id != plan.cluster_id:
            yield f"member {node} belongs to the cluster {member.cluster_id}, planned: {plan.cluster_id}"
        if member.member_id is not None and member.member_id != planned[node].member_id:
            yield f"member {node} has the id {member.member_id}, planned: {planned[node].member_id}"


def versions(plan: Plan, facts: Facts) -> Iterator[str]:
    """Yield where a running, installed or cluster version is not the one that the plan begins with."""
    found = {member.node: member for member in facts.etcd}
    for planned in plan.members:
        member = found.get(planned.node)
        if member is None or member.running is None:
            continue
        if member.running != planned.running:
            yield f"member {planned.node} runs {member.running}, planned: {planned.running}"
        yield from _installed(plan, facts, planned.node, planned.installed)
        if member.cluster_version != plan.cluster_version:
            yield f"member {planned.node} reports the cluster version {member.cluster_version}, planned: {plan.cluster_version}"


def _installed(plan: Plan, facts: Facts, node: str, version: str) -> Iterator[str]:
    release = plan.releases.get(version)
    packages = facts.of(node).packages
    for name, pin in sorted(release.packages.items()) if release else ():
        installed = packages[name].installed if name in packages else None
        if installed != pin.version:
            yield f"{node} has {name} {installed or 'not'} installed, planned: {pin.version}"


def reached(plan: Plan, members: tuple[MemberFacts, ...]) -> bool:
    """Return whether every member of the plan runs the plan's target already."""
    running = {member.node: member.running for member in members}
    return all(running.get(member.node) == plan.target.get("etcd") for member in plan.members)


def drifted(differences: list[str], *, unfinished: str | None) -> KubedebError:
    """Return the error (DRIFT) that lists `differences`; `unfinished` names a run that may have made them."""
    again = "Read the facts again and plan again: kubedeb inspect, kubedeb plan make."
    hint = f"Go on with the run that made these changes:  kubedeb resume {unfinished}\nElse: {again}" if unfinished else again
    return KubedebError(
        "the cluster is not the one any more that the plan was made for", details="\n".join(differences), hint=hint,
        code=ExitCode.DRIFT,
    )  # fmt: skip
