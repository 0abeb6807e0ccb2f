"""Files appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO, Any

CHUNK = 1024 * 1024
# So many fsyncs at once.
SYNCS = 8


def new_file(folder: Path, prefix: str = "", mode: int = 0o600) -> tuple[int, str]:
    """Make an empty file that nobody else has, private unless `mode` says more, open for writing: its descriptor and path.

    As tempfile.mkstemp does, which takes as long to load as a short command may take in all.
    """
    while True:
        path = f"{folder}/{prefix}{os.urandom(8).hex()}.part"
        with suppress(FileExistsError):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), path


@contextmanager
def replacing(path: Path, *, mode: int = 0o644, sync: bool = False, temporary_in: Path | None = None) -> Iterator[IO[bytes]]:
    """Give a file open for writing that takes `path`'s place when the block ends well, and vanishes when it does not.

    `temporary_in` is where it lies until then, for folders that others read; it must be on the same file system, and
    `path`'s own folder be there. By default it is that folder, which is made.
    `sync` fsyncs the file before the rename and the folder after it: for what must survive a power cut.
    Raises `OSError` as the file system does; `path` is then as it was.
    """
    if temporary_in is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = new_file(temporary_in or path.parent, f".{path.name}.", mode)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            if os.fstat(descriptor).st_mode & 0o7777 != mode:  # the umask took some of it
                os.fchmod(descriptor, mode)
            if sync:
                os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if sync:
        sync_folder(path.parent)


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644, sync: bool = False) -> None:
    """Write `data` to `path` whole."""
    with replacing(path, mode=mode, sync=sync) as stream:
        stream.write(data)


def write_text(path: Path, text: str, *, mode: int = 0o644, sync: bool = False) -> None:
    """Write `text` to `path` whole, as UTF-8."""
    write_bytes(path, text.encode(), mode=mode, sync=sync)


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys, two spaces of indent and a final newline: equal values, equal bytes.

    The bytes are those of `json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)`, which writes an indent in Python,
    item by item: for the facts and the cluster file of a large fleet that takes longer than to plan for it.
    """
    return _json(value, "\n") + "\n"


def _json(value: Any, newline: str) -> str:
    """Return a value as JSON; `newline` is what its own lines begin with, the indent of the place where it stands."""
    kind = type(value)
    if kind is str:
        return _TEXT(value)
    if kind is int:
        return repr(value)
    inner = newline + "  "
    if isinstance(value, dict) and value:
        lines = [f"{_key(key)}: {_json(value[key], inner)}" for key in sorted(value)]
        return f"{{{inner}{f',{inner}'.join(lines)}{newline}}}"
    if isinstance(value, list | tuple) and value:
        lines = list(map(_TEXT, value)) if set(map(type, value)) == {str} else [_json(item, inner) for item in value]
        return f"[{inner}{f',{inner}'.join(lines)}{newline}]"
    return json.dumps(value, ensure_ascii=False)


_TEXT = json.encoder.encode_basestring
"""Write a text in quotes: written in C."""


def _key(key: object) -> str:
    """Return a key of an object as JSON: a number or a truth value is written as a text there."""
    return _TEXT(key) if isinstance(key, str) else f'"{json.dumps(key)}"'


def sync_folder(folder: str | Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(paths: Sequence[str | Path]) -> None:
    """Make files, and the names in folders, durable side by side: a journalling file system commits once for all of them."""
    failed: list[OSError] = []

    def sync(some: Sequence[str | Path]) -> None:
        try:
            for path in some:
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        except OSError as error:
            failed.append(error)

    helpers = [Thread(target=sync, args=(paths[number::SYNCS],)) for number in range(1, min(SYNCS, len(paths)))]
    for helper in helpers:
        helper.start()
    sync(paths[::SYNCS])
    for helper in helpers:
        helper.join()
    if failed:
        raise failed[0]


def sync_tree(folder: Path) -> None:
    """Make a folder's files and their names durable, but not the folder's own name."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            descriptor = os.open(Path(place, name), os.O_RDONLY | os.O_NOFOLLOW)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(place))


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def sha256_bytes(data: bytes) -> str:
    """Return the sha256 of `data`, in hex."""
    return hashlib.sha256(data).hexdigest()
