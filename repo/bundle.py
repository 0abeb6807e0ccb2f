"""An export of one of our repositories, read on the other side: its manifest's signature first, then every file by digest."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from kubedeb.aptrepo import MAX_RELEASE, verified
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import CHUNK, replacing
from kubedeb.records import frozen
from kubedeb.release import Digest, Release, parse_release
from repo.downloads import Downloads

MANIFEST = "MANIFEST"


@frozen
class Bundle:
    """A place whose files are those that a manifest lists, each checked; `files` says where each lies."""

    files: Mapping[str, Path]

    def open(self, path: str, start: int = 0) -> IO[bytes]:
        """Open a file. Raises `FileNotFoundError` for what the manifest does not list."""
        if path not in self.files:
            raise FileNotFoundError(path)
        stream = self.files[path].open("rb")
        stream.seek(start)
        return stream


def open_bundle(where: Path, keyring: Path, brought: Downloads) -> tuple[Bundle, Release]:
    """Return the files of an export, a tar or a folder, and its manifest.

    Raises `KubedebError` (FOREIGN) unless every file is there as the manifest says; `OSError` is the disk's.
    """
    if where.is_dir():
        data = _bounded(where, (where / MANIFEST).open("rb"))
        manifest = read_manifest(where, data, keyring)
        return Bundle({name: _checked(where, name, digest) for name, digest in manifest.indices.items()}), manifest
    with where.open("rb") as stream:
        return _unpacked(where, stream, keyring, brought)


def read_manifest(where: Path, data: bytes, keyring: Path) -> Release:
    """Return a manifest, its signature checked."""
    text = verified(data, keyring, code=ExitCode.FOREIGN)
    try:
        manifest = parse_release("", text)
    except ValueError as error:
        raise _wrong(where, f"its MANIFEST is none: {error}") from error
    if "Suite" not in manifest.fields or not manifest.indices:
        raise _wrong(where, "its MANIFEST names no suite or no file")
    return manifest


def _unpacked(where: Path, tar: IO[bytes], keyring: Path, brought: Downloads) -> tuple[Bundle, Release]:
    entries = _entries(where, tar)
    name, size, stream = next(entries, ("", 0, None))
    if name != MANIFEST or stream is None or size > MAX_RELEASE:
        raise _wrong(where, "its first file is not the MANIFEST of an export")
    manifest = read_manifest(where, b"".join(_blocks(where, stream)), keyring)
    brought.require_room(2 * sum(digest.size for digest in manifest.indices.values()))
    files: dict[str, Path] = {}
    for name, size, stream in entries:
        digest = manifest.indices.get(name)
        if digest is None or name in files or stream is None or size != digest.size:
            raise _wrong(where, f"has {name[:200]!r}, which its MANIFEST does not list so")
        files[name] = brought.folder / digest.sha256
        _unpack(where, name, stream, digest, files[name])
    if missing := sorted(manifest.indices.keys() - files.keys()):
        raise _wrong(where, f"lacks {len(missing)} files, {missing[0]} among them: it was cut")
    return Bundle(files), manifest


def _entries(where: Path, tar: IO[bytes]) -> Iterator[tuple[str, int, IO[bytes] | None]]:
    """Yield the regular files; folders are passed over, anything else is refused: it would be followed."""
    try:
        with tarfile.open(fileobj=tar, mode="r|") as archive:
            while (item := archive.next()) is not None:
                if not (item.isdir() or item.isreg()):
                    raise _wrong(where, f"has {item.name[:200]!r}, which is no regular file")
                if item.isreg():
                    yield item.name, item.size, archive.extractfile(item)
                archive.members.clear()  # type: ignore[attr-defined] # tarfile would remember every entry until the end
    except tarfile.TarError as error:
        raise _wrong(where, f"cannot be read as a tar: {error}") from error


def _blocks(where: Path, stream: IO[bytes]) -> Iterator[bytes]:
    try:
        while block := stream.read(CHUNK):
            yield block
    except (tarfile.TarError, OSError) as error:
        raise _wrong(where, f"cannot be read to its end: {error}") from error


def _unpack(where: Path, name: str, stream: IO[bytes], digest: Digest, target: Path) -> None:
    hashed = hashlib.sha256()
    with replacing(target) as out:
        for block in _blocks(where, stream):
            hashed.update(block)
            out.write(block)
        if hashed.hexdigest() != digest.sha256:
            raise _wrong(where, f"has {name} with other bytes: {hashed.hexdigest()}, expected {digest.sha256}")


def _checked(where: Path, name: str, digest: Digest) -> Path:
    path = where / name
    hashed = hashlib.sha256()
    # Nothing outside of the export is read, whatever its names point to.
    if path.is_symlink() or not path.is_file() or where.resolve() not in path.resolve().parents:
        raise _wrong(where, f"lacks {name}, which its MANIFEST lists")
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            hashed.update(block)
    if hashed.hexdigest() != digest.sha256:
        raise _wrong(where, f"has {name} with other bytes: {hashed.hexdigest()}, expected {digest.sha256}")
    return path


def _bounded(where: Path, stream: IO[bytes]) -> bytes:
    with stream:
        data = stream.read(MAX_RELEASE + 1)
    if len(data) > MAX_RELEASE:
        raise _wrong(where, "its MANIFEST is larger than 32 MiB")
    return data


def _wrong(where: Path, problem: str) -> KubedebError:
    return KubedebError(
        f"{where.name}: {problem}", hint="Nothing was taken. Fetch the export again, or make it anew.", code=ExitCode.FOREIGN
    )
