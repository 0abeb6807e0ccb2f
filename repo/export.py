"""`kubedeb repo export`: one suite, generation or named snapshot as a tree of its own, signed, with all that it needs.

It is an apt repository as it is (`file:`, or behind any web server), and `kubedeb repo import` takes it. `MANIFEST` lists every
file with size and sha256 and is signed by the archive's key.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import IO

from kubedeb.aptrepo import verified
from kubedeb.dates import written
from kubedeb.errors import ExitCode, KubedebError, storage_errors
from kubedeb.files import CHUNK, replacing, sha256_bytes, sync_tree
from kubedeb.records import frozen
from kubedeb.release import Digest, Release, parse_release
from repo.bundle import MANIFEST
from repo.clientfiles import sources_text
from repo.contents import lister
from repo.indices import GENERATION_FIELD, SNAPSHOT_FIELD, TRANSLATION, by_hash, index_objects, make_indices
from repo.keyringpackage import current
from repo.live import chunk_loader, chunk_name, generation_name, read_snapshot, snapshot_name, unreadable
from repo.models import Suite
from repo.pieces import open_pieces
from repo.place import Repository
from repo.points import GENERATION, Point, resolve
from repo.poolfiles import damaged, objects
from repo.settle import client_files
from repo.signing import sign
from repo.snapshotlist import PREFIX
from repo.snapshots import rows_of
from repo.transaction import Say, transaction


@frozen
class Exported:
    """What was written: a tar or a folder, the suite that apt is to ask for, and how much it is."""

    path: Path
    suite: str
    generation: int
    snapshot: str
    packages: int
    files: int
    bytes: int


@frozen
class Piece:
    """A file of an export: its digest, and how to open it; it is None when the store has it no longer."""

    digest: Digest
    open: Callable[[], IO[bytes] | None]


def export(repository: Repository, what: str, target: Path, say: Say, *, url: str = "") -> Exported:
    """Write what `what` names to `target`: a tar when the name ends in `.tar`, else a folder, which must not be there.

    `url` is where clients will find it. Raises `KubedebError`: REPOSITORY when `what` is nothing or something of it is lost;
    KEY; USAGE; REPOSITORY_STORAGE when `target` cannot be written. Then nothing is there.
    """
    if target.suffix != ".tar" and target.exists():
        raise KubedebError(f"{target} is there already", hint="Name a folder that is not there, or a .tar file.",
                           code=ExitCode.USAGE)  # fmt: skip
    with storage_errors(str(target), ExitCode.REPOSITORY_STORAGE), TemporaryDirectory(prefix="kubedeb-export-") as folder:
        with transaction(repository, say) as opened:
            point = resolve(repository, what)
            suite, inrelease = _signed(repository, what, point)
            release = parse_release(suite, verified(inrelease, repository.layout.keyring, code=ExitCode.REPOSITORY))
            say(f"collecting {what}")
            keyring = current(opened, Path(folder))
            pieces = dict(_pieces(repository, point, release, inrelease, url))
            pieces[keyring.name] = _data(keyring.read_bytes())
            text = manifest_text(repository, release, {name: piece.digest for name, piece in pieces.items()})
            signed = sign(repository, text, time.time()).inline
        whole = {MANIFEST: _data(signed), **dict(sorted(pieces.items()))}
        date = int(release.date.timestamp())
        write = _write_tar if target.suffix == ".tar" else _write_folder
        write(target, whole, say, date)
    size = sum(piece.digest.size for piece in whole.values())
    return Exported(target, suite, point.generation, point.snapshot.id, point.snapshot.count, len(whole), size)


def manifest_text(repository: Repository, release: Release, digests: dict[str, Digest]) -> str:
    """Return a manifest: what it is of, and the digest of every file."""
    identity = repository.identity
    fields = {
        "Origin": identity.origin, "Label": identity.label, "Suite": release.suite,
        "Date": written(int(release.date.timestamp())),
        GENERATION_FIELD: release.fields[GENERATION_FIELD], SNAPSHOT_FIELD: release.fields[SNAPSHOT_FIELD],
        "Description": "An export of an archive; every file of it is listed here",
    }  # fmt: skip
    head = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return f"{head}SHA256:\n" + "".join(f" {one.sha256} {one.size:>12} {name}\n" for name, one in sorted(digests.items()))


def _signed(repository: Repository, what: str, point: Point) -> tuple[str, bytes]:
    """Return the suite as apt asks for it, and the InRelease that was signed for it."""
    store = repository.layout.store
    if repository.identity.suite(what) is not None:
        suite, name = what, f"dists/{what}/InRelease"
    elif GENERATION.fullmatch(what):
        suite, name = point.suite, generation_name(point.suite, point.generation)
    else:
        suite, name = f"{PREFIX}{what}", f"dists/{PREFIX}{what}/InRelease"
    data = store.read(name)
    if data is None:
        raise KubedebError(f"{what} is not served under a name of its own", hint="kubedeb repo snapshot create NAME SUITE",
                           code=ExitCode.REPOSITORY)  # fmt: skip
    return suite, data


def _data(data: bytes) -> Piece:
    return Piece(Digest(len(data), sha256_bytes(data)), lambda: io.BytesIO(data))


def _pieces(
    repository: Repository, point: Point, release: Release, inrelease: bytes, url: str
) -> Iterator[tuple[str, Piece]]:  # fmt: skip
    """Yield every file but the manifest, by its name in the store."""
    store, folder = repository.layout.store, f"dists/{release.suite}"
    detached = sign(repository, release.text, time.time()).detached
    yield f"{folder}/InRelease", _data(inrelease)
    yield f"{folder}/Release", _data(release.text.encode())
    yield f"{folder}/Release.gpg", _data(detached)
    yield generation_name(release.suite, int(release.fields[GENERATION_FIELD])), _data(inrelease)
    for path, piece in _indices(repository, point, release).items():
        yield f"{folder}/{path}", piece
        yield f"{folder}/{by_hash(path, release.indices[path])}", piece
    yield snapshot_name(point.snapshot.id), _data(point.snapshot.text().encode())
    for chunk in point.snapshot.chunks:
        data = store.read(chunk_name(chunk.sha256))
        if data is None:
            raise unreadable("a part of a snapshot", ValueError(f"{chunk_name(chunk.sha256)} is missing"))
        yield chunk_name(chunk.sha256), _data(data)
    names = set()
    for row in rows_of(chunk_loader(repository), point.snapshot):
        names.add(row.name)
        for name, file in objects(row).items():
            if store.size(name) != file.size:
                raise damaged(row.member)
            yield name, Piece(Digest(file.size, file.sha256), lambda name=name: store.open(name))  # type: ignore[misc]
    identity = repository.identity
    found = client_files(repository, names, ())
    theirs = Suite(release.suite, release.architectures)
    found[f"{identity.file_name}.sources"] = sources_text(replace(identity, url=url or identity.url), theirs).encode()
    yield from ((name, _data(data)) for name, data in found.items())


def _indices(repository: Repository, point: Point, release: Release) -> dict[str, Piece]:
    """Return the indices that a Release names, by path: as they are kept, or made again from the package list."""
    store = repository.layout.store
    places = index_objects(release.suite, release.indices)
    if all(store.size(name) == release.indices[path].size for path, name in places.items()):
        return {path: Piece(release.indices[path], lambda name=name: store.open(name))  # type: ignore[misc]
                for path, name in places.items()}  # fmt: skip
    suite = repository.suite(point.suite)
    forms = tuple(form for form in (".gz", ".xz", ".zst") if any(path.endswith(form) for path in release.indices))
    options = replace(suite.options, forms=forms, translations=TRANSLATION in release.indices,
                      contents=any("/Contents-" in path for path in release.indices))  # fmt: skip
    as_it_was = Suite(suite.name, release.architectures, options)
    snapshot = read_snapshot(store, release.fields[SNAPSHOT_FIELD])
    with open_pieces(repository.layout.pieces) as kept:
        made = make_indices(snapshot, as_it_was, chunk_loader(repository), kept, lister(repository.layout.store, kept))
    if any(made.listed.get(path) != release.indices[path] for path in places):
        raise KubedebError(
            f"the indices of {point.label} are not kept any more, and come out otherwise today",
            hint="Let the suite serve it again (kubedeb repo rollback), then export the suite.", code=ExitCode.REPOSITORY,
        )  # fmt: skip
    return {path: _data(made.data[path]) for path in places}


def _contents(name: str, piece: Piece) -> Iterator[bytes]:
    """Yield a file's blocks. Raises `KubedebError` (REPOSITORY) at its end when it is not what it should be."""
    hashed, stream = sha256(), piece.open()
    if stream is not None:
        with stream:
            while block := stream.read(CHUNK):
                hashed.update(block)
                yield block
    if hashed.hexdigest() != piece.digest.sha256:
        raise KubedebError(f"{name} is missing or damaged", hint="kubedeb repo fsck names all that is; nothing was exported.",
                           code=ExitCode.REPOSITORY)  # fmt: skip


