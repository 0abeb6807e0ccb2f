"""The pieces of indices that were compressed once: an SQLite file beside the catalog, a cache that may vanish at any time.

A piece is what one chunk contributes to one index; beside them lie the paths in each package, for Contents. Nothing in it is
synced: when a power cut or a bad disk damages it, SQLite says so or the client refuses the staged tree, the file is thrown
away, and the next publish compresses anew. A writer that is killed damages nothing: its journal is a file, and rolled back.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kubedeb.errors import ExitCode, KubedebError
from kubedeb.records import frozen
from repo.compression import FORMS

SCHEMA = """
CREATE TABLE IF NOT EXISTS piece (
    chunk TEXT NOT NULL, place TEXT NOT NULL, form TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (chunk, place, form)
) STRICT;
CREATE TABLE IF NOT EXISTS paths (sha256 TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT;
"""
# So many chunks are in memory at once while they are compressed.
BATCH = 64


@frozen
class Pieces:
    """The open cache. `place` is a path below a suite's folder; the form of the plain text is empty."""

    connection: sqlite3.Connection

    def complete(self, place: str, chunks: Sequence[str], forms: Sequence[str], text: Callable[[str], bytes]) -> None:
        """Make the pieces of `chunks` that are not there, on every core: `text` gives what a chunk contributes."""
        wanted = len(forms) + 1
        rows = self.connection.execute(
            f"SELECT chunk FROM piece WHERE place = ? AND form IN ({','.join('?' * wanted)})"  # noqa: S608
            " GROUP BY chunk HAVING count(*) = ?",
            (place, "", *forms, wanted),
        )
        known = {row[0] for row in rows}
        missing = [chunk for chunk in chunks if chunk not in known]
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            texts = [text(chunk) for chunk in batch]
            self._keep(place, "", zip(batch, texts, strict=True))
            for form in forms:
                self._keep(place, form, zip(batch, _packed(FORMS[form].pack, texts), strict=True))
            self.connection.commit()

    def _keep(self, place: str, form: str, pieces: Iterable[tuple[str, bytes]]) -> None:
        rows = [(chunk, place, form, data) for chunk, data in pieces]
        self.connection.executemany("INSERT OR REPLACE INTO piece VALUES (?, ?, ?, ?)", rows)

    def read(self, place: str, chunks: Iterable[str], form: str) -> Iterator[bytes]:
        """Yield the pieces of `chunks` in their order, without those that contribute nothing."""
        self.connection.execute("DELETE FROM wanted")
        self.connection.executemany("INSERT INTO wanted (chunk) VALUES (?)", [(chunk,) for chunk in chunks])
        # Cross: in this order, so that nothing is sorted.
        rows = self.connection.execute(
            "SELECT data FROM wanted CROSS JOIN piece USING (chunk) WHERE place = ? AND form = ? ORDER BY number", (place, form)
        )
        for (data,) in rows:
            if data:
                yield data

    def paths(self, sha256: str) -> str | None:
        """Return the paths in a package, None when they are not known yet."""
        row = self.connection.execute("SELECT data FROM paths WHERE sha256 = ?", (sha256,)).fetchone()
        return None if row is None else zlib.decompress(row[0]).decode(errors="surrogateescape")

    def keep_paths(self, sha256: str, paths: str) -> None:
        """Remember the paths in a package."""
        data = zlib.compress(paths.encode(errors="surrogateescape"))
        self.connection.execute("INSERT OR REPLACE INTO paths VALUES (?, ?)", (sha256, data))

    def keep_only_paths(self, packages: Iterable[str]) -> None:
        """Forget the paths in all packages but these."""
        self._keep_only("paths", "sha256", packages)

    def keep_only(self, chunks: Iterable[str]) -> None:
        """Forget the pieces of all chunks but these."""
        self._keep_only("piece", "chunk", chunks)

    def _keep_only(self, table: str, column: str, values: Iterable[str]) -> None:
        self.connection.execute("CREATE TEMP TABLE kept (value TEXT PRIMARY KEY)")
        self.connection.executemany("INSERT OR IGNORE INTO kept VALUES (?)", [(value,) for value in values])
        self.connection.execute(f"DELETE FROM {table} WHERE {column} NOT IN (SELECT value FROM kept)")  # noqa: S608
        self.connection.execute("DROP TABLE kept")
        self.connection.commit()


def _packed(pack: Callable[[bytes], bytes], texts: Sequence[bytes]) -> list[bytes]:
    """Return each text compressed; an empty one contributes nothing."""

    def one(text: bytes) -> bytes:
        return pack(text) if text else b""

    if len(texts) < 4:
        return [one(text) for text in texts]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, texts))


@contextmanager
def open_pieces(path: Path) -> Iterator[Pieces]:
    """Open the cache; one that cannot be read is replaced by an empty one.

    Raises `KubedebError` (REPOSITORY) when the damage shows later; the file is gone then.
    """
    try:
        connection = _connect(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        path.unlink()
        connection = _connect(path)
    try:
        yield Pieces(connection)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        path.unlink(missing_ok=True)
        raise KubedebError(
            "the cache of compressed indices was damaged, and is removed", details=f"{path}: {error}",
            hint="Run the same command again: what it held is compressed anew.", code=ExitCode.REPOSITORY,
        ) from error  # fmt: skip
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10)
    try:
        # One process uses it at a time, which need not lock it anew for every question.
        connection.executescript(
            "PRAGMA page_size = 16384; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;"
            f" PRAGMA journal_mode = PERSIST; PRAGMA temp_store = MEMORY; {SCHEMA}"
            " CREATE TEMP TABLE wanted (number INTEGER PRIMARY KEY, chunk TEXT NOT NULL);"
        )
    except BaseException:
        connection.close()
        raise
    return connection
