"""Files by URL: retried with growing pauses, resumed where they broke off, from mirrors first, through the machine's proxy."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.records import frozen
from pkgbuild.checksum import Checksum
from pkgbuild.mirrors import Mirror, places
from pkgbuild.requestlog import Request, RequestLog, without_secret

if TYPE_CHECKING:
    from requests import Response, Session

GONE = (401, 403, 404, 410)
RESUME = 206
NO_SUCH_RANGE = 416
BLOCK = 64 * 1024
"""A connection that ends in the middle of one loses it, so it is small."""
SMALL_FILE = 4 * 1024 * 1024
LARGEST = 8 * 1024**3


@frozen
class Patience:
    """How long to try: attempts at each place, first pause between them and time without a byte, in seconds."""

    attempts: int = 5
    pause: float = 0.5
    silence: float = 30


PATIENT = Patience()


class GoneError(KubedebError):
    """The server answers and does not have it."""


class _BrokenError(Exception):
    """An attempt failed and another one may not."""


class Downloads:
    """Fetches by URL; may be used by several threads at once."""

    def __init__(self, log: RequestLog, mirrors: tuple[Mirror, ...] = (), patience: Patience = PATIENT) -> None:
        self._log, self._mirrors, self._patience = log, mirrors, patience

    def to_file(self, url: str, part: Path, checksum: Checksum | None) -> Path:
        """Bring a file to `part`, going on with what lies there, and return it.

        A mirror that sends other bytes than `checksum` is passed over; what the last place sends is the caller's to judge.
        Raises `GoneError` (SOURCE_GONE) when no place has it, `KubedebError`: FETCH (none answers), SOURCE_MISMATCH (all that
        came are other bytes, from mirrors alone), BUILD_STORAGE.
        """
        tried: list[str] = []
        errors: list[KubedebError] = []
        asked = places(url, self._mirrors)
        for place in asked:
            try:
                self._whole(place, part, checksum)
                if place != asked[-1]:
                    _same(place, part, checksum)
            except KubedebError as error:
                if error.code is ExitCode.BUILD_STORAGE:
                    raise
                tried.append(error.details)
                errors.append(error)
            else:
                return part
        worst = next((error for error in errors if not isinstance(error, GoneError)), errors[0])
        raise type(worst)(f"cannot fetch {without_secret(url)}", details="\n".join(tried), hint=worst.hint, code=worst.code)

    def _whole(self, place: str, part: Path, checksum: Checksum | None) -> None:
        """Fetch from a place; when what lay here was no beginning of what lies there, from the start."""
        begun = part.exists()
        self._from(place, part, checksum)
        if begun and checksum is not None and checksum.of(part) != checksum:
            part.unlink()
            self._from(place, part, checksum)

    def small(self, url: str, folder: Path) -> bytes:
        """Return a small file (a checksum file, a signature). Raises as `to_file`."""
        with tempfile.TemporaryDirectory(dir=folder, prefix=".small-") as name:
            file = self.to_file(url, Path(name) / "file", None)
            if file.stat().st_size > SMALL_FILE:
                raise KubedebError(f"{without_secret(url)} is larger than any checksum file or signature", code=ExitCode.FETCH)
            return file.read_bytes()

    def _from(self, place: str, part: Path, checksum: Checksum | None) -> None:
        import requests
        import tenacity

        patience = self._patience
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(patience.attempts),
            wait=tenacity.wait_exponential(patience.pause, max=20) + tenacity.wait_random(0, patience.pause),
            retry=tenacity.retry_if_exception_type(_BrokenError),
            reraise=True,
        )
        with requests.Session() as session:
            try:
                retrying(self._attempt, session, place, part, checksum)
            except _BrokenError as error:
                shown = without_secret(place)
                raise KubedebError(
                    f"cannot fetch {shown}", details=f"{shown}: {error}, {patience.attempts} times",
                    hint="Is the network up, and the proxy set (https_proxy)? What came so far is kept and resumed.",
                    code=ExitCode.FETCH,
                ) from error  # fmt: skip

    def _attempt(self, session: Session, place: str, part: Path, checksum: Checksum | None) -> None:
        import requests

        begin, status = _size(part), 0
        # Without identity a server may compress on the fly, and no byte count or range would fit.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begin}-"} if begin else {})
        try:
            with session.get(place, headers=headers, stream=True, timeout=(10, self._patience.silence)) as answer:
                status = answer.status_code
                size = self._take(answer, part, begin)
        except (requests.RequestException, _BrokenError) as error:
            why = type(error).__name__ if isinstance(error, requests.RequestException) else str(error)
            came = {200: _size(part), RESUME: _size(part) - begin}.get(status, 0)
            self._log.add(Request(without_secret(place), why, came))
            raise _BrokenError(why) from error
        digest = str(checksum.of(part)) if checksum and status < 300 else ""
        self._log.add(Request(without_secret(place), str(status), size, digest))
        self._judge(place, part, status)

    def _take(self, answer: Response, part: Path, begin: int) -> int:
        """Write an answer's body behind what is there (206) or anew (200); return how many bytes came."""
        if answer.status_code not in (200, RESUME):
            return 0
        size, writing = 0, partial(storage_errors, str(part), ExitCode.BUILD_STORAGE)
        with writing():
            out = part.open("ab" if answer.status_code == RESUME else "wb", buffering=0)
        with out:
            for block in answer.iter_content(BLOCK):  # outside of `writing`: requests' errors are OSErrors too
                size += len(block)
                if begin + size > LARGEST:
                    raise KubedebError(f"{without_secret(answer.url)} does not end", code=ExitCode.FETCH)
                with writing():
                    _write_all(out, block)
            with writing():
                os.fsync(out.fileno())
        expected = answer.headers.get("Content-Length")
        if expected is not None and size < int(expected):
            raise _BrokenError(f"the connection ended after {size:,} of {expected} bytes")
        return size

    def _judge(self, place: str, part: Path, status: int) -> None:
        if status in (200, RESUME):
            return
        if status == NO_SUCH_RANGE:  # what lies here is longer than what lies there
            with suppress(FileNotFoundError):
                part.unlink()
            raise _BrokenError("the part kept from before does not fit: it was thrown away")
        shown = f"{without_secret(place)}: HTTP status {status}"
        if status in GONE:
            raise GoneError(f"{without_secret(place)} is gone", details=shown, code=ExitCode.SOURCE_GONE)
        raise _BrokenError(f"HTTP status {status}")


def _same(place: str, part: Path, checksum: Checksum | None) -> None:
    """Throw away what a mirror sent when it is not the pinned file. Raises `KubedebError` (SOURCE_MISMATCH)."""
    if checksum is None or (actual := checksum.of(part)) == checksum:
        return
    part.unlink()
    raise KubedebError(
        f"{without_secret(place)} is not the pinned file", details=f"{without_secret(place)}: other bytes, {actual}",
        hint="Tell whoever keeps that mirror.", code=ExitCode.SOURCE_MISMATCH,
    )  # fmt: skip


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _write_all(out: IO[bytes], block: bytes) -> None:
    """Write a block to an unbuffered file, whose `write` may take less."""
    left = memoryview(block)
    while left:
        left = left[out.write(left) :]
