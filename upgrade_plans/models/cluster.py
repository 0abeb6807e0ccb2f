"""The cluster file: what people write about a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from string import Formatter
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, model_validator

from kubedeb.yamlfile import StrictModel
from upgrade_plans.models.nodesets import expand
from upgrade_plans.models.words import AbsolutePath, Address, Name, NodeName, Unit


def _nodes(value: Any) -> Any:
    """Expand a ClusterShell node set (`etcd[1-3],mon1`), or a list of them; names in ClusterShell's order."""
    if isinstance(value, str):
        return expand(str(value))
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return tuple(name for text in value for name in expand(str(text)))
    return value


NodeNames = Annotated[tuple[NodeName, ...], BeforeValidator(_nodes)]
"""A node set as people write it, names in ClusterShell's order once read."""


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


class Cluster(StrictModel):
    """A cluster as its operators describe it.

    `roles` maps a role (`etcd`) to its nodes; `rows` maps a row to its racks and each rack to its nodes: a row fails as
    one. `addresses` maps a node to the address it is reached by, where its name alone does not resolve.
    """

    name: Name
    transport: Transport
    roles: dict[str, NodeNames]
    rows: dict[str, dict[str, NodeNames]]
    addresses: dict[NodeName, Address] = {}
    etcd: Etcd = Etcd()

    @model_validator(mode="after")
    def _places(self) -> Cluster:
        """Every node with a role stands in exactly one rack of one row, and nothing names a node that has no role."""
        seen: dict[str, str] = {}
        for node, row, rack in self._placed():
            if node in seen:
                raise ValueError(f"node {node} stands in two places: {seen[node]} and row {row}, rack {rack}")
            seen[node] = f"row {row}, rack {rack}"
        members = {node for nodes in self.roles.values() for node in nodes}
        if homeless := sorted(members - set(seen)):
            raise ValueError(f"no row for {', '.join(homeless)}: every node with a role stands in a rack of a row")
        if unknown := sorted((set(seen) | set(self.addresses)) - members):
            raise ValueError(f"no role for {', '.join(unknown)}")
        if "etcd" not in self.roles:
            raise ValueError("roles names no etcd nodes")
        return self

    def _placed(self) -> Iterator[tuple[str, str, str]]:
        for row, racks in self.rows.items():
            for rack, nodes in racks.items():
                yield from ((node, row, rack) for node in nodes)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Return every node's name, sorted."""
        return tuple(sorted({node for nodes in self.roles.values() for node in nodes}))

    def place(self, node: str) -> tuple[str, str]:
        """Return a node's (row, rack)."""
        return next((row, rack) for name, row, rack in self._placed() if name == node)

    def address(self, node: str) -> str:
        """Return the address that a node is reached by."""
        return self.addresses.get(node, node)

    def client_url(self, node: str) -> str:
        """Return the URL of an etcd member's own endpoint."""
        return self.etcd.client_url.format(address=self.address(node), node=node)
