"""Commands in a running docker container, their output whole: what builds and nodes in containers share."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import DockerClient

CHUNK = 1024 * 1024
POLL = 0.005
HEADER = 8
STDOUT, STDERR = 1, 2
# The SDK reads an exec's stream beneath a buffer, which may have swallowed the beginning of it together with the response's
# header (measured: 2 of 300 quick commands that ran side by side came back empty, with exit status 0). So the command waits
# for a line that is sent once the header is read. When we die before that, it does not run at all.
WAITING = 'read -r go || exit 125; exec "$@" </dev/null'


def execute(
    client: DockerClient,
    container: str,
    argv: Sequence[str],
    write: Callable[[int, bytes], object],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    workdir: str = "/",
    user: str = "",
) -> int:
    """Run `argv` in a container to its end and return its exit status; `write` gets (STDOUT or STDERR, block) as they come.

    Raises `TimeoutError` after `timeout` seconds without the end of its output (the command itself goes on), another
    `OSError` when the daemon hangs up, and what the SDK raises.
    """
    ends = time.monotonic() + timeout
    words = ["sh", "-c", WAITING, "sh", *argv]
    made = client.api.exec_create(container, words, environment=dict(env or {}), workdir=workdir, user=user, stdin=True)
    stream: Any = client.api.exec_start(made["Id"], socket=True)
    try:
        stream._sock.sendall(b"go\n")
        while header := _exactly(stream._sock, HEADER, ends):
            which, length = struct.unpack(">BxxxL", header)
            while length:
                block = _exactly(stream._sock, min(length, CHUNK), ends)
                if not block:
                    raise OSError("the docker daemon hung up in the middle of the output")
                write(which, block)
                length -= len(block)
    finally:
        stream._sock.close()
        stream.close()
    while (found := client.api.exec_inspect(made["Id"]))["Running"]:
        time.sleep(POLL)
    return int(found["ExitCode"])


def _exactly(connection: socket.socket, size: int, ends: float) -> bytes:
    """Return `size` bytes; none when the stream ends."""
    found = bytearray()
    while len(found) < size:
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("not done in time")
        connection.settimeout(left)
        block = connection.recv(size - len(found))
        if not block:
            return b""
        found += block
    return bytes(found)