def _write_tar(target: Path, pieces: dict[str, Piece], say: Say, date: int) -> None:
    """Write a tar by one rename."""
    with replacing(target, sync=True) as out:
        for name, piece in _told(pieces, say):
            item = tarfile.TarInfo(name)
            item.size, item.mtime, item.mode = piece.digest.size, date, 0o644
            out.write(item.tobuf(tarfile.GNU_FORMAT))
            for block in _contents(name, piece):
                out.write(block)
            out.write(bytes(-item.size % tarfile.BLOCKSIZE))
        out.write(bytes(2 * tarfile.BLOCKSIZE))


def _write_folder(target: Path, pieces: dict[str, Piece], say: Say, date: int) -> None:
    """Write a folder that appears whole; InRelease has the time that it is dated, as apt compares it."""
    with _appearing(target) as folder:
        for name, piece in _told(pieces, say):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as out:
                for block in _contents(name, piece):
                    out.write(block)
            os.utime(path, (date, date))


def _told(pieces: dict[str, Piece], say: Say) -> Iterator[tuple[str, Piece]]:
    for number, item in enumerate(pieces.items(), 1):
        yield item
        if number % 1000 == 0:
            say(f"wrote {number} of {len(pieces)} files")


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(dir=target.absolute().parent, prefix=f".{target.name}.", suffix=".part"))
    try:
        yield folder
        folder.chmod(0o755)
        sync_tree(folder)
        folder.rename(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
