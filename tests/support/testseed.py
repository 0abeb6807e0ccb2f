"""The seed of a test run: KUBEDEB_TEST_SEED, else the day; printed in the header of every run."""

from __future__ import annotations

import datetime
import os


def seed() -> int:
    """Return the seed of this run."""
    return int(os.environ.get("KUBEDEB_TEST_SEED") or datetime.datetime.now(datetime.UTC).date().toordinal())
