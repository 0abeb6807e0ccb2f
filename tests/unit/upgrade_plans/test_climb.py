"""The order in which a stack moves; expected orders and refusals as data, written from the rules and not from the code."""

from __future__ import annotations

import functools
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubedeb.cli import run
from kubedeb.errors import ExitCode
from kubedeb.knowledge import load
from kubedeb.versions import Version
from upgrade_plans.planner.ahead import ENDLESS
from upgrade_plans.planner.climb import Climb, NoWay, Search, climb
from upgrade_plans.planner.legality import Judge, forbids, mix_of
from upgrade_plans.planner.mixes import Mixes
from upgrade_plans.planner.stack import BY_NAME, OF_PRODUCT, Map, Move, Stack, Wish

REFERENCE = "kubernetes=1.7.16 etcd=2.2.1 storage=2.0.0 calico=2.2.0 helm=2.7.2"
GOAL = "kubernetes=1.10.13 etcd=3.1.12 storage=3.0.0 calico=3.1.7 helm=2.9.1"


def versions(text: str) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for word in text.split():
        name, _, version = word.partition("=")
        groups = (name,) if name in BY_NAME and name[-1:] == "s" else OF_PRODUCT.get(name, (name,))
        found |= dict.fromkeys(groups, Version.parse(version))
    return found


def way(start: str, goal: str, *, frozen: str = "") -> Climb | NoWay:
    begin = versions(start)
    return climb(Stack.of(begin), Wish(Stack.of({**begin, **versions(goal)}), frozenset(frozen.split())), load())


def stages(found: Climb | NoWay) -> list[str]:
    assert isinstance(found, Climb), found
    return [f"{stage.move.group} {stage.move.new}" for stage in found.stages]


def test_the_reference_cluster() -> None:
    found = way(REFERENCE, GOAL)
    assert stages(found) == [
        "etcd 2.3.8", "etcd 3.0.17", "storage 3.0.0", "etcd 3.1.12", "calico 2.6.12",
        "apiservers 1.8.15", "managers 1.8.15", "tillers 2.8.2",
        "apiservers 1.9.11", "managers 1.9.11", "tillers 2.9.1", "helm 2.9.1", "workers 1.9.11", "calico 3.1.7",
        "apiservers 1.10.13", "managers 1.10.13", "workers 1.10.13",
    ]  # fmt: skip
    assert isinstance(found, Climb)
    assert found.drains == 2
    # Only what the start itself cannot help: an etcd older than Kubernetes 1.7 is made for.
    assert {rule.id for stage in found.stages for rule in stage.warnings} == {"kubernetes-1.7-etcd"}


# (what must come before what) in every way of the reference cluster.
BEFORE = [
    ("etcd 3.0.17", "storage 3.0.0"), ("storage 3.0.0", "etcd 3.1.12"), ("etcd 3.1.12", "apiservers 1.9.11"),
    ("tillers 2.8.2", "apiservers 1.9.11"), ("tillers 2.9.1", "apiservers 1.10.13"), ("tillers 2.9.1", "helm 2.9.1"),
    ("workers 1.9.11", "apiservers 1.10.13"), ("storage 3.0.0", "calico 3.1.7"), ("apiservers 1.8.15", "calico 3.1.7"),
]  # fmt: skip


def test_what_comes_before_what() -> None:
    order = stages(way(REFERENCE, GOAL))
    assert [pair for pair in BEFORE if order.index(pair[0]) > order.index(pair[1])] == []


