"""For each rule that is detected automatically: facts that it concerns, and twins that differ in the one field it is about."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, get_origin

from kubedeb.errors import KubedebError
from kubedeb.knowledge import Knowledge, Rule, RuleKind, load
from kubedeb.knowledge.conditions import Condition, steps
from kubedeb.knowledge.journey import bites, journey
from kubedeb.knowledge.ranges import Range
from kubedeb.versions import Version
from upgrade_plans.models.facts import Facts
from upgrade_plans.planner.elements import LISTS, ROOTS
from upgrade_plans.planner.paths import further, plain

Tree = dict[str, Any]
SAMPLES = {
    "[A-Z_]": "Node_A", "metrics": "v1beta1.metrics.k8s.io", "Container-Optimized": "Container-Optimized OS",
    "^(componentconfig/|kubeproxy.k8s.io/)": "componentconfig/v1alpha1", "^kubeletconfig/": "kubeletconfig/v1alpha1",
    "hyperkube": "registry/hyperkube:v1.16.10", "<(0|100)%": "memory.available<0%", "https://.*,": "https://e1:2379,https://e2:2379",
    "(^|,)https?://(?!localhost[:/])[A-Za-z]": "https://10.0.0.1:2379,https://e1:2379", "^[1-9]": "8080",
    "^http:": "http://m1:8080", "^componentconfig/": "componentconfig/v1alpha1",
    "node-role.kubernetes.io|kubernetes.io/role": "node-role.kubernetes.io/worker=",
}  # fmt: skip
"""A text for each regular expression that a condition uses."""
KNOWN: dict[str, Tree] = {
    "apiservice": {"name": "v1.shop", "available": True}, "webhook": {"name": "hook", "fails_closed": False},
    "tiller": {"namespace": "shop", "version": "2.7.2"},
    "workload": {"namespace": "shop", "name": "web", "kind": "Deployment", "replicas": 2},
}  # fmt: skip
PLACES: dict[str, Tree] = {
    "pods": {"nodes": "w1"}, "kubeconfigs": {"path": "/etc/k", "server": "https://m1", "current_context": True},
    "runtime": {"name": "docker", "version": "1.12.6"}, "v4": {"configured": 0, "established": 1},
}  # fmt: skip
"""What an item of a list, or of a dict by that key, has to have."""


@dataclass(frozen=True)
class Case:
    """Facts and a target, and whether the rule concerns them; `about` says what differs from the hit."""

    rule: str
    about: str
    facts: Facts
    target: dict[str, Version]
    hits: bool


def cases(rule: Rule, knowledge: Knowledge) -> Iterator[Case]:
    """Yield a rule's hits, each with its twins."""
    if rule.kind in (RuleKind.SKEW, RuleKind.WINDOW):
        yield from _pairs(rule, knowledge)
        return
    if rule.kind is RuleKind.CAPABILITY:
        yield Case(rule.id, "", _facts(rule, _inside(rule.to), {}), {}, True)
        yield Case(rule.id, "running version", _facts(rule, _outside(rule.to), {}), {}, False)
        return
    old, new = way(rule, knowledge)
    target = {rule.component: new}
    if rule.detect.when is None or rule.detect.when.field == "running.version":
        yield Case(rule.id, "", _facts(rule, old, {}), target, True)
        yield Case(rule.id, "target", _facts(rule, old, {}), {rule.component: old}, False)
        return
    for number in range(_branches(rule.detect.when)):
        tree: Tree = {}
        chosen = list(_put(rule.detect.when, rule, tree, number, met=True))
        yield Case(rule.id, f"branch {number}", _facts(rule, old, tree), target, True)
        for leaf, met in chosen:
            twin = deepcopy(tree)
            _leaf(leaf, rule, twin, met=not met)
            yield Case(rule.id, f"branch {number}: {leaf.field}", _facts(rule, old, twin), target, False)


def _branches(when: Condition) -> int:
    if when.any is not None:
        return sum(_branches(one) for one in when.any)
    if when.all is not None:
        return max(_branches(one) for one in when.all)
    return 1


def _put(when: Condition, rule: Rule, tree: Tree, branch: int, *, met: bool) -> Iterator[tuple[Condition, bool]]:
    """Write into `tree` what satisfies a condition by its branch; yield the leaves that it stands on."""
    if when.any is not None:
        sizes = [_branches(one) for one in when.any]
        starts = list(itertools.accumulate(sizes, initial=0))
        branch %= starts[-1]
        for one, start, size in zip(when.any, starts, sizes, strict=False):
            if not start <= branch < start + size:
                list(_put(one.no or Condition(no=one), rule, tree, 0, met=met))
        for one, start, size in zip(when.any, starts, sizes, strict=False):
            if start <= branch < start + size:
                yield from _put(one, rule, tree, branch - start, met=met)
    elif when.all is not None:
        for one in when.all:
            yield from _put(one, rule, tree, branch, met=met)
    elif when.no is not None:
        for leaf in when.no.leaves:
            _leaf(leaf, rule, tree, met=not met)
            yield leaf, not met
    else:
        _leaf(when, rule, tree, met=met)
        yield when, met


