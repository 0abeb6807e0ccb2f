import pytest
from hypothesis import given
from hypothesis import strategies as st

from repo.clock import MAX_AHEAD, MAX_WAIT, ClockError, Dated, next_date


@pytest.mark.parametrize(
    ("now", "previous", "expected"),
    [
        (100.9, None, Dated(100, 0)),
        (100.9, 50, Dated(100, 0)),
        (100.9, 99, Dated(100, 0)),
        (100.9, 100, Dated(101, 0)),
        (100.0, 104, Dated(105, 0)),
        (100.0, 105, Dated(106, 1)),
        (100.0, 164, Dated(165, 60)),
    ],
)
def test_a_generation_is_never_as_old_as_the_last(now: float, previous: int | None, expected: Dated) -> None:
    assert next_date(now, previous) == expected


def test_a_clock_far_behind_is_an_error() -> None:
    with pytest.raises(ClockError, match="3601 s behind"):
        next_date(100.0, 3700)


@given(st.floats(0, 4e9), st.integers(0, 4_000_000_000))
def test_what_holds_for_every_clock(now: float, previous: int) -> None:
    try:
        dated = next_date(now, previous)
    except ClockError:
        assert previous + 1 - now > MAX_AHEAD + MAX_WAIT
        return
    assert dated.date > previous
    assert dated.date <= now + dated.wait + MAX_AHEAD + 1e-6
    assert 0 <= dated.wait <= MAX_WAIT
