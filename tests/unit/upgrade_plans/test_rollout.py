"""A pass over the workers: batches, limits, the bound, and the time that it takes."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubedeb import knowledge
from kubedeb.versions import Version
from upgrade_plans.planner.climb import Climb, climb
from upgrade_plans.planner.passes import WITH_KUBELET, passes
from upgrade_plans.planner.rolling import Window
from upgrade_plans.planner.rollout import Budget, Floor, Kind, Nodes, Policy, Rollout, roll_out
from upgrade_plans.planner.stack import Stack, Wish
from upgrade_plans.planner.windows import StepTimes, estimate, makespan, play

EVEN = StepTimes(variation=0.0, stragglers=0.0)


def chance(seed: int = 1) -> Random:
    return Random(seed)  # noqa: S311 - not for secrets


def nodes(row: str = "a", rack: str = "1", **more: Any) -> Nodes:
    values = {"taints": "", "hardware": "h", "architecture": "amd64", "seconds": 100.0, **more}
    return Nodes(row=row, rack=rack, **values)


def rows(count: int, each: int) -> list[tuple[Nodes, int]]:
    return [(nodes(f"r{number}"), each) for number in range(count)]


def sizes(rollout: Rollout) -> list[tuple[int, int]]:
    return [(batch.size, batch.window) for batch in rollout.batches]


@pytest.mark.parametrize(
    ("fleet", "policy", "expected"),
    [
        ([], Policy(), []),
        ([(nodes(), 1)], Policy(), [(1, 1)]),
        ([(nodes(), 10)], Policy(in_all=1), [(1, 1), (9, 1)]),
        ([(nodes(), 100)], Policy(in_all=20), [(1, 1), (4, 4), (95, 20)]),
        ([(nodes(), 200)], Policy(in_all=40), [(1, 1), (4, 4), (16, 16), (179, 40)]),
        ([(nodes(), 200)], Policy(in_all=40, growth=2), [(1, 1), (2, 2), (4, 4), (8, 8), (16, 16), (169, 40)]),
        ([(nodes(), 50)], Policy(), [(1, 1), (4, 4), (16, 16), (29, 50)]),
        (rows(4, 40), Policy(per_row=1), [(1, 1), (159, 4)]),
        (rows(4, 40), Policy(bgp=1), [(1, 1), (159, 4)]),
        (rows(4, 40), Policy(bgp=3), [(1, 1), (4, 4), (155, 12)]),
        (rows(4, 40), Policy(per_rack=2), [(1, 1), (159, 8)]),
        ([(nodes(), 40), (nodes(frozen=True), 9)], Policy(in_all=4), [(1, 1), (39, 4)]),
        ([(nodes(), 40)], Policy(unavailable={"": 0.1}), [(1, 1), (39, 4)]),
        ([(nodes(load=16), 40)], Policy(floors={"": Floor(16 * 37, largest_pod=8)}), [(1, 1), (39, 2)]),
        ([(nodes(), 10)], Policy(budgets=(Budget("db", "", pods=20, allowed=6),)), [(1, 1), (9, 3)]),
        ([(nodes(), 10)], Policy(budgets=(Budget("web", "", pods=9, allowed=1),)), [(1, 1), (4, 4), (5, 10)]),
    ],
)  # fmt: skip
def test_the_canary_goes_first_then_growing_batches(
    fleet: list[tuple[Nodes, int]], policy: Policy, expected: list[tuple[int, int]]
) -> None:
    assert sizes(roll_out(fleet, policy)) == expected


def test_soaks_stand_between_batches_and_not_after_the_last() -> None:
    made = roll_out([(nodes(), 100)], Policy(in_all=20, soak=600))
    assert [batch.soak for batch in made.batches] == [600, 600, 0]


def test_early_batches_meet_each_kind_of_node() -> None:
    fleet = [(nodes("a", hardware="old"), 50), (nodes("b", hardware="new"), 5), (nodes("c", architecture="arm64"), 2)]
    made = roll_out(fleet, Policy(in_all=20))
    canary, second = ([made.groups[index][0] for index, _ in batch.takes] for batch in made.batches[:2])
    assert [one.hardware for one in canary] == ["old"]
    assert {one.architecture for one in second} == {"amd64", "arm64"}
    assert {one.hardware for one in second} >= {"new", "h"}


def test_the_bound_is_the_tightest_limits_work_and_the_soaks() -> None:
    fleet = [(nodes("a"), 30), (nodes("b", seconds=200.0), 30), (nodes("c", taints="gpu"), 10)]
    made = roll_out(fleet, Policy(in_all=10, per_row=2, unavailable={"gpu": 0.1}, soak=60))
    assert made.binding is not None
    assert (made.binding.kind, made.binding.domain) == (Kind.ROW, "b")
    assert made.at_least == 30 * 200 / 2 + 60


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (Policy(per_row=0), "row a: no node may be unavailable"),
        (Policy(floors={"": Floor(requested=9.5)}), "capacity: no node may be unavailable (10 there, 9.5 asked for"),
    ],
)
def test_no_room_for_a_single_node_is_told(policy: Policy, says: str) -> None:
    with pytest.raises(ValueError, match="no node may be unavailable") as raised:
        roll_out([(nodes(), 10)], policy)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("load", "floor", "says"),
    [
        (4_000, Floor(1_100_500, 1_500, "cpu"),
         "1,200.0 cores there, 1,100.5 cores asked for, 1.5 cores for the largest pod, 4.0 cores a node"),
        (64 << 30, Floor(18_000 << 30, 1 << 29, "memory"),
         "19,200.0 GiB there, 18,000.0 GiB asked for, 0.5 GiB for the largest pod, 64.0 GiB a node"),
        (10, Floor(2_000, 2.5, "seats"), "3,000 there, 2,000 asked for, 2.5 for the largest pod, 10 a node"),
    ],
)  # fmt: skip
def test_capacity_is_told_in_cores_and_gib(load: float, floor: Floor, says: str) -> None:
    made = roll_out([(nodes(load=load), 300)], Policy(floors={"": floor}))
    assert [limit.why for limit in made.limits if limit.kind is Kind.CAPACITY] == [says]


def test_frozen_nodes_and_budgets_that_allow_nothing_are_findings() -> None:
    made = roll_out([(nodes(), 3), (nodes(frozen=True), 2)], Policy(budgets=(Budget("db", "", 3, 0),)))
    assert made.frozen == 2
    assert [finding.split(":")[0] for finding in made.findings] == [
        "2 nodes are frozen", "disruption budget db allows no disruption at full health",
    ]  # fmt: skip


GROUPS = st.builds(
    nodes, row=st.sampled_from("abc"), rack=st.sampled_from("12"), taints=st.sampled_from(["", "gpu"]),
    hardware=st.sampled_from(["x", "y"]), seconds=st.sampled_from([50.0, 100.0]), frozen=st.sampled_from([False, False, True]),
)  # fmt: skip
FLEETS = st.lists(st.tuples(GROUPS, st.integers(0, 6)), max_size=10)
SOME = st.none() | st.integers(1, 4)
POLICIES = st.builds(
    Policy, in_all=SOME, per_row=SOME, per_rack=SOME, bgp=SOME, growth=st.integers(2, 4),
    unavailable=st.dictionaries(st.sampled_from(["", "gpu"]), st.sampled_from([0.1, 0.5])),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(FLEETS, POLICIES, st.randoms(use_true_random=False))
def test_every_node_once_within_every_limit_in_any_order(fleet: list[tuple[Nodes, int]], policy: Policy, rng: Random) -> None:
    made = roll_out(fleet, policy)
    mixed = list(fleet)
    rng.shuffle(mixed)
    assert roll_out(mixed, policy) == made
    taken: Counter[Nodes] = Counter()
    for batch in made.batches:
        taken.update({made.groups[index][0]: count for index, count in batch.takes})
    wanted: Counter[Nodes] = Counter()
    for one, count in fleet:
        wanted[one] += 0 if one.frozen else count
    assert taken == +wanted
    for batch in made.batches:
        _within(made, batch.takes, batch.window, rng)


def _within(made: Rollout, takes: tuple[tuple[int, int], ...], width: int, rng: Random) -> None:
    """Play a batch through, nodes ending in any order, and count what is in work by hand."""
    window, inside = Window(made.groups, made.limits, takes), list[int]()
    while window.left or inside:
        while len(inside) < width and (index := window.pick()) is not None:
            window.begin(index)
            inside.append(index)
            for limit in made.limits:
                assert sum(one in limit.groups for one in inside) <= limit.allowed, limit
        window.end(inside.pop(rng.randrange(len(inside))))


class Sorted(Window):
    """The rows of a taint group sorted anew for each node that begins."""

    def _in_group(self, taints: str) -> int | None:
        for row in sorted(self._rows[taints], key=lambda name: (-self._left[taints, name], name)):
            if self._open(self._shared[taints, row]) and (index := self._in_row(taints, row)) is not None:
                return index
        return None


@given(FLEETS, POLICIES, st.randoms(use_true_random=False))
def test_the_fullest_row_comes_first_whatever_was_begun_and_ended(
    fleet: list[tuple[Nodes, int]], policy: Policy, rng: Random
) -> None:
    made = roll_out(fleet, policy)
    ours, plain, inside = Window(made.groups, made.limits), Sorted(made.groups, made.limits), list[int]()
    assert ours.widest() == plain.widest()
    while ours.left or inside:
        index = ours.pick()
        assert index == plain.pick()
        ends = index is None or (inside and rng.random() < 0.4)
        if ends:
            index = inside.pop(rng.randrange(len(inside)))
        for window in (ours, plain):
            getattr(window, "end" if ends else "begin")(index)
        if not ends and index is not None:
            inside.append(index)


def test_even_nodes_take_the_bound() -> None:
    made = roll_out([(nodes(), 100)], Policy(in_all=20, soak=60))
    # the canary, the four after it, five windows of the rest
    assert makespan(made, EVEN, chance()) == pytest.approx(100 + 60 + 100 + 60 + 5 * 100)
    assert play(made.groups, made.limits, ((0, 40),), 20, EVEN, chance()) == pytest.approx(200)


def test_the_same_seed_gives_the_same_estimate_and_stragglers_lengthen_it() -> None:
    made = roll_out([(nodes(), 60)], Policy(in_all=6))
    calm, scattered = (estimate(made, times, runs=20) for times in (EVEN, StepTimes(stragglers=0.05)))
    assert scattered == estimate(made, StepTimes(stragglers=0.05), runs=20)
    assert calm[0] == pytest.approx(calm[1])
    assert scattered[1] > scattered[0] > calm[0] * 0.95


def test_a_large_batch_is_drawn_from_its_sums() -> None:
    made = roll_out([(nodes(), 8_000)], Policy(in_all=40))
    p50, p95 = estimate(made, StepTimes(), runs=20)
    assert made.at_least < p50 < p95 < 1.1 * made.at_least


def test_draws_have_the_mean_and_the_spread_that_they_say() -> None:
    times, rng = StepTimes(variation=0.3, stragglers=0.02, factor=5), chance(3)
    drawn = [times.draw(nodes(), rng) for _ in range(20_000)]
    mean = sum(drawn) / len(drawn)
    assert mean == pytest.approx(100, rel=0.02)
    assert (sum((one - mean) ** 2 for one in drawn) / len(drawn)) ** 0.5 / mean == pytest.approx(times.spread, rel=0.05)


def test_passes_move_what_needs_an_empty_node_together() -> None:
    begin, end = ({"apiservers": v, "managers": v, "workers": v} for v in (Version(1, 7, 16), Version(1, 10, 13)))
    found = climb(Stack.of(begin), Wish(Stack.of(end)), knowledge.load())
    assert isinstance(found, Climb)
    first, second = passes(found, ["docker 17.03.2"])
    assert first.moves == (*WITH_KUBELET, "docker 17.03.2")
    assert second.moves == WITH_KUBELET
    assert (first.old, second.new) == (Version(1, 7, 16), Version(1, 10, 13))
    assert first.new == second.old
    with pytest.raises(ValueError, match="Calico"):
        passes(found, ["calico-node 3.1.7"])


def test_passes_without_a_new_version_are_made_for_what_is_asked() -> None:
    stack = Stack.of({"workers": Version(1, 10, 13)})
    found = climb(stack, Wish(stack), knowledge.load())
    assert isinstance(found, Climb)
    assert passes(found) == ()
    assert [one.moves for one in passes(found, ["reboot"])] == [("reboot",)]
