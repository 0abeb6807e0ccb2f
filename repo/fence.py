"""On an object store publishers work side by side, and gc alone: what it deletes another may just be taking up again.

Each says so first and looks for the other then, so one of the two always sees the other, and steps back. A publisher that would
change something creates `fence/publishing/ID.json`, gc creates `fence/gc.json`, which is there once. What a killed run left
counts for an hour, but not for the folder that made it: that has one writer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import canonical_json, write_text
from repo.audit import who
from repo.place import Layout
from repo.store import Raced, Store

FOLDER = "fence"
PUBLISHING = f"{FOLDER}/publishing"
COLLECTING = f"{FOLDER}/gc.json"
LEASE = 3600
"""Seconds after which who said something is taken for dead; publishers' clocks must agree much better than that."""


@dataclass(frozen=True)
class Entered:
    """A publisher's own word that it is at work: the object, and when (seconds since the epoch)."""

    name: str
    since: float


def enter(layout: Layout) -> Entered:
    """Say that what lies in the store is relied upon from now on. Raises `KubedebError` (REPOSITORY_BUSY) while gc deletes."""
    store, entered = layout.store, Entered(f"{PUBLISHING}/{uuid4().hex}.json", time.time())
    store.create({entered.name: _word(layout)})
    if other := _other(layout, COLLECTING):
        leave(store, entered)
        raise _busy("gc deletes what nothing needs", other)
    return entered


def leave(store: Store, entered: Entered) -> None:
    """Take the word back."""
    store.delete([entered.name])


def refuse_late(entered: Entered) -> None:
    """Raise `KubedebError` (REPOSITORY_BUSY) when the word was given too long ago for anybody to still believe it."""
    if time.time() - entered.since > LEASE / 2:
        raise KubedebError("this took so long that gc may have run in between", hint="Nothing is live of it. Run it again.",
                           code=ExitCode.REPOSITORY_BUSY)  # fmt: skip


@contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """Delete while no publisher is at work. Raises `KubedebError` (REPOSITORY_BUSY) when one is, or another gc."""
    store, found = layout.store, layout.store.tagged(COLLECTING)
    if other := _other(layout, COLLECTING):
        raise _busy("another gc is at work", other)
    try:
        store.swap(COLLECTING, _word(layout), found[1] if found else None, mtime=int(time.time()))
    except Raced as error:
        raise _busy("another gc is at work", "") from error
    try:
        for name in list(store.names(PUBLISHING)):
            if other := _other(layout, name):
                raise _busy("a publisher is at work", other)
            store.delete([name])
        yield
    finally:
        store.delete([COLLECTING])


def _word(layout: Layout) -> bytes:
    return canonical_json({"writer": _writer(layout), "who": who(), "since": time.time(), "id": uuid4().hex}).encode()


def _writer(layout: Layout) -> str:
    """Return the name of this folder among all that publish into the store; made once, by who holds the folder's lock."""
    path = layout.root / "writer-id"
    if not path.exists():
        write_text(path, f"{uuid4().hex}\n")
    return path.read_text().strip()


def _other(layout: Layout, name: str) -> str:
    """Return who else said so, empty when nobody did, or long ago, or a run of this folder that was killed."""
    try:
        word = json.loads(layout.store.read(name) or b"{}")
        living = word and word["writer"] != _writer(layout) and word["since"] + LEASE > time.time()
        return str(word["who"]) if living else ""
    except (ValueError, KeyError, TypeError):
        return ""


def _busy(what: str, other: str) -> KubedebError:
    return KubedebError(
        f"{what}{f' ({other})' if other else ''}", code=ExitCode.REPOSITORY_BUSY,
        hint="Nothing was changed. Run the same command again in a moment; what a killed run left counts for an hour.",
    )  # fmt: skip
