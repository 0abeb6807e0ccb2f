"""What is about to go live, written down before the first rename, so that the next run can complete it or take it back.

A release set goes live by several renames. When none of them was done, nothing has happened and the journal is forgotten.
When one was done, the others follow: they are staged, signed and proven, and only their renames are missing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.files import canonical_json, sha256_bytes, write_text
from kubedeb.records import frozen
from repo.audit import Record, note, parse_record
from repo.keys import Signed
from repo.live import generation_name, read_live
from repo.place import Repository
from repo.settle import settle
from repo.store import Raced

if TYPE_CHECKING:
    from repo.transaction import Transaction


@frozen
class Move:
    """A suite's next generation: its InRelease and Release.gpg, its date, the sha256 of what it replaces (empty: nothing)."""

    suite: str
    inrelease: str
    detached: str
    date: int
    before: str
    record: Record


def begin(repository: Repository, moves: Sequence[Move]) -> None:
    """Write down what is about to go live."""
    write_text(repository.layout.journal, canonical_json([asdict(move) for move in moves]), sync=True)


def finish(repository: Repository, moves: Sequence[Move]) -> None:
    """Write the moves into the audit log, and forget them here."""
    note(repository, [move.record for move in moves])
    forget(repository)


def forget(repository: Repository) -> None:
    """Forget what was about to go live: nothing of it did, or all of it is known."""
    repository.layout.journal.unlink(missing_ok=True)


def pending(repository: Repository) -> tuple[Move, ...]:
    """Return what the last run left. Raises `KubedebError` (REPOSITORY) when it cannot be read."""
    try:
        document = json.loads(repository.layout.journal.read_text())
        return tuple(Move(**{**move, "record": parse_record(move["record"])}) for move in document)
    except FileNotFoundError:
        return ()
    except (ValueError, TypeError, KeyError) as error:
        raise KubedebError(
            f"cannot read {repository.layout.journal}", details=str(error),
            hint="It lists what was about to go live. Compare what the suites serve, then remove the file.",
            code=ExitCode.REPOSITORY,
        ) from error  # fmt: skip


def resume(opened: Transaction) -> None:
    """Complete what the last run left half done, or forget it when nothing of it went live."""
    repository = opened.repository
    moves = pending(repository)
    if not moves:
        return
    live = [move for move in moves if _went_live(opened, move)]
    if live:
        missing = [move for move in moves if move not in live]
        live += [move for move in missing if _complete(opened, move)]
        for move in live:
            _settle(opened, move)
        opened.lives = {**opened.lives, **{move.suite: found for move in live if (found := read_live(repository, move.suite))}}
    finish(repository, live)


def _went_live(opened: Transaction, move: Move) -> bool:
    """Return whether a move was done: it may have been followed by another publisher's since."""
    kept = opened.repository.layout.store.read(generation_name(move.suite, move.record.generation))
    live = opened.lives.get(move.suite)
    return move.inrelease.encode() in (kept, live.inrelease if live else None)


def _complete(opened: Transaction, move: Move) -> bool:
    """Do a rename that is missing; return whether it could be: another publisher may have been faster."""
    live = opened.lives.get(move.suite)
    if (sha256_bytes(live.inrelease) if live else "") == move.before:
        opened.say(f"completing what was interrupted: {move.suite} generation {move.record.generation}")
        try:
            opened.repository.layout.store.swap(
                f"dists/{move.suite}/InRelease", move.inrelease.encode(), live.tag if live else None, mtime=move.date
            )
        except Raced:
            pass
        else:
            return True
    opened.say(
        f"{move.suite} was to go live with {', '.join(move.record.together)}, but another publisher was faster: move it again"
    )
    return False


def _settle(opened: Transaction, move: Move) -> None:
    """Complete what follows a rename, unless another generation has taken its place."""
    live = read_live(opened.repository, move.suite)
    if live is not None and live.inrelease == move.inrelease.encode():
        settle(opened, opened.repository.suite(move.suite), live, Signed(live.inrelease, move.detached.encode()))
