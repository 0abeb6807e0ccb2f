"""Which versions the way to the target passes, and from which packages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubedeb.knowledge import Knowledge, Severity
from kubedeb.versions import DebianVersion, Version
from upgrade_plans.models.facts import AvailablePackage, Facts
from upgrade_plans.models.plan import PackagePin, Release
from upgrade_plans.models.upstream import upstream_of
from upgrade_plans.planner.reasons import Reason, RefusedError
from upgrade_plans.planner.start import SERVER, Start

PACKAGES = (SERVER, "etcd-client")
PUBLISH = "The repository must publish it: kubedeb build etcd@{version}, then kubedeb repo add --publish."


@dataclass(frozen=True)
class Stock:
    """What the apt of every member offers: by package and Debian version, the sha256 on each node."""

    nodes: tuple[str, ...]
    offered: dict[str, dict[str, dict[str, str]]]

    @classmethod
    def of(cls, facts: Facts, nodes: tuple[str, ...]) -> Stock:
        """Collect the offers of `nodes`."""
        offered: dict[str, dict[str, dict[str, str]]] = {name: {} for name in PACKAGES}
        for node in nodes:
            for name in PACKAGES:
                for package in _available(facts, node, name):
                    offered[name].setdefault(package.version, {})[node] = package.sha256
        return cls(nodes, offered)

    def pin(self, name: str, version: Version, prefer: str | None = None) -> PackagePin | None:
        """Return the newest package of an upstream version that every node can install and that is the same on all."""
        good = [
            PackagePin(version=debian, sha256=next(iter(sums.values())))
            for debian, sums in self.offered[name].items()
            if upstream_of(debian) == version and set(sums) == set(self.nodes) and len(set(sums.values())) == 1
        ]
        preferred = [pin for pin in good if pin.version == prefer]
        return max(preferred or good, key=lambda pin: DebianVersion(pin.version), default=None)

    def release(self, version: Version, prefer: str | None = None) -> Release | None:
        """Return the packages of an upstream version, None when one is missing on some node."""
        pins = {name: self.pin(name, version, prefer) for name in PACKAGES}
        found = {name: pin for name, pin in pins.items() if pin is not None}
        return Release(packages=found) if len(found) == len(pins) else None

    def missing(self, version: Version) -> Iterator[Reason]:
        """Say which package of a version is missing where."""
        for name in PACKAGES:
            if self.pin(name, version) is not None:
                continue
            having = {node: sums[node] for debian, sums in self.offered[name].items()
                      if upstream_of(debian) == version for node in sums}  # fmt: skip
            without = [node for node in self.nodes if node not in having]
            if without:
                what = f"{name} {version} is in no repository that {', '.join(without)} can install from"
                yield Reason(f"{what} (offered there: {self._offers(name, without)})", PUBLISH.format(version=version))
            else:
                yield Reason(
                    f"{name} {version} is not the same package on every node",
                    "Point the apt of all members at one repository, run apt-get update on each, and inspect again.",
                )

    def _offers(self, name: str, nodes: list[str]) -> str:
        """Return the upstream versions that one of `nodes` is offered, as text."""
        found = {upstream_of(debian) for debian, sums in self.offered[name].items() if set(sums) & set(nodes)}
        return ", ".join(str(version) for version in sorted(version for version in found if version)) or "none"

    def versions(self, line: tuple[int, int]) -> list[Version]:
        """Return the upstream versions of a line that are offered whole to every node, by Debian version, newest first."""
        newest: dict[Version, DebianVersion] = {}
        for debian in self.offered[SERVER]:
            version = upstream_of(debian)
            if version is not None and version.line == line and self.release(version):
                newest[version] = max(newest.get(version, DebianVersion(debian)), DebianVersion(debian))
        return sorted(newest, key=lambda version: newest[version], reverse=True)


def _available(facts: Facts, node: str, name: str) -> tuple[AvailablePackage, ...]:
    package = facts.of(node).packages.get(name)
    return package.available if package else ()


@dataclass(frozen=True)
class Route:
    """The versions that are passed, the last one the target, and the packages of all versions left and reached."""

    stops: tuple[Version, ...]
    releases: dict[str, Release]


def find_route(start: Start, target: Version, facts: Facts, knowledge: Knowledge) -> Route:
    """Return the route. Raises `RefusedError` when the target lies below, is blocked, or a package is missing."""
    _reachable(start, target, knowledge)
    stock = Stock.of(facts, tuple(member.node for member in start.members))
    stops = tuple(_stops(start, target, stock, knowledge))
    reasons: list[Reason] = []
    releases: dict[str, Release] = {}
    needed = {*stops, *(member.version for member in start.members)} if stops else set()
    for version in sorted(needed):
        release = stock.release(version, _installed(facts, start, version))
        if release is None:
            reasons += stock.missing(version)
        else:
            releases[str(version)] = release
    if reasons:
        raise RefusedError(*reasons)
    return Route(stops, releases)


def _reachable(start: Start, target: Version, knowledge: Knowledge) -> None:
    highest = max(member.version for member in start.members)
    if target.line < start.line or target < highest:
        ran = f"{highest} runs" if target.line >= start.line else f"the cluster version is {start.cluster_version}"
        raise RefusedError(Reason(
            f"the target etcd {target} is below what is there: {ran}",
            "There is no way down by binaries. Take a higher target, or restore a backup into a new cluster.",
            "etcd-no-downgrade",
        ))  # fmt: skip
    for rule in knowledge.blocked("etcd", target):
        if rule.severity is Severity.FORBID:
            raise RefusedError(Reason(f"the target etcd {target} is blocked: {rule.what}", rule.remedy, rule.id))


def _stops(start: Start, target: Version, stock: Stock, knowledge: Knowledge) -> Iterator[Version]:
    """Yield the version at each line from the start's on; the start's own line only when the target is on it."""
    if all(member.version == target for member in start.members):
        return
    line = start.line
    while line < target.line:
        above = knowledge.next_line("etcd", line)
        if above is None:
            raise RefusedError(Reason(
                f"no rule says what follows etcd {line[0]}.{line[1]}, on the way to {target}",
                "Take a lower target, or add the hop to the knowledge with its source.", "etcd-one-minor",
            ))  # fmt: skip
        line = above
        if line < target.line:
            yield _intermediate(line, target, stock, knowledge)
    yield target


def _intermediate(line: tuple[int, int], target: Version, stock: Stock, knowledge: Knowledge) -> Version:
    """Return the newest version of a line on the way that is offered and not blocked."""
    offered = stock.versions(line)
    for version in offered:
        if not knowledge.blocked("etcd", version):
            return version
    name = f"{line[0]}.{line[1]}"
    blocked = f" (offered, but blocked: {', '.join(str(version) for version in offered)})" if offered else ""
    raise RefusedError(Reason(
        f"the way to etcd {target} leads through {name}, and no usable version of {name} is offered to every member{blocked}",
        PUBLISH.format(version=f"{name}.x"), "etcd-one-minor",
    ))  # fmt: skip


def _installed(facts: Facts, start: Start, version: Version) -> str | None:
    """Return the Debian version of the members that start at `version`, None when they differ or none does."""
    found = {facts.of(member.node).packages[SERVER].installed for member in start.members if member.version == version}
    return found.pop() if len(found) == 1 else None
