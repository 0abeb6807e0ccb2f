"""Inventories of other tools, read (pure): Ansible's in both its forms, and the nodes that the Kubernetes API lists."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.yamlfile import Document, parse

SECTION = re.compile(r"\[([^\]:]+)(?::(children|vars|hosts))?\]")
RANGE = re.compile(r"\[([0-9]+|[a-z]):([0-9]+|[a-z])(?::([0-9]+))?\]")
MOST = 200_000


@dataclass
class Inventory:
    """Hosts with their variables, and groups with the hosts and the groups that they hold; `kind`: where it came from."""

    kind: str
    hosts: dict[str, dict[str, str]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)
    group_vars: dict[str, dict[str, str]] = field(default_factory=dict)

    def members(self, group: str, seen: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """Return the hosts of a group and of those below it, each once; a group that holds itself is taken once."""
        if group in seen:
            return ()
        inner = (host for child in self.children.get(group, ()) for host in self.members(child, seen | {group}))
        return tuple(dict.fromkeys((*self.groups.get(group, ()), *inner)))

    def variables(self) -> dict[str, dict[str, str]]:
        """Return each host's variables: its own before its groups', those of groups further in before those around."""
        found: dict[str, dict[str, str]] = {host: {} for host in self.hosts}
        for group in sorted(self.group_vars, key=lambda name: len(self.members(name)), reverse=True):
            for host in self.members(group):
                found[host] |= self.group_vars[group]
        return {host: {**found[host], **own} for host, own in self.hosts.items()}


def read(text: str, path: Path) -> Inventory:
    """Read an inventory, whichever of the known forms it has. Raises `KubedebError` (CLUSTER) with the line."""
    start = text.lstrip()
    if start.startswith("{"):
        return _nodes(text, path)
    if path.suffix in (".yaml", ".yml") or re.match(r"(---|all:|[A-Za-z_][\w-]*:\s*$)", start, re.M):
        return _yaml(text, path)
    return _ini(text, path)


def _ini(text: str, path: Path) -> Inventory:
    found = Inventory("ansible")
    group, part = "ungrouped", "hosts"
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        try:
            if line.startswith("[") and (match := SECTION.fullmatch(line.split(" #")[0].strip())):
                group, part = match[1], match[2] or "hosts"
                found.groups.setdefault(group, [])
            elif part == "children":
                found.children.setdefault(group, []).append(line.split()[0])
            elif part == "vars":
                name, _, value = line.partition("=")
                found.group_vars.setdefault(group, {})[name.strip()] = value.strip().strip("'\"")
            else:
                _host_line(found, group, line)
        except ValueError as error:
            raise KubedebError(
                f"{path}:{number}: {error}", details=raw[:200], hint="Is this an Ansible inventory?", code=ExitCode.CLUSTER
            ) from error
    return found


def _host_line(found: Inventory, group: str, line: str) -> None:
    name, *pairs = shlex.split(line, comments=True)
    variables = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise ValueError(f"{pair!r} is not NAME=VALUE")
        variables[key] = value
    for host in hosts_of(name):
        found.hosts.setdefault(host, {}).update(variables)
        if host not in found.groups.setdefault(group, []):
            found.groups[group].append(host)


def hosts_of(pattern: str) -> tuple[str, ...]:
    """Return the hosts of Ansible's `w[01:40].example`. Raises `ValueError`: too many, or no range."""
    match = RANGE.search(pattern)
    if match is None:
        if "[" in pattern or "]" in pattern:
            raise ValueError(f"{pattern[:60]!r} holds no range that can be read (expected: as in w[01:40])")
        return (pattern,)
    first, last, step = match[1], match[2], int(match[3] or 1)
    if first.isdigit() != last.isdigit() or step < 1 or len(first) > 9 or len(last) > 9:
        raise ValueError(f"{match[0]!r} is not a range")
    low, high = (int(first), int(last)) if first.isdigit() else (ord(first), ord(last))
    if not 0 <= high - low < MOST:
        raise ValueError(f"{match[0]!r} is empty or holds more than {MOST} hosts")
    texts = [f"{number:0{len(first)}}" if first.isdigit() else chr(number) for number in range(low, high + 1, step)]
    rest = hosts_of(pattern[match.end() :])
    if len(texts) * len(rest) > MOST:
        raise ValueError(f"{pattern[:60]!r} holds more than {MOST} hosts")
    return tuple(pattern[: match.start()] + text + more for text in texts for more in rest)


