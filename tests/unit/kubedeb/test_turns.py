"""Taking turns: of a named group one test a day, of the others one in three; every one has its day."""

from __future__ import annotations

from turns import TURNS, Turn, left_out

GROUPS = ["", "go", "", "", "go", "", "deb", "go", "go"]
PLAIN = [Turn(group) for group in GROUPS]
WITH_ALONE = [
    Turn("compiled", "etcd", "recipes"),
    Turn("compiled", "kubernetes", "recipes", alone=True),
    Turn("compiled", "kubernetes", "recipes", alone=True),
    Turn("compiled", "etcd", "recipes"),
    *(Turn("roots", area="recipes") for _ in range(4)),
    *(Turn(area="recipes") for _ in range(5)),
    Turn("roots", area="pkgbuild"),
]  # fmt: skip


def days(turns: list[Turn], number: int) -> list[set[int]]:
    """Return the places that run, of as many days."""
    return [set(range(len(turns))) - left_out(turns, seed) for seed in range(number)]


def test_each_day_one_of_a_group_and_a_third_of_the_others_run() -> None:
    every = days(PLAIN, 4 * TURNS)
    for day in every:
        assert sorted(GROUPS[place] for place in day if GROUPS[place]) == ["deb", "go"]
        assert sum(GROUPS[place] == "" for place in day) in (1, 2)
    assert set().union(*every[:TURNS]) >= {place for place, group in enumerate(GROUPS) if not group}
    assert set().union(*every[:4]) >= {place for place, group in enumerate(GROUPS) if group}


def test_what_is_alone_has_its_days_to_itself_in_its_area_and_all_others_have_theirs() -> None:
    every = days(WITH_ALONE, 60)
    for day in every:
        area = {place for place in day if WITH_ALONE[place].area == "recipes"}
        assert (area == {1, 2}) == (1 in area)
        assert 1 in area or {0, 3} <= area
    assert sum(1 in day for day in every) == 30
    assert set().union(*every) == set(range(len(WITH_ALONE)))
