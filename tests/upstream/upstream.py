"""A server of release files on loopback, laid out as upstreams lay theirs out; slow, broken, resumed or replaced on demand.

`Upstream.add` publishes a file with what its project puts beside it: Kubernetes `.sha256` and `.sha512`, etcd one `SHA256SUMS`
a folder, helm `.sha256sum`, Calico nothing. `behave` sets how it answers for a path, and `seen` holds what it was asked.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK = 16 * 1024


class Layout(StrEnum):
    """What lies beside a release file."""

    KUBERNETES = "kubernetes"
    ETCD = "etcd"
    HELM = "helm"
    CALICO = "calico"


@dataclass(frozen=True)
class Behaviour:
    """How a path is answered: bytes a second (0: at once), statuses of the first requests, bytes after which the first
    `cuts` answers end, whether Range is honoured.
    """

    rate: int = 0
    statuses: tuple[int, ...] = ()
    cut_after: int = 0
    cuts: int = 0
    ranges: bool = True


@dataclass(frozen=True)
class Seen:
    """A request: path, Range header ("" when there was none), the status that was sent."""

    path: str
    range: str
    status: int


@dataclass
class Upstream:
    """What the server holds: {path: bytes}."""

    files: dict[str, bytes] = field(default_factory=dict)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    url: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, path: str, data: bytes, layout: Layout = Layout.CALICO) -> str:
        """Publish a file and return its URL."""
        self.files[path] = data
        sha256, name, folder = hashlib.sha256(data).hexdigest(), path.rpartition("/")[2], path.rpartition("/")[0]
        if layout is Layout.KUBERNETES:
            self.files[path + ".sha256"] = sha256.encode()
            self.files[path + ".sha512"] = hashlib.sha512(data).hexdigest().encode()
        elif layout is Layout.HELM:
            self.files[path + ".sha256sum"] = f"{sha256}  {name}\n".encode()
        elif layout is Layout.ETCD:
            sums = f"{folder}/SHA256SUMS"
            self.files[sums] = self.files.get(sums, b"") + f"{sha256}  {name}\n".encode()
        return self.url + path

    def behave(self, path: str, behaviour: Behaviour) -> None:
        """Answer for `path` like this from now on."""
        self.behaviours[path] = behaviour
        self.counts.pop(path, None)

    def asked(self, path: str) -> list[Seen]:
        """Return the requests for a path, in order."""
        return [seen for seen in self.seen if seen.path == path]


@contextmanager
def serving() -> Iterator[Upstream]:
    """Run a server on a free port of loopback while the block runs."""
    upstream = Upstream()

    class Handler(_Handler):
        held = upstream

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    upstream.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    held: Upstream
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        upstream, how = self.held, self.held.behaviours.get(self.path, Behaviour())
        with upstream.lock:
            count = upstream.counts.get(self.path, 0)
            upstream.counts[self.path] = count + 1
        data = upstream.files.get(self.path)
        status, begin = 200 if data is not None else 404, 0
        asked = self.headers.get("Range", "")
        if count < len(how.statuses):
            status = how.statuses[count]
        elif data is not None and asked.startswith("bytes=") and how.ranges:
            begin = int(asked.removeprefix("bytes=").partition("-")[0])
            status = 206 if begin < len(data) else 416
        upstream.seen.append(Seen(self.path, asked, status))
        body = (data or b"")[begin:] if status in (200, 206) else b""
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{len(data or b'') - 1}/{len(data or b'')}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._send(body, how, cut=count < how.cuts)

    def _send(self, body: bytes, how: Behaviour, *, cut: bool) -> None:
        end = min(len(body), how.cut_after) if cut else len(body)
        step = min(BLOCK, max(1, how.rate // 20)) if how.rate else BLOCK
        began = time.monotonic()
        try:
            for place in range(0, end, step):
                self.wfile.write(body[place : min(end, place + step)])
                if how.rate and (ahead := (place + step) / how.rate - (time.monotonic() - began)) > 0:
                    time.sleep(ahead)
        except (BrokenPipeError, ConnectionResetError):
            pass
        if cut:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing; `seen` holds it."""
