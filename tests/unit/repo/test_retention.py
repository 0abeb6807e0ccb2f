import pytest
from hypothesis import given
from hypothesis import strategies as st

from repo.retention import Generation, needed, to_delete

DAY = 86400
NAMES = frozenset("abcd")


def chain(*rows: tuple[int, str]) -> list[Generation]:
    """Return generations from when each went live, in days, and what it names."""
    ends = [*(day * DAY for day, _ in rows[1:]), None]
    return [
        Generation(number, end, frozenset(names)) for number, ((_, names), end) in enumerate(zip(rows, ends, strict=True), 1)
    ]


@pytest.mark.parametrize(
    ("generations", "day", "gone"),
    [
        ([(0, "a")], 100, "bcd"),
        ([(0, "a"), (1, "b")], 2, "cd"),
        ([(0, "a"), (1, "b")], 7.9, "cd"),
        ([(0, "a"), (1, "b")], 8, "acd"),
        # A, B, A, C: aptly deletes A's here, which the last Release but one names.
        ([(0, "a"), (1, "b"), (2, "a"), (3, "c")], 3, "d"),
        ([(0, "a"), (1, "b"), (2, "a"), (3, "c")], 9.5, "bd"),
        ([(0, "a"), (1, "b"), (2, "a"), (3, "c")], 10, "abd"),
        ([(0, "ab"), (1, "bc")], 8, "ad"),
    ],
)
def test_an_index_goes_when_no_recent_release_names_it(generations: list[tuple[int, str]], day: float, gone: str) -> None:
    assert to_delete(NAMES, chain(*generations), day * DAY, 7 * DAY) == sorted(gone)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.frozensets(st.sampled_from("abcd"), min_size=1)), min_size=1), st.integers(0, 9)
)
def test_every_release_of_the_last_days_still_resolves(steps: list[tuple[int, frozenset[str]]], days: int) -> None:
    live_at, rows = 0, []
    for gap, names in steps:
        live_at += gap
        rows.append((live_at, "".join(sorted(names))))
    generations, now = chain(*rows), live_at * DAY
    kept = needed(generations, now, days * DAY)
    for generation in generations:
        if generation.superseded is None or generation.superseded > now - days * DAY:
            assert generation.indices <= kept
    assert generations[-1].indices <= kept
