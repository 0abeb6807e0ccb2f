"""The cluster file: what people write about a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from string import Formatter
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from kubedeb.yamlfile import StrictModel
from upgrade_plans.canonical import Sparse
from upgrade_plans.models.constraints import Constraints
from upgrade_plans.models.nodesets import NodeNames
from upgrade_plans.models.surroundings import Assumption, Configuration, Hook, Kubernetes, Pool
from upgrade_plans.models.words import AbsolutePath, Address, Identifier, Name, NodeName, Taint, Unit


def _template(*known: str, letters: str) -> AfterValidator:
    """Refuse a template that cannot be filled in, or that makes more than a word of `letters`.

    Only the names in `known` may stand in its braces, as they are: no attribute, no conversion, no width.
    """
    listed = " and ".join(f"{{{name}}}" for name in known)

    def check(text: str) -> str:
        try:
            parts = list(Formatter().parse(text))
        except ValueError:
            parts = [("", "", None, None)]
        if any(name is not None and (name not in known or spec or conversion) for _, name, spec, conversion in parts):
            raise ValueError(f"{text!r} cannot be filled in: only {listed} may stand in braces")
        literal = "".join(part for part, *_ in parts)
        if text.startswith("-") or re.fullmatch(f"[{letters}]*", literal) is None or not text:
            raise ValueError(f"{text!r} holds what cannot stand there")
        return text

    return AfterValidator(check)


class TransportKind(StrEnum):
    """How commands reach the nodes."""

    DOCKER = "docker"
    SSH = "ssh"


class Transport(StrictModel):
    """How commands reach a node; `container` names a node's container, `{node}` standing for the node's name."""

    kind: TransportKind
    container: Annotated[str, _template("node", letters="A-Za-z0-9_.-")] = "{node}"


class Etcd(StrictModel):
    """The etcd members of the cluster and where their things lie.

    `client_url` is each member's own endpoint, `{address}` standing for the node's address. `backups` is a folder on the
    node that keeps backups and in which restore drills run.
    """

    client_url: Annotated[str, _template("node", "address", letters=r"A-Za-z0-9_.:/\[\]-")] = "http://{address}:2379"
    unit: Unit = "etcd"
    data_dir: AbsolutePath = "/var/lib/etcd/default"
    backups: AbsolutePath = "/var/lib/kubedeb-backups"


class Role(StrEnum):
    """What a node is for; a node may have several."""

    ETCD = "etcd"
    APISERVER = "apiserver"
    CONTROLLER_MANAGER = "controller-manager"
    SCHEDULER = "scheduler"
    WORKER = "worker"
    CLIENT = "client"
    """Where kubectl, helm and calicoctl are used."""
    BALANCER = "balancer"
    REGISTRY = "registry"


class TaintGroup(StrictModel):
    """Nodes that only pods with the right tolerations come to: their capacity is counted apart."""

    nodes: NodeNames
    taints: tuple[Taint, ...] = Field(min_length=1)


NO_GROUP = ""
"""The taint group of a node without one."""


class Cluster(Sparse):
    """A cluster as its operators describe it.

    `roles` maps a role (`etcd`) to its nodes; `rows` maps a row to its racks and each rack to its nodes: a row fails as
    one. `addresses` maps a node to the address it is reached by, where its name alone does not resolve. `dcs`,
    `architectures` and `hardware` say where nodes differ; what they do not name is in `dc`, `architecture` and the hardware
    class `default`. `assumptions` marks what of all this is taken to be so and was read nowhere.
    """

    name: Name
    transport: Transport
    roles: dict[Role, NodeNames]
    rows: dict[Identifier, dict[Identifier, NodeNames]]
    addresses: dict[NodeName, Address] = {}
    etcd: Etcd = Etcd()
    dc: Identifier = "default"
    dcs: dict[Identifier, NodeNames] = {}
    architecture: Identifier = "amd64"
    architectures: dict[Identifier, NodeNames] = {}
    hardware: dict[Identifier, NodeNames] = {}
    taint_groups: dict[Identifier, TaintGroup] = {}
    balancers: dict[Identifier, Pool] = {}
    kubernetes: Kubernetes = Kubernetes()
    configuration: Configuration = Configuration()
    constraints: Constraints = Constraints()
    hooks: tuple[Hook, ...] = ()
    assumptions: tuple[Assumption, ...] = ()

    @model_validator(mode="after")
    def _places(self) -> Cluster:
        """Every node with a role stands in exactly one rack of one row, and nothing names a node that has no role."""
        seen: dict[str, tuple[str, str]] = {}
        for node, row, rack in self._placed():
            if node in seen:
                first, where = seen[node]
                raise ValueError(f"node {node} stands in two places: row {first}, rack {where} and row {row}, rack {rack}")
            seen[node] = row, rack
        members = {node for nodes in self.roles.values() for node in nodes}
        if homeless := sorted(members - seen.keys()):
            role = next(role for role, nodes in self.roles.items() if homeless[0] in nodes)
            where = f"(named in roles.{role}): every node with a role stands in a rack of a row"
            raise ValueError(f"no row for {_some(homeless)} {where}")
        named = dict.fromkeys(seen, "rows") | {node: what for what, nodes in self._named() for node in nodes}
        if unknown := sorted(named.keys() - members):
            raise ValueError(f"no role for {_some(unknown)}" + f" (named in {named[unknown[0]]})")
        if Role.ETCD not in self.roles:
            raise ValueError("roles names no etcd nodes")
        return self

    @model_validator(mode="after")
    def _once(self) -> Cluster:
        """A node has one data centre, one architecture, one hardware class, one taint group."""
        groups = {name: group.nodes for name, group in self.taint_groups.items()}
        for what, sets in (
            ("dcs", self.dcs), ("architectures", self.architectures), ("hardware", self.hardware), ("taint_groups", groups),
        ):  # fmt: skip
            seen: dict[str, str] = {}
            for name, nodes in sets.items():
                if twice := sorted(seen.keys() & set(nodes)):
                    raise ValueError(f"{what}: {_some(twice)} in {seen[twice[0]]} and in {name}")
                seen |= dict.fromkeys(nodes, name)
        return self

    @model_validator(mode="after")
    def _limits(self) -> Cluster:
        """Limits name rows and taint groups that are there; assumptions name keys of this file."""
        limits = self.constraints.unavailable
        for what, named, known in (
            ("rows", limits.rows, self.rows.keys()), ("taint_groups", limits.taint_groups, self.taint_groups.keys()),
        ):  # fmt: skip
            if strange := sorted(named.keys() - known):
                raise ValueError(f"constraints.unavailable.{what} names {strange[0]}, which is not among the {what}")
        for assumption in self.assumptions:
            if not self._has(assumption.key):
                raise ValueError(f"assumptions: there is no key {assumption.key} in a cluster file")
        return self

    def _has(self, key: str) -> bool:
        value: object = self
        for part in key.split("."):
            fields = type(value).model_fields if isinstance(value, StrictModel) else value if isinstance(value, Mapping) else {}
            if part not in fields:
                return False
            value = getattr(value, part) if isinstance(value, StrictModel) else fields[part]
        return True

    def _named(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield what but roles and rows names nodes, and the nodes."""
        yield "addresses", tuple(self.addresses)
        for what, sets in (("dcs", self.dcs), ("architectures", self.architectures), ("hardware", self.hardware)):
            yield from ((f"{what}.{name}", nodes) for name, nodes in sets.items())
        yield from ((f"taint_groups.{name}", group.nodes) for name, group in self.taint_groups.items())
        yield from ((f"balancers.{name}", pool.nodes) for name, pool in self.balancers.items())
        yield from (("constraints.frozen", frozen.nodes) for frozen in self.constraints.frozen)

    def _placed(self) -> Iterator[tuple[str, str, str]]:
        for row, racks in self.rows.items():
            for rack, nodes in racks.items():
                yield from ((node, row, rack) for node in nodes)

    @cached_property
    def _where(self) -> dict[str, tuple[str, str]]:
        return {node: (row, rack) for node, row, rack in self._placed()}

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """Return every node's name, sorted."""
        return tuple(sorted({node for nodes in self.roles.values() for node in nodes}))

    @property
    def members(self) -> tuple[str, ...]:
        """Return the nodes of etcd's members."""
        return self.roles[Role.ETCD]

    def place(self, node: str) -> tuple[str, str]:
        """Return a node's (row, rack)."""
        return self._where[node]

    def address(self, node: str) -> str:
        """Return the address that a node is reached by."""
        return self.addresses.get(node, node)

    def client_url(self, node: str) -> str:
        """Return the URL of an etcd member's own endpoint."""
        return self.etcd.client_url.format(address=self.address(node), node=node)


def _some(names: list[str]) -> str:
    """Return names for a message: the first few, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
