"""Taking turns: of a named group one test a day, of the others one in three; every one has its day."""

from __future__ import annotations

from turns import TURNS, left_out

GROUPS = ["", "go", "", "", "go", "", "deb", "go", "go"]


def test_each_day_one_of_a_group_and_a_third_of_the_others_run() -> None:
    days = [set(range(len(GROUPS))) - left_out(GROUPS, seed) for seed in range(4 * TURNS)]
    for day in days:
        assert sorted(GROUPS[place] for place in day if GROUPS[place]) == ["deb", "go"]
        assert sum(GROUPS[place] == "" for place in day) in (1, 2)
    assert set().union(*days[:TURNS]) >= {place for place, group in enumerate(GROUPS) if not group}
    assert set().union(*days[:4]) >= {place for place, group in enumerate(GROUPS) if group}