@pytest.mark.parametrize(
    ("start", "goal", "expected"),
    [
        # Kubelets of 1.7 are two behind 1.9 and go there in one pass.
        ("kubernetes=1.7.16", "kubernetes=1.9.11",
         ["apiservers 1.8.15", "managers 1.8.15", "apiservers 1.9.11", "managers 1.9.11", "workers 1.9.11"]),
        # A half-done upgrade goes on where it stands.
        ("apiservers=1.8.15 managers=1.7.16 workers=1.7.16", "apiservers=1.8.15 managers=1.8.15 workers=1.8.15",
         ["managers 1.8.15", "workers 1.8.15"]),
        # A patch is no hop.
        ("kubernetes=1.7.10", "kubernetes=1.7.16", ["apiservers 1.7.16", "managers 1.7.16", "workers 1.7.16"]),
        # The target is the start.
        ("kubernetes=1.10.13 etcd=3.1.12", "kubernetes=1.10.13", []),
        # Kubelets from 1.25 on may be three behind: one pass from 1.25 to 1.28, where before it were two.
        ("kubernetes=1.25.0", "kubernetes=1.28.0",
         ["apiservers 1.26.9999", "managers 1.26.9999", "apiservers 1.27.9999", "managers 1.27.9999", "apiservers 1.28.0",
          "managers 1.28.0", "workers 1.28.0"]),
        ("etcd=3.3.25 storage=3.0.0", "etcd=3.5.16", ["etcd 3.4.9999", "etcd 3.5.16"]),
    ],
)  # fmt: skip
def test_orders(start: str, goal: str, expected: list[str]) -> None:
    assert stages(way(start, goal)) == expected


@pytest.mark.parametrize(
    ("start", "goal", "frozen", "rules", "freezes"),
    [
        ("kubernetes=1.7.16", "kubernetes=1.10.13", "workers",
         {"kubelet-skew-old"}, {"workers"}),
        ("kubernetes=1.12.10 etcd=3.2.18 storage=2.0.0", "kubernetes=1.13.12", "", {"apiserver-1.13-etcd3"}, set()),
        ("etcd=3.4.23 storage=3.0.0", "etcd=3.5.1", "", {"etcd-blocked-3.5.0-2"}, set()),
        ("kubernetes=1.7.16 etcd=3.1.12 storage=2.0.0", "etcd=3.2.18", "", {"etcd-3.2-needs-v3"}, set()),
    ],
)  # fmt: skip
def test_refusals_name_what_forbids(start: str, goal: str, frozen: str, rules: set[str], freezes: set[str]) -> None:
    found = way(start, goal, frozen=frozen)
    assert isinstance(found, NoWay), stages(found)
    named = {rule.id for rule in found.rules}
    assert rules <= named or {rule.replace("kubelet", "kube-proxy") for rule in rules} <= named
    assert freezes <= set(found.freezes)


def test_a_refusal_is_irreducible() -> None:
    """What it names is enough to forbid every way, and no part of it is."""
    found = way("kubernetes=1.7.16", "kubernetes=1.10.13", frozen="workers")
    assert isinstance(found, NoWay)
    assert found.freezes == ("workers",)
    assert len(found.rules) == 1
    assert isinstance(way("kubernetes=1.7.16", "kubernetes=1.10.13"), Climb)


lines = st.sampled_from(["1.7.16", "1.8.15", "1.9.11", "1.10.13"])
etcds = st.sampled_from(["2.2.1", "2.3.8", "3.0.17", "3.1.12", "3.2.18"])


@settings(max_examples=25, deadline=None)
@given(st.tuples(lines, lines, lines), lines, etcds, st.sampled_from(["2.0.0", "3.0.0"]))
def test_every_way_is_legal_in_every_mix(start: tuple[str, str, str], goal: str, etcd: str, store: str) -> None:
    begin = dict(zip(("apiservers", "managers", "workers"), map(Version.parse, start), strict=True))
    begin |= {"etcd": Version.parse(etcd), "storage": Version.parse(store)}
    target = {**begin, **{name: max(Version.parse(goal), begin[name]) for name in ("apiservers", "managers", "workers")}}
    found = climb(Stack.of(begin), Wish(Stack.of(target)), load())
    if isinstance(found, NoWay):
        assert found.rules
        return
    judge = Judge(load())
    here = {rule.id for rule in judge.broken(mix_of(found.start))}
    stack = found.start
    for stage in found.stages:
        stack = stack.with_(stage.move.group, stage.move.new)
        mixes = (mix_of(stack, stage.move), mix_of(stack))
        broken = itertools.chain.from_iterable(judge.broken(mix) for mix in mixes)
        assert not [rule.id for rule in broken if forbids(rule) and rule.id not in here]
    assert stack == Stack.of(target)


