"""`kubedeb repo serve`: a web server for development. It serves `public/` alone, and what apt asks for: ranges, 304."""

from __future__ import annotations

import email.utils
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import IO, Any, BinaryIO

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.interrupting import interruptible

RANGE = re.compile(r"bytes=(\d*)-(\d*)")
# Names that carry a digest never change; what may change is asked for again.
FOREVER = re.compile(r"/(pool|by-hash|snapshots|generations)/")


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Return (first, one past last) of a Range header over `size` bytes, None when nothing of it is there (RFC 9110, 14)."""
    match = RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if first == "":
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    return (start, end) if start < end else None


class _Part(BytesIO):
    """The part of an open file between two offsets, copied out as it is asked for."""

    def __init__(self, stream: IO[bytes], start: int, end: int) -> None:
        super().__init__()
        self._stream = stream
        self._left = end - start
        stream.seek(start)

    def read(self, size: int | None = -1) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        data = self._stream.read(wanted)
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Handler(SimpleHTTPRequestHandler):
    """GET and HEAD of files, with Last-Modified, If-Modified-Since and a single range."""

    protocol_version = "HTTP/1.1"
    server_version = "kubedeb"
    # The standard library would give .gz files a Content-Encoding of their own idea.
    extensions_map = {"": "application/octet-stream", ".html": "text/html", ".json": "application/json"}

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Answer as the standard library does, then cut the range out of a 200 that it would send whole."""
        path = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range")
        if wanted is not None and path.is_file() and self._range_is_of(path):
            with suppress(OSError):
                return self._part(path, wanted)
        return super().send_head()

    def _range_is_of(self, path: Path) -> bool:
        """Return whether the client's first part is of this very file (If-Range)."""
        condition = self.headers.get("If-Range")
        return condition is None or condition == email.utils.formatdate(int(path.stat().st_mtime), usegmt=True)

    def _part(self, path: Path, wanted: str) -> BytesIO | None:
        stream = path.open("rb")
        status = os.fstat(stream.fileno())
        cut = byte_range(wanted, status.st_size)
        if cut is None:
            stream.close()
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{status.st_size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Range", f"bytes {cut[0]}-{cut[1] - 1}/{status.st_size}")
        self.send_header("Content-Length", str(cut[1] - cut[0]))
        self.send_header("Last-Modified", self.date_time_string(int(status.st_mtime)))
        self.end_headers()
        return _Part(stream, *cut)

    def end_headers(self) -> None:
        """Add what caches may do, and that ranges are known."""
        lasting = FOREVER.search(self.path)
        self.send_header("Cache-Control", "public, max-age=31536000, immutable" if lasting else "no-cache")
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's signature
        """Write one line of the access log."""
        line = f"{self.log_date_time_string()} {self.address_string()} {format % args}"
        sys.stderr.write(line.translate(self._control_char_table) + "\n")  # type: ignore[attr-defined]


def serve(public: Path, bind: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve a folder until SIGTERM or Ctrl-C; `ready` is called with the URL once it answers.

    Raises `KubedebError` (REPOSITORY) when the address cannot be used.
    """
    try:
        server = ThreadingHTTPServer((bind, port), partial(_Handler, directory=str(public)))
    except OSError as error:
        raise KubedebError(
            f"cannot serve on {bind} port {port}", details=str(error.strerror or error),
            hint="Choose another with --bind and --port; --port 0 takes any free one.", code=ExitCode.REPOSITORY,
        ) from error  # fmt: skip
    with server, suppress(KeyboardInterrupt), interruptible():
        host = f"[{bind}]" if ":" in bind else bind
        ready(f"http://{host}:{server.server_address[1]}/")
        server.serve_forever(poll_interval=0.1)