def _yaml(text: str, path: Path) -> Inventory:
    document = parse(text, path, code=ExitCode.CLUSTER)
    found = Inventory("ansible")
    if not isinstance(document.data, Mapping):
        raise _no_group(path, 1, "the file")
    todo: list[tuple[str, Any, tuple[str, ...]]] = [(name, body, (name,)) for name, body in document.data.items()]
    while todo:
        name, body, where = todo.pop(0)
        children = _group(found, document, name, body or {}, where)
        todo += [(child, inner, (*where, "children", child)) for child, inner in children.items()]
    return found


def _group(found: Inventory, document: Document, name: str, body: Any, where: tuple[str, ...]) -> Mapping[str, Any]:
    """Take one group of a YAML inventory over, and return the groups below it."""
    if not isinstance(body, Mapping):
        raise _no_group(document.path, document.line_of(where), name)
    for key in ("hosts", "children", "vars"):
        if not isinstance(body.get(key) or {}, Mapping):
            raise _no_group(document.path, document.line_of((*where, key)), f"{key} of {name}")
    members = found.groups.setdefault(name, [])
    for pattern, variables in (body.get("hosts") or {}).items():
        try:
            names = hosts_of(pattern)
        except ValueError as error:
            line = document.line_of((*where, "hosts", pattern))
            raise KubedebError(f"{document.path}:{line}: {error}", code=ExitCode.CLUSTER) from error
        for host in names:
            found.hosts.setdefault(host, {}).update(_scalars(variables))
        members += [host for host in names if host not in members]
    found.group_vars.setdefault(name, {}).update(_scalars(body.get("vars")))
    children: Mapping[str, Any] = body.get("children") or {}
    below = found.children.setdefault(name, [])
    below += [child for child in children if child not in below]
    return children


def _no_group(path: Path, line: int, name: str) -> KubedebError:
    return KubedebError(f"{path}:{line}: {name} is not a mapping of hosts, children and vars",
                        hint="Is this an Ansible inventory?", code=ExitCode.CLUSTER)  # fmt: skip


def _scalars(variables: Any) -> dict[str, str]:
    return (
        {key: str(value) for key, value in variables.items() if isinstance(value, str)}
        if isinstance(variables, Mapping)
        else {}
    )


ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
PLANES = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
OWN_TAINTS = (
    "node.kubernetes.io/",
    "node-role.kubernetes.io/",
    "node.alpha.kubernetes.io/",
    "node.cloudprovider.kubernetes.io/",
)


def _nodes(text: str, path: Path) -> Inventory:
    """Read `kubectl get nodes -o json`. Labels become variables; taints, architecture and addresses too."""
    hint = "This is read: kubectl get nodes -o json."
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise KubedebError(f"{path}:{line}: not valid JSON", hint=hint, code=ExitCode.CLUSTER) from error
    items = listed.get("items") if isinstance(listed, dict) else None
    if not isinstance(items, list):
        raise KubedebError(f"{path}: no list of nodes", hint=hint, code=ExitCode.CLUSTER)
    found = Inventory("kubectl")
    for item in items:
        name = _at(item, "metadata", "name")
        if not isinstance(name, str):
            raise KubedebError(f"{path}: a node without a name", hint=hint, code=ExitCode.CLUSTER)
        labels = {key: str(value) for key, value in (_at(item, "metadata", "labels") or {}).items()}
        variables = {**labels, **dict(_of_node(item, labels))}
        found.hosts[name] = variables
        planes = any(label in labels for label in PLANES)
        found.groups.setdefault("kube_control_plane" if planes else "kube_node", []).append(name)
    return found


def _of_node(item: Any, labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    addresses = [one for one in _at(item, "status", "addresses") or () if _at(one, "type") == "InternalIP"]
    if addresses and isinstance(address := _at(addresses[0], "address"), str):
        yield "ansible_host", address
    if isinstance(architecture := _at(item, "status", "nodeInfo", "architecture"), str):
        yield "architecture", architecture
    zone = next((labels[label] for label in ZONES if label in labels), None)
    if zone is not None:
        yield "row", zone
    taints = [f"{_at(one, 'key')}={_at(one, 'value') or ''}:{_at(one, 'effect')}".replace("=:", ":")
              for one in _at(item, "spec", "taints") or () if not str(_at(one, "key")).startswith(OWN_TAINTS)]  # fmt: skip
    if taints:
        yield "taints", ",".join(sorted(taints))


def _at(value: Any, *keys: str) -> Any:
    """Return what lies at a path of keys; None where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if value is not None else None