@settings(max_examples=40, deadline=None)
@given(st.tuples(lines, lines, lines), lines, etcds, etcds, st.sampled_from(["", "2.2.0", "2.6.12"]))
def test_a_search_that_looks_ahead_finds_the_same_way(
    start: tuple[str, str, str], goal: str, etcd: str, later: str, calico: str
) -> None:
    begin = dict(zip(("apiservers", "managers", "workers"), map(Version.parse, start), strict=True))
    target = {name: max(Version.parse(goal), version) for name, version in begin.items()}
    begin |= {"etcd": Version.parse(etcd), "storage": Version(2, 0)}
    target |= {"etcd": max(Version.parse(later), begin["etcd"]), "storage": Version(3, 0)}
    if calico:
        begin["calico"], target["calico"] = Version.parse(calico), Version(3, 1, 7)
    mixes = Mixes(Stack.of(begin), Wish(Stack.of(target)), Judge(load()))
    for late in (None, no_return):
        assert Search(mixes, looks_ahead=True, no_return=late).best() == Search(mixes, no_return=late).best()


def no_return(move: Move) -> bool:
    return move.group in ("etcd", "storage") or (move.group == "apiservers" and move.new.minor >= 9)


def test_points_of_no_return_come_late() -> None:
    begin = versions(REFERENCE)
    found = climb(Stack.of(begin), Wish(Stack.of(versions(GOAL))), load(), no_return)
    assert stages(found) == [
        "etcd 2.3.8", "etcd 3.0.17", "calico 2.6.12", "apiservers 1.8.15", "managers 1.8.15", "tillers 2.8.2", "workers 1.8.15",
        "storage 3.0.0", "calico 3.1.7", "etcd 3.1.12", "apiservers 1.9.11", "managers 1.9.11", "tillers 2.9.1", "helm 2.9.1",
        "apiservers 1.10.13", "managers 1.10.13", "workers 1.10.13",
    ]  # fmt: skip


def cheapest(start: Stack, target: Stack) -> tuple[int, int, int]:
    """Return the drains, the risk and the exposure of the cheapest way, from the end backwards: no bound, no queue."""
    judge, moves = Judge(load()), Map(start, Wish(target), load()).moves
    here = {rule.id for rule in judge.broken(mix_of(start))}

    @functools.cache
    def rest(stack: Stack, behind: int) -> tuple[int, int, int]:
        ways = [(0, 0, 0)] if stack == target else []
        for move in moves(stack):
            after = stack.with_(move.group, move.new)
            broken = {rule.id: rule for mix in (mix_of(after, move), mix_of(after)) for rule in judge.broken(mix)}
            if any(forbids(rule) and name not in here for name, rule in broken.items()):
                continue
            more = rest(after, behind + no_return(move))
            risk = sum(not forbids(rule) for rule in broken.values())
            ways.append((BY_NAME[move.group].drains + more[0], risk + more[1], behind + more[2]))
        return min(ways, default=(ENDLESS, 0, 0))

    return rest(start, 0)


