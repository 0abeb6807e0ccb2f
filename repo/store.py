"""Where published bytes lie: objects by name, behind a Protocol; here in a folder that any web server can serve.

Paths are plain strings where an object is touched once for each of 100,000 packages: `pathlib` takes longer than the kernel.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Protocol

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import CHUNK, new_file, sha256_of, sync_all, sync_folder
from kubedeb.records import frozen
from kubedeb.release import Digest

# Names that carry a digest never change; what may change is asked for again.
FOREVER = r"(^|/)(pool|by-hash|snapshots|generations)/"
# From so many files on, one sync of the file system costs less than one of each file and its folders.
MANY = 32
# So many bytes are copied at once: a buffer of this size costs no system call of its own.
COPIED = 64 * 1024
# A file system without hard links, or one on which a file has as many as it may have.
NO_LINKS = (errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EXDEV)


# Waits until something is durable, and raises what went wrong.
Wait = Callable[[], None]


def durable() -> None:
    """Wait for nothing."""


@frozen
class Adopted:
    """Files that are in the store: which of them it lacked or had damaged, in their order; `wait` ends when all are durable."""

    written: tuple[bool, ...]
    wait: Wait


class Raced(Exception):  # noqa: N818 - it says what happened
    """Another publisher has replaced the object in the meantime."""


class Store(Protocol):
    """Objects by name; what a call has written is durable when it returns, and never half there."""

    @property
    def local(self) -> Path | None:
        """Return the folder that holds the objects under their names, None when they are elsewhere."""

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes, None when there is no such object."""

    def tagged(self, name: str) -> tuple[bytes, str] | None:
        """Return an object's bytes and a tag that `swap` compares."""

    def size(self, name: str) -> int | None:
        """Return an object's size in bytes, None when there is no such object."""

    def open(self, name: str) -> IO[bytes] | None:
        """Open an object to be read in blocks, None when there is no such object."""

    def put(self, name: str, data: bytes, *, mtime: int | None = None) -> bool:
        """Make `name` hold `data`; return whether anything had to be written. `mtime` is what HTTP calls Last-Modified."""

    def put_all(self, objects: Mapping[str, bytes], *, mtime: int | None = None) -> None:
        """Put many objects, visible in their order."""

    def same(self, name: str, other: str, *, mtime: int | None = None) -> bool:
        """Make `name` hold what the object `other` holds, without sending it; return whether `other` is there."""

    def create(self, objects: Mapping[str, bytes]) -> list[str]:
        """Write objects whose names say their content, and return the names of those that were not there."""

    def swap(self, name: str, data: bytes, tag: str | None, *, mtime: int) -> None:
        """Replace what `tagged` gave (None: nothing) by `data`. Raises `Raced` when it is no longer that."""

    def adopt(self, name: str, source: Path, digest: str) -> bool:
        """Copy a file of which the sha256 is known into the store; return whether anything had to be written."""

    def adopt_all(self, files: Sequence[tuple[str, Path, str]]) -> Adopted:
        """Adopt many files, each given by name, source and sha256."""

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects; those that are not there hinder nobody."""

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of all objects below a folder: for gc and fsck alone, no publish lists anything."""


def cache_control(name: str) -> str:
    """Return the Cache-Control of an object: what its name digests never changes, the rest is asked for again."""
    return "public, max-age=31536000, immutable" if re.search(FOREVER, name) else "public, max-age=60, must-revalidate"


