"""What only root can test: skipped for others, as tests/SKIPS.md says."""

from __future__ import annotations

import os

import pytest


def root_only(why: str) -> None:
    """Skip the test for anybody but root."""
    if os.geteuid() != 0:
        pytest.skip(f"{why}: root only")