@settings(max_examples=10, deadline=None)
@given(lines, lines, etcds, etcds)
def test_no_way_with_as_few_drains_and_as_little_risk_is_exposed_less(first: str, last: str, etcd: str, later: str) -> None:
    kubernetes, stores = sorted((first, last), key=Version.parse), sorted((etcd, later), key=Version.parse)
    begin, end = (versions(f"apiservers={one} workers={one} etcd={two}") for one, two in zip(kubernetes, stores, strict=True))
    begin, end = {**begin, "storage": Version(2, 0)}, {**end, "storage": Version(3, 0)}
    found = climb(Stack.of(begin), Wish(Stack.of(end)), load(), no_return)
    least = cheapest(Stack.of(begin), Stack.of(end))
    if isinstance(found, NoWay):
        assert least[0] >= ENDLESS
        return
    behind = list(itertools.accumulate((no_return(stage.move) for stage in found.stages), initial=0))
    assert (found.drains, found.risk, sum(behind[:-1])) == least


def brute(start: Stack, target: Stack) -> int | None:
    """Return the fewest drains of any legal way, by visiting all of them breadth first: no cost, no bound, no order."""
    judge, knowledge = Judge(load()), load()
    here = {rule.id for rule in judge.broken(mix_of(start))}
    layer, drains = {start}, 0
    moves = Map(start, Wish(target), knowledge).moves
    while layer:
        seen, waiting = set(layer), list(layer)
        drained = set()
        while waiting:
            stack = waiting.pop()
            if stack == target:
                return drains
            for move in moves(stack):
                after = stack.with_(move.group, move.new)
                broken = {
                    rule.id for mix in (mix_of(after, move), mix_of(after)) for rule in judge.broken(mix) if forbids(rule)
                }
                if broken - here:
                    continue
                if BY_NAME[move.group].drains:
                    drained.add(after)
                elif after not in seen:
                    seen.add(after)
                    waiting.append(after)
        layer, drains = drained, drains + 1
        if drains > 8:
            return None
    return None


@settings(max_examples=10, deadline=None)
@given(lines, lines)
def test_no_way_drains_less(first: str, last: str) -> None:
    begin = versions(f"kubernetes={min(first, last, key=Version.parse)}")
    target = versions(f"kubernetes={max(first, last, key=Version.parse)}")
    found = climb(Stack.of(begin), Wish(Stack.of(target)), load())
    assert isinstance(found, Climb)
    assert found.drains == brute(Stack.of(begin), Stack.of(target))


def test_prints_the_order(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", "outline", "kubernetes=1.7.16", "etcd=2.2.1", "storage=etcd2"]
    arguments += ["--to", "kubernetes=1.10.13", "--to", "etcd=3.1.12", "--to", "storage=etcd3"]
    assert run(arguments) == ExitCode.DONE
    text = capsys.readouterr().out
    assert "every worker is drained 2 times" in text
    assert "storage    etcd2 → etcd3" in text
    assert run([*arguments, "--json"]) == ExitCode.DONE
    document = json.loads(capsys.readouterr().out)
    assert document["drains"] == 2
    assert document["stages"][2]["group"] == "storage"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["kubernetes=1.7.16", "--to", "kubernetes=1.10.13", "--freeze", "workers"], ExitCode.NO_PLAN, "must stay on 1.7.16"),
        (["kubernetes=1.10.13", "--to", "kubernetes=1.7.16"], ExitCode.USAGE, "would go down"),
        (["kubernetes=1.7.16", "--to", "etcd=3.1.12"], ExitCode.USAGE, "--to names etcd"),
        (["flannel=1.0.0", "--to", "flannel=1.0.1"], ExitCode.USAGE, "no component 'flannel'"),
        (["kubernetes", "--to", "kubernetes=1.8.0"], ExitCode.USAGE, "is not COMPONENT=VERSION"),
        (["kubernetes=1.7.16", "--to", "kubernetes=1.99.0"], ExitCode.NO_PLAN, "no hops are known"),
        (["kubernetes=1.7.16", "--to", "kubernetes=1.8.0", "--freeze", "calico"], ExitCode.USAGE, "cannot be frozen"),
    ],
)  # fmt: skip
def test_refuses_with_a_reason(arguments: list[str], code: ExitCode, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "outline", *arguments]) == code
    assert says in capsys.readouterr().err
