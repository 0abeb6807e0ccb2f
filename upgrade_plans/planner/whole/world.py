"""What a plan has done to the world up to a step: each unit's version, where data lies; and what a step takes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubedeb.versions import Version
from upgrade_plans.models.upgrade import Tillers
from upgrade_plans.models.upgradekinds import StepKind, Store, When
from upgrade_plans.models.upstream import version_of
from upgrade_plans.planner.whole.catalogue import On, Template, procedures
from upgrade_plans.planner.whole.order import COMPONENTS
from upgrade_plans.planner.whole.survey import Crowd, Survey
from upgrade_plans.planner.whole.unfit import TOOLS

MANY = {On.WORKERS: "workers", On.NETWORKED: "calico"}
"""What takes whole crowds, and the group whose versions it is about."""
GROUP_OF = {
    StepKind.ETCD_HOP: "etcd",
    StepKind.APISERVER: "apiservers",
    StepKind.MANAGERS: "managers",
    StepKind.CLIENTS: "helm",
}
MOVED_WITH = ("kubectl", "calicoctl")
"""Tools that move with a product, on every host in the version that it has there."""


@dataclass(frozen=True)
class Site:
    """Where steps are written: a phase, the group that moves in it and its versions, the changes that belong to it."""

    phase: str
    group: str | None = None
    old: Version | None = None
    new: Version | None = None
    changes: Mapping[When, tuple[str, ...]] = field(default_factory=dict)

    def moves(self, component: str | None) -> bool:
        """Say whether it is this component that moves here."""
        return self.group is not None and self.new is not None and component in (self.group, *COMPONENTS[self.group])


@dataclass
class World:
    """The world at a point of the plan: versions by group and unit, stores, and etcd's leader as long as it is known."""

    found: Survey
    at: dict[str, dict[str, Version]]
    store: Store | None
    calico_store: Store | None
    leader: str | None

    @classmethod
    def of(cls, found: Survey) -> World:
        """Return the world at the start."""
        at = {group: dict(versions) for group, versions in found.at.items()}
        for tool in MOVED_WITH:
            texts = {node: found.facts.of(node).tools.get(tool) for node in found.clients}
            at[tool] = {node: version for node, text in texts.items() if (version := version_of(text))}
        leader = next((member.node for member in found.facts.etcd if member.leader), None)
        return cls(found, at, found.store, found.calico_store, leader)

    def hosts(self, on: On, site: Site) -> tuple[str, ...]:
        """Return control-plane hosts, the standby first; in their own phase those that are not there yet."""
        nodes = self.found.managers if on is On.MANAGERS else self.found.apiservers
        if site.group in ("apiservers", "managers") and site.new is not None:
            return tuple(node for node in nodes if self.at[site.group].get(node) != site.new)
        return nodes

    def crowds(self, group: str) -> tuple[Crowd, ...]:
        """Return the crowds that have what a group is made of and may be changed."""
        versions = self.at.get(group, {})
        return tuple(
            crowd for crowd in self.found.crowds if crowd.id in versions and not crowd.is_left(COMPONENTS[group])
        )  # fmt: skip

    def takes(self, template: Template, site: Site) -> dict[str, int]:
        """Return what a step takes that is not about one host."""
        match template.on:
            case On.MEMBERS | On.ONE_MEMBER | On.FOLLOWERS | On.LAST_MEMBER:
                return dict.fromkeys(self._members(template, site), 1)
            case On.APISERVERS | On.MANAGERS:
                return dict.fromkeys(self.hosts(template.on, site), 1)
            case On.FIRST_APISERVER:
                return dict.fromkeys(self.found.apiservers[:1], 1)
            case On.OTHER_APISERVERS:
                return dict.fromkeys(self.found.apiservers[1:], 1)
            case On.WORKERS | On.NETWORKED:
                return {crowd.id: crowd.count for crowd in self.crowds(MANY[template.on])}
            case On.CLIENTS:
                return dict.fromkeys(self._clients(template, site), 1)
        return {}

    def _members(self, template: Template, site: Site) -> tuple[str, ...]:
        members = tuple(self.at.get("etcd", {}))
        waiting = [node for node in members if site.group != "etcd" or self.at["etcd"][node] != site.new]
        last = self.leader if self.leader in waiting else (waiting or [*members, ""])[-1]
        match template.on:
            case On.ONE_MEMBER:
                return (self.leader or str(last),) if members else ()
            case On.LAST_MEMBER:
                return (str(last),) if members else ()
            case On.FOLLOWERS:
                return tuple(node for node in waiting if node != last)
        return tuple(waiting) if template.kind is StepKind.ETCD_HOP else members

    def _clients(self, template: Template, site: Site) -> tuple[str, ...]:
        """Return where a tool is that a step is about; of a step about none, one place to work from."""
        if template.component not in TOOLS:
            return self.found.clients[:1]
        here = [node for node in self.found.clients if template.component in self.found.facts.of(node).tools]
        return tuple(node for node in here if template.component != "helm" or self.at["helm"].get(node) != site.new)

    def done(self, template: Template, site: Site, takes: Mapping[str, int]) -> None:
        """Note what a step has done."""
        group = GROUP_OF.get(template.kind, "")
        if template.component in MOVED_WITH:
            self.at[template.component] |= dict.fromkeys(takes, tool_version(template.component, site))
        elif site.new is not None and group == site.group:
            self.at[group] |= dict.fromkeys(takes, site.new)
        match template.kind:
            case StepKind.ETCD_HOP:
                self.leader = None
            case StepKind.SWITCH_STORE:
                self.store = Store.V3
            case StepKind.CALICO_COMPLETE:
                self.calico_store = Store.V3


def tool_version(tool: str, site: Site) -> Version:
    """Return the version of a tool that belongs to what a phase moves to. Raises `ValueError` where nothing moves."""
    if site.new is None:
        raise ValueError(f"{tool} moves with a product, and none moves in {site.phase}")
    own = (row.version for row in procedures().tools if row.tool == tool and site.new in row.of)
    return Version.parse(next(own, str(site.new)))


def tillers(at: Mapping[str, Version]) -> tuple[Tillers, ...]:
    """Return Tillers by version."""
    names: dict[Version, list[str]] = {}
    for namespace, version in at.items():
        names.setdefault(version, []).append(namespace)
    return tuple(
        Tillers(id=f"tillers-{version}", namespaces=tuple(sorted(spaces)), version=str(version))
        for version, spaces in sorted(names.items())
    )
