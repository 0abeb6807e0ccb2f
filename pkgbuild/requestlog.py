"""What the fetch phase asked of the network, request by request: one line of JSON each, in `CACHE/requests.log`."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from kubedeb.errors import ExitCode, storage_errors
from kubedeb.records import frozen

LOG_NAME = "requests.log"


@frozen
class Request:
    """What was asked (a URL, or apt's or pip's words), its status, the bytes that came, its digest ("" until it is whole)."""

    asked: str
    status: str
    size: int = 0
    digest: str = ""

    @property
    def line(self) -> str:
        """Return it as a line for people."""
        return " ".join(part for part in (self.asked, self.status, f"{self.size:,} bytes", self.digest) if part)


class RequestLog:
    """Appends whole lines, so that several threads and processes may share the file; `say` gets each as text."""

    def __init__(self, folder: Path, say: Callable[[str], object] = lambda _: None) -> None:
        self.path, self._say, self._lock = folder / LOG_NAME, say, threading.Lock()

    def add(self, request: Request) -> None:
        """Note a request. Raises `KubedebError` (BUILD_STORAGE) when the log cannot be written."""
        written = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **asdict(request)}
        with self._lock, storage_errors(f"the request log {self.path}", ExitCode.BUILD_STORAGE):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.write(descriptor, (json.dumps(written) + "\n").encode())
            finally:
                os.close(descriptor)
        self._say(request.line)


def without_secret(url: str) -> str:
    """Return a URL without the user and password that it may carry: logs are shown to others."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
