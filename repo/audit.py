"""The audit log: who moved which suite from where to where, when and why.

Every move is one object of the store, made once and never changed (`audit/SUITE/GENERATION.json`), and a line of `audit.jsonl`
beside the repository, which needs no listing to be read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from kubedeb.files import canonical_json
from kubedeb.records import frozen
from repo.place import Repository
from repo.store import Raced


@frozen
class Why:
    """What a move is: `publish`, `promote`, `rollback`, …, the reason that somebody gave, and where its packages come from."""

    action: str = "publish"
    reason: str = ""
    source: str = ""


@frozen
class Record:
    """One move of one suite. `at` is in seconds since the epoch; `together` names all suites of a release set."""

    suite: str
    generation: int
    snapshot: str
    before_generation: int
    before_snapshot: str
    added: int
    removed: int
    action: str
    source: str
    reason: str
    who: str
    at: int
    together: tuple[str, ...] = ()


def who() -> str:
    """Return the person who runs this, as `name@host`; behind sudo it is who called it."""
    import getpass

    name = os.environ.get("SUDO_USER", "")
    if not name:
        # A number without a name is possible in containers.
        try:
            name = getpass.getuser()
        except (OSError, KeyError):
            name = str(os.getuid())
    return f"{name}@{os.uname().nodename}"


def object_name(suite: str, generation: int) -> str:
    """Return where a move's record lies in the store."""
    return f"audit/{suite}/{generation:06}.json"


def parse_record(document: Any) -> Record:
    """Return the record that a JSON document is. Raises `ValueError` when it is none."""
    try:
        known = {name.name for name in fields(Record)}
        return Record(**{**{name: document[name] for name in known & set(document)}, "together": tuple(document["together"])})
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a record of a move: {error!r}") from error


def note(repository: Repository, records: Sequence[Record]) -> None:
    """Write down the moves of one set, but those that are written down already. Only for who holds the repository's lock."""
    log = _log(repository)
    written = _at_the_end(log, records)
    for record in records:
        if record not in written:
            _append(log, json.dumps(asdict(record), sort_keys=True))
        with suppress(Raced):
            store, name = repository.layout.store, object_name(record.suite, record.generation)
            if store.local is None or store.size(name) is None:
                store.swap(name, canonical_json(asdict(record)).encode(), None, mtime=record.at)


def _at_the_end(log: Path, records: Sequence[Record]) -> list[Record]:
    """Return which records of one set end the log: a killed writer wrote some, and nobody writes between them.

    Lines that were cut short are passed over. Not the whole log is read: it grows with every publish.
    """
    found: list[Record] = []
    for line in backwards(log):
        try:
            record = parse_record(json.loads(line))
        except ValueError:
            continue
        if record not in records:
            break
        found.append(record)
    return found


def backwards(path: Path, block: int = 8192) -> Iterator[bytes]:
    """Yield a file's lines from its last to its first, read a block at a time; none when there is no file."""
    with suppress(FileNotFoundError), path.open("rb") as stream:
        end, rest = stream.seek(0, os.SEEK_END), b""
        while end:
            start = max(0, end - block)
            stream.seek(start)
            rest, *lines = (stream.read(end - start) + rest).split(b"\n")
            yield from reversed(lines)
            end = start
        yield rest


def read_log(repository: Repository, suites: Iterable[str] = ()) -> list[Record]:
    """Return the moves that this machine made, the oldest first; a line that was cut short is passed over."""
    wanted = set(suites)
    found = []
    with suppress(FileNotFoundError), _log(repository).open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            with suppress(ValueError):
                found.append(parse_record(json.loads(line)))
    return [record for record in found if not wanted or record.suite in wanted]


def read_store(repository: Repository, suites: Iterable[str]) -> list[Record]:
    """Return the moves that anybody made, from the store, the oldest first; what is no record is passed over."""
    store = repository.layout.store
    found = []
    for suite in suites:
        for name in store.names(f"audit/{suite}"):
            with suppress(ValueError):
                found.append(parse_record(json.loads(store.read(name) or b"null")))
    return sorted(found, key=lambda record: (record.at, record.suite, record.generation))


def _log(repository: Repository) -> Path:
    return repository.layout.root / "audit.jsonl"


def _append(log: Path, line: str) -> None:
    """Append a whole line, after a newline of its own when the last one was cut short, and make it durable."""
    with log.open("ab+") as stream:
        cut = False
        if stream.tell():
            stream.seek(-1, os.SEEK_END)
            cut = stream.read(1) != b"\n"
        stream.write((b"\n" if cut else b"") + line.encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
