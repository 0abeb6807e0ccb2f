"""etcd's JSON gateway as a client of a running cluster sees it: the prefix differs between 3.3 and later, keys are base64."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import requests

# 3.3 serves /v3beta, 3.4 both, 3.5 /v3 (measured).
PREFIXES = ("/v3", "/v3beta")
PAGE = 5000


class Gateway:
    """One member's own endpoint. Every call raises `requests.RequestException` when the member does not do it."""

    def __init__(self, url: str, timeout: float) -> None:
        self.url = url
        self._timeout = timeout
        self._session = requests.Session()
        # A proxy of the environment is for the way out.
        self._session.trust_env = False
        self._prefix = PREFIXES[0]

    def put(self, key: str, value: str) -> None:
        """Write a key; returns when the cluster acknowledged it."""
        self._post("/kv/put", {"key": encode(key), "value": encode(value)})

    def range(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Yield every (key, value) below `prefix` as this member alone holds them (serializable, in pages)."""
        key, end = prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)
        while True:
            body = {"key": encode(key), "range_end": encode(end), "limit": str(PAGE), "serializable": True}
            answer = self._post("/kv/range", body)
            pairs = [(decode(kv["key"]), decode(kv.get("value", ""))) for kv in answer.get("kvs", [])]
            yield from pairs
            if not answer.get("more"):
                return
            key = pairs[-1][0] + "\0"

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._session.post(f"{self.url}{self._prefix}{path}", json=body, timeout=self._timeout)
        if answer.status_code == requests.codes.not_found:
            self._prefix = PREFIXES[1 - PREFIXES.index(self._prefix)]
            answer = self._session.post(f"{self.url}{self._prefix}{path}", json=body, timeout=self._timeout)
        answer.raise_for_status()
        data: dict[str, Any] = answer.json()
        return data


def encode(text: str) -> str:
    """Return text as the gateway takes it."""
    return base64.b64encode(text.encode()).decode()


def decode(data: str) -> str:
    """Return what the gateway gave as text."""
    return base64.b64decode(data).decode()