@frozen
class FolderStore:
    """A store in a folder. `staging`, on the same file system, holds what is not whole yet."""

    root: Path
    staging: Path

    @property
    def local(self) -> Path:
        """Return the folder itself."""
        return self.root

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes, None when there is no such object."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def tagged(self, name: str) -> tuple[bytes, str] | None:
        """Return an object's bytes; the repository's lock makes a tag needless."""
        data = self.read(name)
        return None if data is None else (data, "")

    def size(self, name: str) -> int | None:
        """Return an object's size in bytes, None when there is no such object."""
        try:
            return os.stat(f"{self.root}/{name}").st_size
        except FileNotFoundError:
            return None

    def open(self, name: str) -> IO[bytes] | None:
        """Open a file, None when there is none."""
        try:
            return (self.root / name).open("rb")
        except FileNotFoundError:
            return None

    def put(self, name: str, data: bytes, *, mtime: int | None = None) -> bool:
        """Make `name` hold `data` by one rename, unless it does already."""
        return bool(self._write({name: data}, mtime))

    def put_all(self, objects: Mapping[str, bytes], *, mtime: int | None = None) -> None:
        """Make each name hold its data, in this order; all are durable at the end."""
        self._write(objects, mtime)

    def create(self, objects: Mapping[str, bytes]) -> list[str]:
        """Write each object that is not there with this content: a damaged one is mended."""
        return self._write(objects, None)

    def _write(self, objects: Mapping[str, bytes], mtime: int | None) -> list[str]:
        """Write what is not there, make it durable, then give it its names in this order; return those names."""
        names = [name for name, data in objects.items() if self.size(name) != len(data) or self.read(name) != data]
        whole = {name: self._temporary(objects[name], mtime) for name in names}
        sync_all(list(whole.values()))
        folders: dict[str, None] = {}
        for name, temporary in whole.items():
            path = f"{self.root}/{name}"
            folder = path.rpartition("/")[0]
            folders |= dict.fromkeys([*make_folders(folder), folder])
            os.replace(temporary, path)
        sync_all(list(folders))
        return names

    def _temporary(self, data: bytes, mtime: int | None) -> str:
        descriptor, path = new_file(self.staging)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(descriptor, 0o644)
            if mtime is not None:
                os.utime(descriptor, (mtime, mtime))
        return path

    def same(self, name: str, other: str, *, mtime: int | None = None) -> bool:
        """Make `name` a hard link of `other`, by one rename; where there are no links it is a copy.

        Both get `mtime`, unless they have a later one: other suites may have the same file, and a client that asks by date
        must never be told of an earlier one. It is not synced: what is the same as something durable can be made again.
        """
        path, source = self.root / name, self.root / other
        try:
            if mtime is not None and source.stat().st_mtime < mtime:
                os.utime(source, (mtime, mtime))
            if path.exists() and path.samefile(source):
                return True
            make_folders(path.parent)
            temporary = self.staging / f"{os.urandom(8).hex()}.link"
            os.link(source, temporary)
            temporary.replace(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            self.put(name, source.read_bytes(), mtime=mtime)
        return True

    def swap(self, name: str, data: bytes, tag: str | None, *, mtime: int) -> None:
        """Replace an object by one rename; the repository's lock keeps others away."""
        del tag
        self.put(name, data, mtime=mtime)

    def adopt(self, name: str, source: Path, digest: str) -> bool:
        """Copy a file in by one rename, unless it is there already. Raises `KubedebError` when its content has changed."""
        return self._adopt(name, source, digest, sync=True)

    def adopt_all(self, files: Sequence[tuple[str, Path, str]]) -> Adopted:
        """Copy many files in; where they are many, all are made durable at once, while the caller goes on."""
        from kubedeb.parallel import begun, spread

        one_by_one = len(files) < MANY
        written = spread(lambda file: self._adopt(*file, sync=one_by_one), files, least=4 * MANY)
        return Adopted(tuple(written), durable if one_by_one else begun(lambda: sync_file_system(self.root)))

    def _adopt(self, name: str, source: Path, digest: str, *, sync: bool) -> bool:
        path = f"{self.root}/{name}"
        folder = path.rpartition("/")[0]
        folders = make_folders(folder)
        if not folders and os.path.exists(path) and sha256_of(Path(path)) == digest:
            return False
        if sync:
            sync_all(folders)
        os.replace(self._copied(source, digest, sync=sync), path)
        if sync:
            sync_folder(folder)
        return True

    def _copied(self, source: Path, digest: str, *, sync: bool) -> str:
        """Copy a file, held to its digest while it is read, and return where."""
        into, temporary = new_file(self.staging, mode=0o644)
        try:
            try:
                if _copy(source, into) != digest:
                    raise changed(source)
                if os.fstat(into).st_mode & 0o7777 != 0o644:  # the umask took some of it
                    os.fchmod(into, 0o644)
                if sync:
                    os.fsync(into)
            finally:
                os.close(into)
        except BaseException:
            os.unlink(temporary)
            raise
        return temporary

    def delete(self, names: Iterable[str]) -> None:
        """Remove files, and the folders that become empty."""
        for name in names:
            path = self.root / name
            path.unlink(missing_ok=True)
            with suppress(OSError):
                for folder in path.parents:
                    if folder == self.root:
                        break
                    folder.rmdir()

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of all files below a folder."""
        # A folder that cannot be read is not an empty one: gc would take what it keeps for needed by nobody.
        for place, _, files in os.walk(self.root / prefix, onerror=_raise):
            for file in files:
                yield str(Path(place, file).relative_to(self.root))


def _copy(source: Path, into: int) -> str:
    """Copy a file to its end into an open one, and return the sha256 of what was copied."""
    hashed = sha256()
    origin = os.open(source, os.O_RDONLY)
    try:
        while block := os.read(origin, COPIED):
            hashed.update(block)
            written = os.write(into, block)
            while written < len(block):
                written += os.write(into, memoryview(block)[written:])
    finally:
        os.close(origin)
    return hashed.hexdigest()


def _raise(error: OSError) -> None:
    """Let only a folder that is not there be an empty one."""
    if not isinstance(error, FileNotFoundError):
        raise error


def digest_of(store: Store, name: str) -> Digest | None:
    """Return the size and sha256 of an object, read in blocks; None when there is no such object."""
    stream = store.open(name)
    if stream is None:
        return None
    hashed, size = sha256(), 0
    with stream:
        while block := stream.read(CHUNK):
            hashed.update(block)
            size += len(block)
    return Digest(size, hashed.hexdigest())


def changed(source: Path) -> KubedebError:
    """Return the error for a file that is not what it was when it was looked at."""
    return KubedebError(f"{source} changed while it was read", hint="Add it again when it is complete.", code=ExitCode.PACKAGE)


def make_folders(folder: str | Path) -> list[str]:
    """Make a folder that web servers may read, whatever the umask; return those in which a name is new, to be synced."""
    above = os.path.dirname(folder)
    try:
        os.mkdir(folder, 0o755)
    except FileNotFoundError:
        return [*make_folders(above), *make_folders(folder)]
    except FileExistsError:
        if not os.path.isdir(folder):
            raise
        return []
    if os.stat(folder).st_mode & 0o777 != 0o755:  # the umask took some of it
        os.chmod(folder, 0o755)  # noqa: S103 - it is to be read by everybody
    return [above]


def sync_file_system(folder: Path) -> None:
    """Make all that was written to a folder's file system durable (syncfs(2), which Python does not have)."""
    import ctypes

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
