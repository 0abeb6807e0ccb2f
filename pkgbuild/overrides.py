"""lintian-overrides files of recipes: each line says why; pure."""

from __future__ import annotations


def uncommented(overrides: str) -> list[int]:
    """Return the numbers of the lines of an override file that no comment stands before."""
    found, explained = [], False
    for number, line in enumerate(overrides.splitlines(), 1):
        if line.startswith("#"):
            explained = True
        elif not line.strip():
            explained = False
        elif not explained:
            found.append(number)
    return found
