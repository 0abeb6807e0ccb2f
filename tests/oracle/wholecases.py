"""Small whole plans, each drawn by a seed: good ones, and good ones after a few edits; at most six nodes and three hops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

import byhand
from upgrade_plans.models.upgrade import Upgrade

KUBERNETES = ("1.7.16", "1.8.15", "1.9.11", "1.10.13")
ETCD = ("2.2.1", "2.3.8", "3.0.17", "3.1.12")
TILLER = {"1.8.15": "2.8.2", "1.9.11": "2.9.1", "1.10.13": "2.9.1"}
NODES, HOPS = 6, 3
"""The upper size: so many nodes, and so many versions one after the other."""
Steps = list[dict[str, str]]
CHECKS = ("members-healthy", "cluster-version", "balancer", "heartbeats-fresh", "apis-complete", "managers-lead", "config-held")


@dataclass
class Draft:
    """A plan in the words of `tests/cases/byhand`, with how many hops it makes."""

    short: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    hops: int = 0

    @property
    def nodes(self) -> int:
        """Return how many nodes there are."""
        workers = sum(byhand.count_of(one) for one in self.short.get("workers", {}).values())
        return len(self.short["hosts"]) + workers


@dataclass(frozen=True)
class Case:
    """A plan with its name and size."""

    name: str
    plan: Upgrade
    nodes: int
    hops: int


# Good plans.


def kubernetes(rng: Random, *, large: bool) -> Draft:
    """Return API servers, managers and workers on their way through one to three lines, with what may go beside them."""
    hops = HOPS if large else rng.choice([1, 1, 1, 2])
    first = rng.randrange(len(KUBERNETES) - hops)
    lines = KUBERNETES[first : first + hops + 1]
    masters = [f"m{n + 1}" for n in range(2 if large else rng.choice([1, 1, 2]))]
    managed = [node for node in masters if rng.random() < (0.3 if large else 0.5)]
    short: dict[str, Any] = {"stores": {"kubernetes": "v3"}, "hosts": {}, "workers": {}, "settings": [], "changes": {}}
    for node in masters:
        short["hosts"][node] = {"row": node, "kube-apiserver": lines[0]}
        if node in managed:
            short["hosts"][node] |= {"kube-controller-manager": lines[0]}
    if len(masters) > 1 and rng.random() < 0.7:
        short["balancer"] = {"kind": "pybal", "threshold": rng.choice([0.5, 0.5, 0.3])}
    left = NODES - len(masters)
    for name in ("wa", "wb")[: 2 if large else rng.choice([1, 1, 2])]:
        count = left - 2 if large and name == "wa" else 2 if large else rng.choice([1, 1, 2])
        base = 1 if name == "wa" else 5
        short["workers"][name] = {
            "nodes": f"w[{base}-{base + count - 1}]",
            "row": name,
            "kubelet": lines[0],
            "kube-proxy": lines[0],
        }
    short["managers_reach"] = rng.choice(["loopback", "loopback", "balancer"])
    if rng.random() < 0.3:
        short["tillers"] = {"t": {"namespaces": ["a"], "version": "2.7.2"}}
    draft = Draft(short, hops=hops)
    draft.lines = list(_climb(rng, draft, lines, masters, managed))
    return draft


def _climb(rng: Random, draft: Draft, lines: tuple[str, ...], masters: list[str], managed: list[str]) -> list[str]:
    made, at, tiller = list[str](), lines[0], "2.7.2"
    for number, (old, new) in enumerate(pairwise(lines)):
        if "tillers" in draft.short and tiller != TILLER[new]:
            made += [f"== tillers-{new}", f"tillers t {tiller} {TILLER[new]}"]
            tiller = TILLER[new]
        made.append(f"== servers-{new}")
        for node in masters:
            pool = "balancer" in draft.short or rng.random() < 0.2
            block = f" blocks=servers-{old}" if new == "1.9.11" and f"== servers-{old}" in made else ""
            made += [f"depool {node}"] * pool + [f"apiserver {node} {old} {new}{block}"] + [f"repool {node}"] * pool
        if managed:
            made.append(f"managers {','.join(managed)} {old} {new} component=kube-controller-manager")
        if number == len(lines) - 2 or number % 2:
            made.append(f"== workers-{new}")
            groups = list(draft.short["workers"])
            together = rng.random() < 0.6
            made += [f"workers {','.join(groups)} {at} {new}"] if together else [f"workers {one} {at} {new}" for one in groups]
            at = new
    return made


def etcd(rng: Random, *, large: bool) -> Draft:
    """Return members on their way through one to three lines, each saved and tried before."""
    hops = HOPS if large else rng.choice([1, 1, 2])
    first = rng.randrange(len(ETCD) - hops)
    lines = ETCD[first : first + hops + 1]
    members = [f"e{n + 1}" for n in range(3 if large else rng.choice([1, 2, 3, 3]))]
    short: dict[str, Any] = {
        "cluster_version": f"{lines[0].rpartition('.')[0]}.0", "stores": {"kubernetes": "v2"}, "settings": [], "changes": {},
        "hosts": {node: {"row": node, "etcd": lines[0]} for node in members},
    }  # fmt: skip
    if large or rng.random() < 0.4:
        short["hosts"]["m1"] = {"row": "a", "kube-apiserver": "1.7.16"}
        short["settings"].append({"component": "kube-apiserver", "nodes": "m1", "arguments": {"--storage-backend": "etcd2"}})
    if large:
        short["workers"] = {"wa": {"nodes": "w[1-2]", "row": "a", "kubelet": "1.7.16", "kube-proxy": "1.7.16"}}
    made = []
    for old, new in pairwise(lines):
        name = f"etcd-{new}"
        made += [f"== {name}", f"backup stores=v2 id=b-{old}", f"drill id=d-{old}",
                 f"etcd-hop {','.join(members)} {old} {new} pre=members-healthy,cluster-version blocks={name}:b-{old}",
                 f"await-version {','.join(members)} {old} {new} post=cluster-version"]  # fmt: skip
    return Draft(short, made, hops)


def patched(rng: Random, *, large: bool) -> Draft:
    """Return members that leave a blocked patch, or a good one, before or after something else moves."""
    old = rng.choice(["3.5.1", "3.5.1", "3.5.9"])
    members = [f"e{n + 1}" for n in range(3 if large else rng.choice([1, 3]))]
    short: dict[str, Any] = {
        "cluster_version": "3.5.0", "stores": {"kubernetes": "v3"}, "settings": [], "changes": {},
        "hosts": {node: {"row": node, "etcd": old} for node in members} | {"m1": {"row": "a", "kube-apiserver": "1.30.8"}},
        "workers": {"wa": {"nodes": f"w[1-{2 if large else 1}]", "row": "a", "kubelet": "1.30.8", "kube-proxy": "1.30.8"}},
    }  # fmt: skip
    hop = ["== patch", f"etcd-hop {','.join(members)} {old} {rng.choice(['3.5.16', '3.5.16', '3.5.2'])} pre=members-healthy"]
    other = ["== servers", "apiserver m1 1.30.8 1.31.4", "workers wa 1.30.8 1.31.4"]
    return Draft(short, hop + other if rng.random() < 0.6 else other + hop, 2)


def moved(rng: Random, *, large: bool) -> Draft:
    """Return the move of Kubernetes' data from the v2 to the v3 store."""
    plan = byhand.plans()["move"]
    short = {key: value for key, value in plan.items() if key != "steps"}
    lines = list(plan["steps"])
    if rng.random() < 0.5 or large:
        short = {**short, "stores": {"kubernetes": "v2", "calico": "v2"}}
        lines.insert(lines.index("compare id=compare") + 1, "delete-keys store=v3 prefix=/calico id=clean")
    return Draft(short, lines, 1)


