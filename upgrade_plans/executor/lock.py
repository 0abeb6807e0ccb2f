"""One executor per cluster: a lock that dies with its process, and a token that only grows, asked before every act."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import canonical_json, write_text

FIRST_TOKEN = 1
PATIENCE = 1.5
"""Seconds that a held lock is waited for: `kubedeb status` takes it for a moment to see whether somebody has it."""


class ClusterLock:
    """The lock of the cluster `cluster_id` under `folder`, a context manager. Raises `KubedebError` (LOCKED) when held."""

    def __init__(self, folder: Path, cluster_id: str, run: str) -> None:
        self._holder = folder / f"{cluster_id}.json"
        self._lock = FileLock(folder / f"{cluster_id}.lock", timeout=PATIENCE)
        self._run = run
        self.token = 0

    def __enter__(self) -> ClusterLock:
        with storage_errors("the lock", ExitCode.JOURNAL):
            self._holder.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire()
            except Timeout as error:
                raise self._held() from error
            self.token = int(self._read().get("token", FIRST_TOKEN - 1)) + 1
            since = datetime.now(UTC).isoformat(timespec="seconds")
            holder = {"token": self.token, "pid": os.getpid(), "host": platform.node(), "since": since, "run": self._run}
            write_text(self._holder, canonical_json(holder), sync=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._lock.release()

    def verify(self) -> None:
        """Raise `KubedebError` (LOCKED) when another executor has taken over since: its token is higher."""
        if self._read().get("token") != self.token:
            raise self._held()

    def _read(self) -> dict[str, Any]:
        try:
            holder = json.loads(self._holder.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise KubedebError(
                f"the lock's file {self._holder} cannot be read", details=str(error), code=ExitCode.JOURNAL,
                hint="When no kubedeb runs for this cluster, remove that file.",
            ) from error  # fmt: skip
        return holder if isinstance(holder, dict) else {}

    def _held(self) -> KubedebError:
        holder = self._read()
        who = "process {pid} on {host} since {since} (run {run})".format(
            **{name: holder.get(name, "?") for name in ("pid", "host", "since", "run")}
        )
        return KubedebError(
            "another executor works on this cluster", details=who, code=ExitCode.LOCKED,
            hint="Wait for it to end, or stop it and `kubedeb resume`; `kubedeb status` shows how far it is.",
        )  # fmt: skip


def held(folder: Path, cluster_id: str) -> bool:
    """Return whether an executor holds the cluster's lock right now; a lock that cannot be opened counts as held."""
    path = folder / f"{cluster_id}.lock"
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except (Timeout, OSError):
        return True
