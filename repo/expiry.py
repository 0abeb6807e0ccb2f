"""Whether the keys that sign last long enough: asked at every publish, also of keys that will not sign this time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from kubedeb.errors import ExitCode, KubedebError
from repo.keyset import read_keys
from repo.place import Repository
from repo.rotation import expired, expiring


def check_expiry(repository: Repository, say: Callable[[str], None], now: float, *, strict: bool = False) -> None:
    """Warn of signing keys that expire within 180 days. Raises `KubedebError` (KEY) when one has, and of all when `strict`."""
    soon = expiring(read_keys(repository), now)
    lines = [
        f"the key {key.fingerprint} {'expired' if expired(key, now) else 'expires'} on {_day(key.expires)}" for key in soon
    ]
    if any(expired(key, now) for key in soon) or (strict and soon):
        raise KubedebError(
            lines[0], details="\n".join(lines[1:]), code=ExitCode.KEY,
            hint="Introduce the next key now (kubedeb repo key introduce), or renew this one and bring it again\n"
            "(kubedeb repo key import): clients need time to get it. Nothing was published.",
        )  # fmt: skip
    for line in lines:
        say(f"warning: {line}")


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