def _leaf(leaf: Condition, rule: Rule, tree: Tree, *, met: bool) -> None:
    """Write the value that satisfies a leaf, or one that does not."""
    root, way = steps(str(leaf.field))
    kind: Any = ROOTS.get(root, ROOTS["daemon"])
    here = _root(tree, root)
    if way[0] == ("node", False) and "node" not in kind.model_fields:
        here, kind, way = tree.setdefault("node", {}), ROOTS["node"], way[1:]
    for name, is_key in way[:-1]:
        some = "/etc/k.yaml" if "ConfigFile" in str(kind) else "v4"
        kind = further(kind, name, is_key)
        here = _inner(here, some if name == "*" else name, many=get_origin(kind) is tuple)
    name, is_key = way[-1]
    kind = further(kind, name, is_key)
    key = "x" if name == "*" else name
    value = _value(leaf, kind, met=met)
    if value is None and root in LISTS:
        tree.pop(root)
    elif value is None:
        here.pop(key, None)
    else:
        here[key] = value


def _inner(here: Tree, name: str, *, many: bool) -> Tree:
    """Go one step into a tree, making it; a list gets one item."""
    start: Tree = dict(PLACES.get(name, {}))
    found = here.setdefault(name, [start] if many else start)
    inner: Tree = found[0] if many else found
    return inner


def _root(tree: Tree, root: str) -> Tree:
    return tree.setdefault(f"daemon:{root}" if root not in ROOTS else root, dict(KNOWN.get(root, {})))  # type: ignore[no-any-return]


def _value(leaf: Condition, kind: Any, *, met: bool) -> Any:  # noqa: C901 - one row a comparison
    name, operand = leaf.comparison
    kinds = list(plain(kind))
    many = get_origin(kind) is tuple
    match name:
        case "present":
            wanted = operand == met
            if not wanted:
                return None if bool not in kinds else False
            return (
                True
                if kinds == [bool]
                else ["x"]
                if many
                else 1
                if int in kinds and str not in kinds
                else "x1"
                if kinds != [str]
                else "true"
            )
        case "equals":
            if bool in kinds and str not in kinds:
                return (operand == "true") == met
            if int in kinds and str not in kinds:
                return int(operand) if met else int(operand) + 1
            return operand if met else f"{operand}x"
        case "among":
            return operand[0] if met else "other"
        case "holds":
            return ([operand] if many else operand) if met else (["Other"] if many else "other")
        case "matches":
            text = SAMPLES[operand] if met else "plain"
            return [text] if many else text
        case "version":
            return str(_inside(operand) if met else _outside(operand))
        case "above":
            return operand + 1 if met else operand
        case "below":
            return operand - 1 if met else operand
    raise AssertionError(name)


@cache
def _candidates() -> tuple[Version, ...]:
    """Return versions of every line that a rule names, first and late patches, and what lies about their bounds."""
    found: set[Version] = set()
    for rule in load().rules:
        for one in (
            rule.from_,
            rule.to,
            *(leaf.version for leaf in (rule.detect.when.leaves if rule.detect.when else ()) if leaf.version),
        ):
            if one.line:
                found |= {Version(*one.line, 0), Version(*one.line, 30)}
            for _, bound in one.terms:
                found |= {bound, replace(bound, patch=bound.patch + 1), replace(bound, patch=max(0, bound.patch - 1)),
                          Version(bound.major, max(0, bound.minor - 1), 0)}  # fmt: skip
    return tuple(sorted(found))


def _inside(where: Range) -> Version:
    return next(version for version in _candidates() if version in where)


def _outside(where: Range) -> Version:
    return next(version for version in reversed(_candidates()) if version not in where)


def way(rule: Rule, knowledge: Knowledge) -> tuple[Version, Version]:
    """Return a version that is left and one that is reached, so that the rule is met between them."""
    product = next((name for name, parts in knowledge.parts.items() if rule.component in parts), rule.component)
    if rule.kind is RuleKind.HOP:
        assert rule.from_.line
        assert rule.to.line
        return Version(*rule.from_.line, 1), Version(*rule.to.line, 1)
    if rule.kind is RuleKind.STONE:
        assert rule.to.line
        lines = [hop.from_.line for hop in knowledge.of(product, RuleKind.HOP) if hop.to.line == rule.to.line]
        following = knowledge.next_line(product, rule.to.line)
        assert following
        assert lines[0]
        return Version(*lines[0], 0), Version(*following, 0)
    hops = knowledge.of(product, RuleKind.HOP)
    known = {hop.from_.line for hop in hops} | {hop.to.line for hop in hops}
    near = [one for one in _candidates() if one.line in known] or list(_candidates())
    for old, new in itertools.product(near, near):
        if old != new and bites(rule, old, new) and _met(rule, product, old, new, knowledge):
            return old, new
    raise AssertionError(f"no way meets {rule.id}")


