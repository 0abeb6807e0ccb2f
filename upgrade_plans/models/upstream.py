"""Which upstream version a Debian version packs."""

from __future__ import annotations

import re
from functools import lru_cache

from kubedeb.versions import DebianVersion, Version

# Debian writes a pre-release 3.5.0~rc1 and marks repacked sources with +dfsg.
UPSTREAM = re.compile(r"(\d+\.\d+\.\d+)(?:~([0-9A-Za-z.]+))?(?:\+.*)?")


def upstream_of(debian: str) -> Version | None:
    """Return the upstream version that a Debian version packs, None when it is none of ours."""
    try:
        match = UPSTREAM.fullmatch(DebianVersion(debian).upstream)
        return Version.parse(match[1] + (f"-{match[2]}" if match[2] else "")) if match else None
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def version_of(text: str | None) -> Version | None:
    """Return the version that a daemon or an image says (`v1.7.16`), None when it says none."""
    try:
        return Version.parse(text.removeprefix("v")) if text else None
    except ValueError:
        return None
