from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedeb.dates import read_date, written

SECONDS = st.integers(0, 253_402_300_799)


@given(SECONDS)
def test_dates_are_written_as_the_mail_library_does(seconds: int) -> None:
    assert written(seconds) == format_datetime(datetime.fromtimestamp(seconds, UTC))
    assert read_date(written(seconds)).timestamp() == seconds


WEEKDAYS = st.sampled_from(["Mon, ", "Tue,", "Sunday, ", "", "Mon "])
MONTHS = st.sampled_from(["Jan", "jan", "13", "Dec"])
YEARS = st.sampled_from(["2026", "26", "226", "² "])
CLOCKS = st.sampled_from(["1:2:3", "10:00", "23:59:60", "24:00:00", "08:37:47"])
ZONES = st.sampled_from(["+0000", "UTC", "GMT", "-0000", "+0130", "", "CET"])


@given(WEEKDAYS, st.integers(0, 40), MONTHS, YEARS, CLOCKS, ZONES)
def test_others_are_read_as_the_mail_library_does(week: str, day: int, month: str, year: str, clock: str, zone: str) -> None:
    text = f"{week}{day} {month} {year} {clock} {zone}"
    try:
        wanted = parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, TypeError):
        with pytest.raises((ValueError, TypeError)):
            read_date(text)
    else:
        assert read_date(text) == wanted
