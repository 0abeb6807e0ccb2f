"""A proxy before an HTTP server that answers 500 or 412 by itself, or slowly, and remembers what it was asked."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from loopback import Loopback

HOP = ("connection", "transfer-encoding", "content-length", "keep-alive", "expect")
ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>a fault of the test</Message></Error>"
CODES = {500: "InternalError", 412: "PreconditionFailed"}


@dataclass
class Fault:
    """Answer `status` (0: only wait) for the next `times` requests of the method `only` with `where` in their path."""

    status: int
    times: int
    delay: float = 0.0
    only: str = ""
    where: str = ""


@dataclass
class FaultProxy(Loopback):
    """The proxy: `url` is where it listens, `fault` what it does wrong, `log` the methods and paths that it was asked for."""

    backend: str
    fault: Fault | None = None
    log: list[tuple[str, str]] = field(default_factory=list)

    def _due(self, request: BaseHTTPRequestHandler) -> Fault | None:
        fault = self.fault
        with self._lock:
            self.log.append((request.command, request.path))
            if fault is None or fault.times == 0 or fault.where not in request.path:
                return None
            if fault.only and fault.only != request.command:
                return None
            fault.times -= 1
            return fault

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        fault = self._due(request)
        if fault is not None:
            time.sleep(fault.delay)
            if fault.status:
                text = ERROR.format(code=CODES[fault.status]).encode()
                self._send(request, fault.status, {}, b"" if request.command == "HEAD" else text, None)
                return
        parts = urlsplit(self.backend)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
            connection.request(request.command, request.path, body, headers)
            found = connection.getresponse()
            data = found.read()
            kept = {name: value for name, value in found.getheaders() if name.lower() not in HOP}
            length = found.getheader("Content-Length") if request.command == "HEAD" else None
            self._send(request, found.status, kept, data, length)
        finally:
            connection.close()

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], data: bytes, length: str | None) -> None:
        request.send_response_only(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", length or str(len(data)))
        request.end_headers()
        request.wfile.write(data)
