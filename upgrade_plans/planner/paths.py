"""Paths into the facts: what lies there, and whether there is such a path at all (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from kubedeb.knowledge import Knowledge
from kubedeb.knowledge.conditions import Condition, steps
from upgrade_plans.planner.elements import ROOTS, Element

ANY = "*"
DAEMONS = frozenset(
    {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "calico-node", "docker"}
)
"""Daemons that a condition may name besides the components that rules are about."""
NUMBERS, TEXTS = ("above", "below"), ("version", "matches")


def values(element: Element, path: str) -> tuple[list[Any], bool]:
    """Return what lies at `path` in an element, and whether something on the way there was never read."""
    _, way = steps(path)
    here: list[Any] = [element.value]
    if way and way[0] == ("node", False) and "node" not in type(element.value).model_fields:
        here, way = [element.node], way[1:]
    unread = False
    for name, is_key in way:
        found: list[Any] = []
        for value in here:
            if value is None:
                unread = True
            elif is_key or isinstance(value, tuple):
                found.extend(_inner(value, name, is_key))
            elif isinstance(value, BaseModel):
                found.append(getattr(value, name, None))
        here = found
    known = [value for value in here if value is not None]
    return known, unread or len(known) < len(here)


def _inner(value: Any, name: str, is_key: bool) -> Iterator[Any]:
    if isinstance(value, tuple):
        for item in value:
            yield from _inner(item, name, is_key)
    elif is_key and isinstance(value, Mapping):
        if name == ANY:
            yield from value.values()
        elif name in value:
            yield value[name]
    elif isinstance(value, BaseModel) and not is_key:
        yield getattr(value, name, None)


def unknown(knowledge: Knowledge) -> Iterator[str]:
    """Yield every path of the rules' conditions that leads nowhere in the facts, and every comparison that cannot be made."""
    components = {rule.component for rule in knowledge.rules} | {part for parts in knowledge.parts.values() for part in parts}
    for rule in knowledge.rules:
        for leaf in rule.detect.when.leaves if rule.detect.when else ():
            if (why := _wrong(leaf, frozenset(components))) is not None:
                yield f"{knowledge.places[rule.id]}: rule {rule.id}: {leaf.field}: {why}"


def _wrong(leaf: Condition, components: frozenset[str]) -> str | None:
    root, way = steps(str(leaf.field))
    if root not in ROOTS and root not in DAEMONS and root not in components:
        return f"facts know nothing called {root}"
    kind: Any = ROOTS.get(root, ROOTS["daemon"])
    if way and way[0] == ("node", False) and "node" not in kind.model_fields:
        kind, way = ROOTS["node"], way[1:]
    for name, is_key in way:
        kind = further(kind, name, is_key)
        if kind is None:
            return f"there is no {name} there"
    comparison, _ = leaf.comparison
    kinds = set(plain(kind))
    if comparison in NUMBERS and int not in kinds:
        return f"{comparison} compares numbers, and there is none"
    if comparison in TEXTS and not any(isinstance(inner, type) and issubclass(inner, str) for inner in kinds):
        return f"{comparison} compares texts, and there is none"
    return None


def further(kind: Any, name: str, is_key: bool) -> Any:
    """Return the type at one step further; None when there is no such step."""
    for inner in plain(kind):
        if get_origin(inner) is dict and is_key:
            key, value = get_args(inner)
            closed = next((one for one in plain(key) if isinstance(one, type) and issubclass(one, StrEnum)), None)
            return value if closed is None or name == ANY or name in list(closed) else None
        if isinstance(inner, type) and issubclass(inner, BaseModel) and not is_key and name in inner.model_fields:
            return inner.model_fields[name].annotation
    return None


def plain(kind: Any) -> Iterator[Any]:
    """Yield the types that a value may have: members of unions, items of tuples, what is annotated."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        for member in get_args(kind):
            yield from plain(member)
    elif origin in (Annotated, tuple):
        yield from plain(get_args(kind)[0])
    elif kind is not NoneType:
        yield kind