def window(rng: Random, *, large: bool) -> Draft:
    """Return Calico from 2.6 to 3.1 inside its window, sometimes from 2.2, sometimes with a pass of workers after it."""
    early = large or rng.random() < 0.4
    count = NODES - 2 if large else rng.choice([1, 1, 2])
    short: dict[str, Any] = {
        "cluster_version": "3.0.0", "stores": {"kubernetes": "v3", "calico": "v2"}, "settings": [], "changes": {},
        "hosts": {"e1": {"row": "a", "etcd": "3.0.17"}, "m1": {"row": "a", "kube-apiserver": "1.9.11"}},
        "workers": {"wa": {"nodes": f"w[1-{count}]", "row": "a", "kubelet": "1.9.11", "kube-proxy": "1.9.11",
                           "calico-node": "2.2.0" if early else "2.6.12"}},
    }  # fmt: skip
    if rng.random() < 0.5:
        short["tillers"] = {"t": {"namespaces": ["a"], "version": "2.8.2"}}
    lines = ["== calico-2.6", "calico-nodes wa 2.2.0 2.6.12 id=first"] if early else []
    lines += ["== calico", "freeze", "calico-dry-run", "calico-start id=start", "calico-nodes wa 2.6.12 3.1.7 id=nodes",
              "calico-complete id=complete" + rng.choice(["", " blocks=calico"]), "unfreeze", "probe"]  # fmt: skip
    if "tillers" in short:
        lines += ["== tillers", "tillers t 2.8.2 2.9.1"]
    if large:
        lines += ["== servers", "apiserver m1 1.9.11 1.10.13", "== workers", "workers wa 1.9.11 1.10.13"]
    return Draft(short, lines, 3 if large else 2 if early else 1)


KINDS: dict[str, Callable[..., Draft]] = {
    "kubernetes": kubernetes, "etcd": etcd, "patched": patched, "moved": moved, "window": window,
}  # fmt: skip


