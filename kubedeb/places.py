"""Where an apt repository lies: a folder, or behind a web server; a file may be read on from where it broke off."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Protocol, cast
from urllib.parse import quote, unquote, urlsplit

TIMEOUT = 60
CONNECTIONS = 16
BLOCK = 1024 * 1024


class Place(Protocol):
    """Where a repository lies."""

    def open(self, path: str, start: int = 0) -> IO[bytes]:
        """Open a file for reading from the byte `start` on.

        Raises `FileNotFoundError` when there is none, `OSError` when it cannot be read.
        """


@dataclass(frozen=True)
class Folder:
    """A repository in a folder."""

    root: Path

    def open(self, path: str, start: int = 0) -> IO[bytes]:
        """Open a file below the folder."""
        stream = (self.root / path).open("rb")
        stream.seek(start)
        return stream


@dataclass(frozen=True)
class Web:
    """A repository behind a web server."""

    uri: str

    @cached_property
    def _session(self) -> Any:
        import requests
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        session.mount(self.uri, HTTPAdapter(max_retries=2, pool_maxsize=CONNECTIONS))
        return session

    def open(self, path: str, start: int = 0) -> IO[bytes]:
        """Open a file by GET; two more tries when the server does not answer. From `start` on by a range, if it knows them."""
        import requests

        # Without this the answer would be unpacked on the way, and the digest would be another.
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        url = f"{self.uri.rstrip('/')}/{quote(path)}"
        try:
            answer = self._session.get(url, stream=True, timeout=TIMEOUT, headers=headers)
        except requests.RequestException as error:
            raise OSError(_innermost(error)) from error
        if answer.status_code == requests.codes.not_found:
            answer.close()
            raise FileNotFoundError(path)
        if not answer.ok:
            answer.close()
            raise OSError(f"the server answered {answer.status_code} {answer.reason}")
        body = cast("IO[bytes]", _Body(answer))
        if start and answer.status_code != requests.codes.partial_content:
            _pass_over(body, start)
        return body


def _innermost(error: BaseException) -> str:
    """Return what went wrong first: requests wraps it in its own words, and in those of urllib3."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return getattr(error, "strerror", None) or str(error)


def _pass_over(stream: IO[bytes], count: int) -> None:
    """Read past the bytes that a server sends again although a range was asked for."""
    while count > 0 and (block := stream.read(min(BLOCK, count))):
        count -= len(block)


class _Body(io.RawIOBase):
    """The bytes of an answer as sent; urllib3's errors, which are no `OSError`, become one."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def read(self, size: int = -1) -> bytes:
        from urllib3.exceptions import HTTPError

        try:
            return bytes(self._answer.raw.read(size))
        except HTTPError as error:
            raise OSError(f"the answer broke off: {error}") from error

    def close(self) -> None:
        self._answer.close()
        super().close()


def place(uri: str) -> Place:
    """Return the place that a path, a `file:` or an `http(s):` URI names. Raises `ValueError` for anything else."""
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        return Web(uri)
    if parts.scheme == "file":
        return Folder(Path(unquote(parts.path)))
    if parts.scheme == "" or not re.match(r"[a-z+]+:", uri):
        return Folder(Path(uri))
    raise ValueError(f"{uri}: only paths, file: and http: are read")