def _met(rule: Rule, product: str, old: Version, new: Version, knowledge: Knowledge) -> bool:
    try:
        return any(one.id == rule.id for _, one in journey(knowledge, product, old, new).met)
    except KubedebError:
        return True


def _pairs(rule: Rule, knowledge: Knowledge) -> Iterator[Case]:
    """Yield a pair of versions that a skew or a window does not allow, and one that differs in one of them and is allowed."""
    pair = rule.skew or rule.window
    assert pair is not None
    against = pair.against

    def allows(mine: Version, other: Version) -> bool:
        return rule.skew.allows(mine, other) if rule.skew else bool(rule.window and rule.window.allows(other))

    lines = [Version(major, minor, 0) for major in (1, 2, 3) for minor in range(40)]
    if against == "storage":
        lines = [Version(2, 0, 0), Version(3, 0, 0)]
    few = [one for one in (*lines, *_candidates()) if one in rule.from_]
    others = [one for one in lines if one in rule.to]
    # Within one major the distance alone tells; another major is out of reach of any skew.
    for near in (True, False):
        for mine in few:
            good = next((one for one in others if allows(mine, one)), None)
            refused = (one for one in others if not allows(mine, one))
            bad = next((one for one in refused if good and (not near or one.major == good.major)), None)
            if good and bad:
                for other, hits in ((bad, True), (good, False)):
                    yield Case(rule.id, f"{against} {other}", _facts(rule, mine, {}, {against: other}), {}, hits)
                return
    raise AssertionError(f"no pair for {rule.id}")


TOOLS = ("kubectl", "helm", "calicoctl", "kubeadm")
RUNTIMES = ("docker", "containerd")
PRODUCTS = {"calico": "calico-node", "kubernetes": "kubelet", "calico-upgrade": "calico-node"}


def _facts(rule: Rule, version: Version, tree: Tree, others: dict[str, Version] | None = None) -> Facts:
    """Return facts with one node, a member, and what `tree` says of them."""
    node: Tree = {"host": {}, "runtime": {"name": "docker", "version": "1.12.6"}, **tree.get("node", {})}
    whole: Tree = {
        "cluster": "c", "read_at": "2026-01-01", "nodes": {"w1": node}, "etcd": [],
        "store": tree.get("store", {}), "calico": tree.get("calico", {}),
        "kubernetes": {"looked": True, **tree.get("kubernetes", {})},
    }  # fmt: skip
    _run(whole, rule.component, version, tree.get("daemon", {}))
    for name, other in (others or {}).items():
        _run(whole, name, other, {}, "w2" if name == rule.component else "w1")
    for key, settings in tree.items():
        if key.startswith("daemon:"):
            _run(whole, key.removeprefix("daemon:"), None, settings)
    member = {
        "node": "w1",
        "healthy": True,
        "running": "3.1.12",
        "cluster_version": "3.1.0",
        **(whole["etcd"][0] if whole["etcd"] else {}),
        **tree.get("member", {}),
    }
    whole["etcd"] = [{key: value for key, value in member.items() if value is not None}]
    for root, name in LISTS.items():
        if root in tree:
            whole["kubernetes"].setdefault(name, []).append({**KNOWN[root], **tree[root]})
    if "cluster" in tree and "nodes" in tree["cluster"]:
        whole["nodes"][f"x[1-{tree['cluster']['nodes'] - 1}]"] = {}
    if "cluster" in tree and "apiservers" in tree["cluster"] and tree["cluster"]["apiservers"] > 1:
        whole["nodes"]["m2"] = deepcopy(node)
    return Facts.model_validate(whole)


def _run(whole: Tree, component: str, version: Version | None, settings: Tree, where: str = "w1") -> None:
    node = whole["nodes"].setdefault(where, {})
    name = PRODUCTS.get(component, component)
    text = {"version": str(version)} if version else {}
    if name == "etcd":
        if version:
            whole["etcd"] = [{"node": "w1", "running": str(version), "cluster_version": f"{version.major}.{version.minor}.0"}]
        if settings:
            node.setdefault("daemons", {})["etcd"] = {"running": settings}
    elif name == "tiller":
        whole["kubernetes"].setdefault("tillers", []).append({"namespace": "shop", "releases": 0, "version": str(version)})
    elif name == "storage":
        daemon = node.setdefault("daemons", {}).setdefault("kube-apiserver", {"running": {}})
        daemon["running"].setdefault("arguments", {})["--storage-backend"] = f"etcd{version.major}" if version else "etcd2"
    elif name in TOOLS:
        node.setdefault("tools", {})[name] = str(version)
    elif name in RUNTIMES:
        node["runtime"] = {"name": name, "version": str(version)}
    else:
        daemon = node.setdefault("daemons", {}).setdefault(name, {"running": {}})
        old = daemon.setdefault("running", {})
        daemon["running"] = {**old, **text, **{key: value for key, value in settings.items() if key not in text}}