def configured(draft: Draft, rng: Random) -> None:
    """Write a setting somewhere, hold what else writes them, or both."""
    hosts = [name for name, daemons in draft.short["hosts"].items() if "kube-apiserver" in daemons]
    groups = [name for name, one in draft.short.get("workers", {}).items() if "kubelet" in one]
    short = draft.short = {**draft.short, "changes": dict(draft.short.get("changes", {})),
                           "settings": list(draft.short.get("settings", []))}  # fmt: skip
    at = rng.randint(1, len(draft.lines))
    if hosts and rng.random() < 0.5:
        line = rng.choice([{"setting": "--endpoint-reconciler-type", "new": "lease"}, {"setting": "--v", "new": "2"}])
        short["changes"]["api"] = {"component": "kube-apiserver", "nodes": hosts[0], "when": "before", "lines": [line]}
        draft.lines.insert(at, f"config {hosts[0]} component=kube-apiserver changes=api")
    elif groups:
        nodes = short["workers"][groups[0]]["nodes"]
        short["settings"].append({"component": "kubelet", "nodes": nodes, "arguments": {"--require-kubeconfig": "true"}})
        short["changes"]["drop"] = {"component": "kubelet", "nodes": nodes, "when": "before",
                                    "lines": [{"setting": "--require-kubeconfig", "old": "true"}]}  # fmt: skip
        draft.lines.insert(at, f"config {groups[0]} component=kubelet changes=drop")
    if rng.random() < 0.2:
        draft.lines.insert(1, "depool-dc")
        draft.lines.append("repool-dc")
    if rng.random() < 0.5:
        draft.lines.insert(1, "hold-config")
        draft.lines.append("release-config")


# Edits.


def _step(steps: Steps, rng: Random) -> int:
    return rng.choice([number for number, one in enumerate(steps) if "kind" in one])


def _drop(steps: Steps, rng: Random) -> None:
    del steps[_step(steps, rng)]


def _swap(steps: Steps, rng: Random) -> None:
    one, two = _step(steps, rng), _step(steps, rng)
    steps[one], steps[two] = steps[two], steps[one]


def _reorder(steps: Steps, rng: Random) -> None:
    step = steps.pop(_step(steps, rng))
    steps.insert(rng.randint(1, len(steps)), step)


def _merge(steps: Steps, rng: Random) -> None:
    """Let one step take what the next of its kind and versions takes too, all at once."""
    same = ("kind", "from", "to")
    taking = [number for number, one in enumerate(steps) if "takes" in one]
    pairs = [(one, two) for one in taking for two in taking
             if one < two and all(steps[one].get(key) == steps[two].get(key) for key in same)]  # fmt: skip
    if pairs:
        one, two = rng.choice(pairs)
        steps[one] = {**steps[one], "takes": f"{steps[one]['takes']},{steps[two]['takes']}", "window": "2"}
        del steps[two]


def _enlarge(steps: Steps, rng: Random) -> None:
    at = rng.choice([number for number, one in enumerate(steps) if "takes" in one])
    steps[at] = {**steps[at], "window": "3"}


def _strip(steps: Steps, rng: Random) -> None:
    at = _step(steps, rng)
    steps[at] = {key: value for key, value in steps[at].items() if key not in ("pre", "post", "blocks")} | {"undo": "no"}


def _unblock(steps: Steps, rng: Random) -> None:
    at = [number for number, one in enumerate(steps) if "blocks" in one]
    if at:
        steps[rng.choice(at)].pop("blocks")


def _ask(steps: Steps, rng: Random) -> None:
    at = _step(steps, rng)
    steps[at] = {**steps[at], rng.choice(["pre", "post", "undo_pre"]): rng.choice(CHECKS)}


EDITS: dict[str, Callable[[Steps, Random], None]] = {
    "drop": _drop, "swap": _swap, "reorder": _reorder, "merge": _merge, "enlarge": _enlarge, "strip": _strip,
    "unblock": _unblock, "ask": _ask,
}  # fmt: skip


def small(seed: int, *, large: bool = False, edits: tuple[int, ...] = (0, 1, 1, 2)) -> Case:
    """Return the case of a seed; `large`: of the upper size. `edits`: how many, one of these."""
    rng = Random(f"whole {seed}")  # noqa: S311 - cases, not secrets
    kind = (
        rng.choice([*KINDS, "kubernetes", "kubernetes", "window"])
        if not large
        else rng.choice(["kubernetes", "etcd", "window"])
    )
    draft = KINDS[kind](rng, large=large)
    if rng.random() < 0.3:
        configured(draft, rng)
    steps = byhand.parsed(draft.lines)
    made = []
    for _ in range(rng.choice(edits)):
        made.append(rng.choice(list(EDITS)))
        EDITS[made[-1]](steps, rng)
    plan = byhand.write_out(draft.short, steps)
    return Case("-".join([kind, *made]), plan, draft.nodes, draft.hops)
