"""What packages lay down, for Contents indices: read once from each package and remembered beside the pieces.

A line is `PATH SECTION/PACKAGE`, as apt-file reads it; apt-file does not mind that lines are ordered by package and a path
that two packages have stands twice (https://wiki.debian.org/DebianRepository/Format, "Contents" indices).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import IO

from kubedeb.deb import MAX_DATA_TAR, DebError, data_entries
from kubedeb.errors import ExitCode, KubedebError
from kubedeb.stanza import one
from repo.models import Member, Package
from repo.pieces import Pieces
from repo.poolfiles import damaged
from repo.store import Store

# Gives the paths of what a package lays down, relative to the root, one a line.
Lister = Callable[[Member], str]


def contents_text(architecture: str, packages: Iterable[Package], paths: Lister) -> str:
    """Return the part of an architecture's Contents that is about `packages`; `all` is in each, sources in none."""
    owners: dict[str, set[str]] = {}
    for package in packages:
        if package.architecture in (architecture, "all"):
            section = one(package.stanza).get("Section", "")
            owner = f"{section}/{package.name}" if section else package.name
            for path in paths(package.member).splitlines():
                owners.setdefault(path, set()).add(owner)
    return "".join(f"{path}\t{','.join(sorted(names))}\n" for path, names in sorted(owners.items()))


def paths_of(stream: IO[bytes]) -> str:
    """Return the paths of the files and links in a `.deb`, sorted, one a line. Raises `DebError`."""
    names = {item.name.removeprefix("./").lstrip("/") for item, _ in data_entries(stream, MAX_DATA_TAR) if not item.isdir()}
    # `add` refuses a path with a line's end; another publisher's tool may not.
    return "".join(f"{name}\n" for name in sorted(names) if name and name == name.splitlines()[0])


def lister(store: Store, pieces: Pieces) -> Lister:
    """Return how to get a package's paths: from the cache, else from its bytes in the pool.

    It raises `KubedebError` (REPOSITORY) when these are missing or no package.
    """

    def paths(member: Member) -> str:
        known = pieces.paths(member.sha256)
        if known is None:
            known = _read(store, member)
            pieces.keep_paths(member.sha256, known)
        return known

    return paths


def _read(store: Store, member: Member) -> str:
    try:
        if store.local is not None:
            with (store.local / member.pool_name).open("rb") as stream:
                return paths_of(stream)
        data = store.read(member.pool_name)
        if data is None:
            raise damaged(member)
        return paths_of(io.BytesIO(data))
    except FileNotFoundError as error:
        raise damaged(member) from error
    except DebError as error:
        raise KubedebError(f"{member.label} in the pool is no package", details=str(error), hint="kubedeb repo fsck",
                           code=ExitCode.REPOSITORY) from error  # fmt: skip
