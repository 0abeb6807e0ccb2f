"""An object store on loopback: moto, in a process of its own."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kubedeb.errors import ExitCode
from kubedeb.process import background

ACCESS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
"""The variables that every client of it needs beside AWS_ENDPOINT_URL; it asks for no more."""


@contextmanager
def object_store(seconds: float = 60) -> Iterator[str]:
    """Give the URL of an empty store, which ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with background([Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(port)], code=ExitCode.BUG):
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    yield f"http://127.0.0.1:{port}"
                    return
            time.sleep(0.1)
        raise AssertionError(f"moto does not listen after {seconds} s")
