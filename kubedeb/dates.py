"""Dates as a Release has them (RFC 5322), without the mail library, which takes longer to load than a short command may."""

from __future__ import annotations

import time
from datetime import UTC, datetime

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ZONES = ("+0000", "UTC", "GMT")


def written(seconds: int) -> str:
    """Return seconds since the epoch as a Release's Date: `Sat, 14 Jun 2025 08:37:47 +0000`."""
    at = time.gmtime(seconds)
    day = f"{DAYS[at.tm_wday]}, {at.tm_mday:02} {MONTHS[at.tm_mon - 1]} {at.tm_year:04}"
    return f"{day} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} +0000"


def read_date(text: str) -> datetime:
    """Return a Release's date in UTC: the inverse of `written`; other forms and zones are read too. Raises `ValueError`."""
    words = text.split()
    if len(words) == 6 and words[0][3:] == "," and words[0][:3] in DAYS and words[2] in MONTHS and words[5] in ZONES:
        clock = words[4].split(":")
        numbers = (words[3], words[1], *clock)
        if len(clock) == 3 and len(words[3]) == 4 and all(word.isascii() and word.isdigit() for word in numbers):
            year, day, hour, minute, second = map(int, numbers)
            return datetime(year, MONTHS.index(words[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    from email.utils import parsedate_to_datetime

    return parsedate_to_datetime(text).astimezone(UTC)
