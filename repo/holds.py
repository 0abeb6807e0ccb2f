"""Holds: named lists of sha256 that must not be deleted. The repository knows nothing of who wants them, or why.

A hold is an object of the store, so that every publisher's gc heeds it: `holds/NAME`, one digest a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from repo.init import NAME
from repo.place import Repository, writing
from repo.store import Store

DIGEST = re.compile(r"[0-9a-f]{64}")
# What a list of digests looks like.
AS_WRITTEN = "sha256sum FILE… writes one: a sha256 in hex begins each line."


def parse_hold(text: str) -> frozenset[str]:
    """Return the digests of a list: the first word of each line, as sha256sum(1) writes them; `#` begins a comment.

    Raises `ValueError` with the line that has none.
    """
    digests = set()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words and DIGEST.fullmatch(words[0].lower()) is None:
            raise ValueError(f"line {number}: not a sha256 in hex: {words[0][:80]!r}")
        digests |= {words[0].lower()} if words else set()
    return frozenset(digests)


def hold_text(digests: Iterable[str]) -> str:
    """Return a list as it is stored: the inverse of `parse_hold`."""
    return "".join(f"{digest}\n" for digest in sorted(digests))


def read_holds(store: Store) -> dict[str, frozenset[str]]:
    """Return every hold by name. Raises `KubedebError` (REPOSITORY) for one that is damaged: nothing may go then."""
    names = sorted(name.removeprefix("holds/") for name in store.names("holds"))
    return {name: held for name in names if (held := _read(store, name)) is not None}


def _read(store: Store, name: str) -> frozenset[str] | None:
    data = store.read(f"holds/{name}")
    try:
        return None if data is None else parse_hold(data.decode())
    except ValueError as error:
        raise KubedebError(
            f"hold {name} is damaged", details=str(error), hint="Remove it, and add it again from its owner's list.",
            code=ExitCode.REPOSITORY,
        ) from error  # fmt: skip


def add_hold(repository: Repository, name: str, file: Path) -> frozenset[str]:
    """Add the digests in `file` to a hold, made where there is none; return all it has now.

    Raises `KubedebError`: USAGE for a name or list that is none; REPOSITORY_BUSY; REPOSITORY_STORAGE.
    """
    if NAME.fullmatch(name) is None:
        raise KubedebError(f"{name!r} cannot name a hold", details=f"It must match {NAME.pattern}", code=ExitCode.USAGE)
    try:
        wanted = parse_hold(file.read_text())
    except OSError as error:
        raise KubedebError(f"cannot read {file}: {error.strerror}", code=ExitCode.USAGE) from error
    except ValueError as error:
        raise KubedebError(
            f"{file} is not a list of sha256", details=str(error), hint=AS_WRITTEN, code=ExitCode.USAGE
        ) from error
    if not wanted:
        raise KubedebError(f"{file} lists no sha256", hint=AS_WRITTEN, code=ExitCode.USAGE)
    store = repository.layout.store
    with writing(repository.layout):
        held = wanted | (_read(store, name) or frozenset())
        store.put(f"holds/{name}", hold_text(held).encode())
    return held


def remove_hold(repository: Repository, name: str) -> None:
    """Remove a hold. Raises `KubedebError` (PACKAGE) with the holds there are when it is none of them."""
    store = repository.layout.store
    with writing(repository.layout):
        names = [known.removeprefix("holds/") for known in store.names("holds")]
        if name not in names:
            raise KubedebError(f"there is no hold {name!r}", details=f"holds: {', '.join(sorted(names)) or 'none'}",
                               code=ExitCode.PACKAGE)  # fmt: skip
        store.delete([f"holds/{name}"])
