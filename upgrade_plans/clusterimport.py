"""A cluster file from an inventory (pure): what it says is taken over, what it does not say is marked as assumed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kubedeb.errors import ExitCode, KubedebError
from upgrade_plans.inventory import Inventory
from upgrade_plans.models.cluster import Cluster, Role, TransportKind
from upgrade_plans.models.nodesets import fold

PLANE = (Role.APISERVER, Role.CONTROLLER_MANAGER, Role.SCHEDULER)
GROUPS: Mapping[str, tuple[Role, ...]] = {
    "etcd": (Role.ETCD,), "kube-master": PLANE, "kube_control_plane": PLANE, "kube-control-plane": PLANE, "masters": PLANE,
    "control_plane": PLANE, "kube-node": (Role.WORKER,), "kube_node": (Role.WORKER,), "nodes": (Role.WORKER,),
    "workers": (Role.WORKER,), "bastion": (Role.CLIENT,), "loadbalancers": (Role.BALANCER,),
}  # fmt: skip
"""Roles of the groups that kubespray, kubeadm's labels and most people's inventories name."""
UNPLACED = "unplaced"


@dataclass(frozen=True)
class Wanted:
    """What the caller says besides the inventory: the cluster's name, groups of roles, which variables say the place."""

    name: str
    transport: TransportKind = TransportKind.SSH
    roles: Mapping[Role, str] = field(default_factory=dict)
    row: str = "row"
    rack: str = "rack"


def cluster_of(inventory: Inventory, wanted: Wanted, path: Path) -> Cluster:
    """Return the cluster that an inventory describes. Raises `KubedebError` (CLUSTER): no roles, or names that cannot be."""
    roles = _roles(inventory, wanted, path)
    assumed: list[dict[str, str]] = []
    if Role.ETCD not in roles and inventory.kind == "kubectl" and Role.APISERVER in roles:
        roles[Role.ETCD] = roles[Role.APISERVER]
        assumed.append(
            {"key": "roles.etcd", "why": "the API does not say where etcd runs; taken to be stacked, as kubeadm does"}
        )
    if Role.ETCD not in roles:
        groups = ", ".join(sorted(inventory.groups)) or "none"
        raise KubedebError(f"{path}: no group for the role etcd", details=f"Groups: {groups}",
                           hint="Name it: --role etcd=GROUP.", code=ExitCode.CLUSTER)  # fmt: skip
    nodes = list(dict.fromkeys(node for names in roles.values() for node in names))
    variables = {node: found for node, found in inventory.variables().items() if node in set(nodes)}
    rows = _rows(variables, wanted)
    if UNPLACED in rows:
        why = f"no variable {wanted.row} says where they stand; in one row they count as failing together"
        assumed.append({"key": f"rows.{UNPLACED}", "why": why})
    tree: dict[str, Any] = {
        "name": wanted.name, "transport": {"kind": str(wanted.transport)},
        "roles": {str(role): _set(names) for role, names in roles.items()},
        "rows": {row: {rack: _set(names) for rack, names in racks.items()} for row, racks in rows.items()},
        "addresses": {node: found["ansible_host"] for node, found in variables.items()
                      if found.get("ansible_host", node) != node},
        "architectures": _by(variables, "architecture", leave="amd64"),
        "hardware": {_word(name): nodes for name, nodes in _by(variables, "hardware").items()},
        "taint_groups": _taint_groups(variables), "assumptions": assumed,
    }  # fmt: skip
    try:
        return Cluster.model_validate({key: value for key, value in tree.items() if value not in ({}, [])})
    except ValidationError as error:
        said = "\n".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()
        )
        raise KubedebError(f"{path}: no cluster file can be made of this", details=said, code=ExitCode.CLUSTER,
                           hint="Mend the inventory, or write the cluster file by hand.") from error  # fmt: skip


def _roles(inventory: Inventory, wanted: Wanted, path: Path) -> dict[Role, tuple[str, ...]]:
    named = [(group, (role,)) for role, group in wanted.roles.items()]
    usual = [(group, roles) for group, roles in GROUPS.items() if not set(roles) & wanted.roles.keys()]
    found: dict[Role, tuple[str, ...]] = {}
    for group, _ in named:
        if not inventory.members(group):
            raise KubedebError(f"{path}: no group {group!r}", details=f"Groups: {', '.join(sorted(inventory.groups))}",
                               code=ExitCode.CLUSTER)  # fmt: skip
    for group, roles in (*named, *usual):
        for role in roles if (members := inventory.members(group)) else ():
            found[role] = tuple(dict.fromkeys((*found.get(role, ()), *members)))
    return {role: found[role] for role in Role if role in found}


def _rows(variables: Mapping[str, Mapping[str, str]], wanted: Wanted) -> dict[str, dict[str, list[str]]]:
    rows: dict[str, dict[str, list[str]]] = {}
    for node, found in variables.items():
        row = _word(found.get(wanted.row, UNPLACED))
        rows.setdefault(row, {}).setdefault(_word(found.get(wanted.rack, row)), []).append(node)
    return rows


def _by(variables: Mapping[str, Mapping[str, str]], name: str, leave: str | None = None) -> dict[str, list[str]]:
    """Return the nodes by the value of a variable."""
    found: dict[str, list[str]] = {}
    for node, here in variables.items():
        if (value := here.get(name)) and value != leave:
            found.setdefault(value, []).append(node)
    return {value: _set(nodes) for value, nodes in found.items()}


def _word(text: str) -> str:
    """Return a text as the name of a row, a rack or a class: letters, digits, dots and hyphens."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-.") or UNPLACED


def _taint_groups(variables: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    return {
        _word(taints.split(":")[0]): {"nodes": nodes, "taints": taints.split(",")}
        for taints, nodes in _by(variables, "taints").items()
    }


def _set(names: Any) -> list[str]:
    """Return names as one node set; they are kept as they are where ClusterShell would read something else in them."""
    from upgrade_plans.models.nodesets import expand

    listed = list(names)
    try:
        folded = fold(listed)
        return [folded] if set(expand(folded)) == set(listed) else listed
    except ValueError:
        return listed
