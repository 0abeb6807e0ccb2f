"""How many bytes a new client's `apt-get update` gets from a repository, counted where they are sent."""

from __future__ import annotations

import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Counting(SimpleHTTPRequestHandler):
    """Serves files and adds up the bytes of their content."""

    protocol_version = "HTTP/1.1"
    extensions_map = {"": "application/octet-stream"}
    sent = 0

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send a file and count it."""
        while block := source.read(1 << 16):
            outputfile.write(block)
            type(self).sent += len(block)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's signature
        """Say nothing."""


def bytes_of_update(folder: Path, keyring: Path) -> int:
    """Return the bytes that a client with empty lists gets. Raises `AssertionError` when it is not content."""
    from aptclient import AptClient

    class Handler(_Counting):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with tempfile.TemporaryDirectory(prefix="kubedeb-bench-client-") as home:
                answer = AptClient(Path(home), f"http://127.0.0.1:{server.server_address[1]}", keyring).update()
        finally:
            server.shutdown()
    if not answer.clean:
        raise AssertionError(answer.text)
    return Handler.sent
