"""The catalog: an SQLite file with what is in the pool and what the drafts will change.

Only the drafts are its own; packages are a cache of the pool, read again from there when the file was lost. Every write
happens under the repository's lock. The rollback journal is used, not WAL, so that a command that only reads writes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from kubedeb.errors import ExitCode, KubedebError
from repo.models import Action, Change, Key, Member, Package
from repo.snapshots import Load

SCHEMA_VERSION = 2
SCHEMA = """
CREATE TABLE package (
    sha256 TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    architecture TEXT NOT NULL,
    size INTEGER NOT NULL,
    stanza TEXT NOT NULL,
    published INTEGER NOT NULL DEFAULT 0,
    UNIQUE (name, version, architecture)
) STRICT;
CREATE TABLE draft (
    suite TEXT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES package,
    action TEXT NOT NULL CHECK (action IN ('add', 'remove')),
    PRIMARY KEY (suite, sha256)
) STRICT;
CREATE INDEX published_name ON package (published, name);
CREATE TABLE known (chunk TEXT PRIMARY KEY) STRICT;
CREATE TABLE settled (suite TEXT PRIMARY KEY, generation INTEGER NOT NULL) STRICT;
"""
TRUSTED = "CREATE TABLE IF NOT EXISTS trusted (suite TEXT PRIMARY KEY, seal TEXT NOT NULL) STRICT"
PACKAGE = "name, version, architecture, sha256, size, stanza"


class Catalog:
    """The open catalog."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make all changes of the block durable at its end, at the price of one; also when it ends by an error.

        Each change by itself is whole. One that a killed process made is lost with all others of the block.
        """
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    @contextmanager
    def _whole(self) -> Iterator[None]:
        self._connection.execute("SAVEPOINT change")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO change")
            raise
        finally:
            self._connection.execute("RELEASE change")

    def same(self, name: str, version: str, architecture: str) -> Package | None:
        """Return the package of that name, version and architecture."""
        row = self._connection.execute(
            f"SELECT {PACKAGE} FROM package WHERE name = ? AND version = ? AND architecture = ?",  # noqa: S608
            (name, version, architecture),
        ).fetchone()
        return Package(*row) if row else None

    def every(self) -> Iterator[tuple[Package, bool]]:
        """Yield every package that the repository remembers, and whether it was ever published."""
        for *row, published in self._connection.execute(f"SELECT {PACKAGE}, published FROM package ORDER BY sha256"):  # noqa: S608
            yield Package(*row), bool(published)

    def was_published(self, sha256: str) -> bool:
        """Return whether a package with these bytes was published before."""
        return (
            self._connection.execute("SELECT 1 FROM package WHERE sha256 = ? AND published", (sha256,)).fetchone() is not None
        )

    def knows_nothing(self) -> bool:
        """Return whether no chunk has ever been learned: the catalog is new, or was lost."""
        return self._connection.execute("SELECT 1 FROM known LIMIT 1").fetchone() is None

    def learn(self, chunks: Iterable[str], load: Load, *, lenient: bool = False) -> None:
        """Learn the packages of published chunks that are not known yet, in one transaction.

        `lenient` passes over chunks that cannot be read.
        """
        wanted = dict.fromkeys(chunks)
        known = {row[0] for row in self._connection.execute("SELECT chunk FROM known")}
        with self._whole():
            for chunk in wanted:
                if chunk in known:
                    continue
                try:
                    rows = load(chunk)
                except KubedebError:
                    if not lenient:
                        raise
                    continue
                self._learn(rows, published=True)
                self._connection.execute("INSERT INTO known VALUES (?)", (chunk,))

    def has_published(self, name: str) -> bool:
        """Return whether a package of this name has ever been published."""
        row = self._connection.execute("SELECT 1 FROM package WHERE published = 1 AND name = ? LIMIT 1", (name,)).fetchone()
        return row is not None

    def trust(self, suite: str, seal: str) -> None:
        """Remember by its seal what a suite serves: its signature was checked or made here, and its packages are known."""
        self._connection.execute(
            "INSERT INTO trusted VALUES (?, ?) ON CONFLICT DO UPDATE SET seal = excluded.seal WHERE seal != excluded.seal",
            (suite, seal),
        )

    def published_names(self) -> list[str]:
        """Return the names of all packages that have ever been published, sorted."""
        rows = self._connection.execute("SELECT DISTINCT name FROM package WHERE published ORDER BY name")
        return [row[0] for row in rows]

    def draft(self, suite: str, only: Action | None = None) -> tuple[Change, ...]:
        """Return the changes that the next publish of a suite makes, all or those of one kind."""
        rows = self._connection.execute(
            "SELECT action, name, version, architecture, sha256 FROM draft JOIN package USING (sha256)"
            " WHERE suite = ? AND action LIKE ? ORDER BY name, version, architecture",
            (suite, only.value if only else "%"),
        )
        return tuple(Change(Action(action), Member(*row)) for action, *row in rows)

    def changes(self, suite: str) -> tuple[set[Key], list[Package]]:
        """Return what a suite's draft removes and what it adds, with stanzas."""
        return {change.member.key for change in self.draft(suite, Action.REMOVE)}, list(self.coming(suite))

    def coming(self, suite: str) -> Iterator[Package]:
        """Yield what a suite's draft adds, with stanzas, by name."""
        rows = self._connection.execute(
            f"SELECT {PACKAGE} FROM draft JOIN package USING (sha256) WHERE suite = ? AND action = 'add'"  # noqa: S608
            " ORDER BY name, version, architecture",
            (suite,),
        )
        return (Package(*row) for row in rows)

    def add(self, suite: str, packages: Iterable[Package], drafted: Iterable[Package]) -> None:
        """Learn packages, and put `drafted` of them into a suite's draft; all or nothing."""
        with self._whole():
            self._learn(packages, published=False)
            self._connection.executemany(
                "INSERT INTO draft VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET action = excluded.action",
                [(suite, package.sha256, Action.ADD.value) for package in drafted],
            )

    def remove(self, suite: str, leaving: Iterable[Member], withdrawn: Iterable[Member]) -> None:
        """Let `leaving` leave a suite with its next publish, and take `withdrawn` out of its draft; all or nothing.

        What was never published and is in no draft any more is forgotten: it may come back with other bytes.
        """
        with self._whole():
            self._connection.executemany(
                "INSERT INTO draft SELECT ?, sha256, ? FROM package WHERE name = ? AND version = ? AND architecture = ?"
                " ON CONFLICT DO UPDATE SET action = excluded.action",
                [(suite, Action.REMOVE.value, *member.key) for member in leaving],
            )
            digests = [member.sha256 for member in withdrawn]
            self._connection.executemany("DELETE FROM draft WHERE suite = ? AND sha256 = ?", [(suite, d) for d in digests])
            self._connection.executemany(
                "DELETE FROM package WHERE sha256 = ? AND published = 0 AND sha256 NOT IN (SELECT sha256 FROM draft)",
                [(digest,) for digest in digests],
            )

    def _learn(self, packages: Iterable[Package], *, published: bool) -> None:
        self._connection.executemany(
            f"INSERT INTO package ({PACKAGE}, published) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET"  # noqa: S608
            " published = max(published, excluded.published),"
            # What somebody adds now may have more beside it than what was published.
            " stanza = iif(excluded.published, stanza, excluded.stanza) ON CONFLICT DO NOTHING",
            ((p.name, p.version, p.architecture, p.sha256, p.size, p.stanza, int(published)) for p in packages),
        )

    def published(self, suite: str, generation: int, chunks: Iterable[str], done: Iterable[str]) -> None:
        """Take what is `done` (sha256) out of a suite's draft: it is published, in these chunks, and all that follows is done.

        What a generation that was not made from the draft leaves open waits on.
        """
        rows = [(suite, digest) for digest in done]
        with self._whole():
            self._connection.executemany(
                # By its key: asked for what is not published, SQLite would read all that is not for each row.
                "UPDATE package SET published = 1 WHERE sha256 = ?2 AND EXISTS"
                " (SELECT 1 FROM draft WHERE suite = ?1 AND sha256 = ?2 AND action = 'add')",
                rows,
            )
            self._connection.executemany("DELETE FROM draft WHERE suite = ? AND sha256 = ?", rows)
            self._connection.executemany("INSERT OR IGNORE INTO known VALUES (?)", [(chunk,) for chunk in chunks])
            self._connection.execute(
                "INSERT INTO settled VALUES (?, ?) ON CONFLICT DO UPDATE SET generation = excluded.generation",
                (suite, generation),
            )

    def settled(self, suite: str) -> int:
        """Return the newest generation of a suite after which nothing was left to do, 0 for none."""
        row = self._connection.execute("SELECT generation FROM settled WHERE suite = ?", (suite,)).fetchone()
        return row[0] if row else 0


def trusted(path: Path) -> frozenset[str]:
    """Return the seals that a catalog remembers, none when it cannot be read: then signatures are checked."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=10)) as connection:
            return frozenset(row[0] for row in connection.execute("SELECT seal FROM trusted"))
    except sqlite3.Error:
        return frozenset()


@contextmanager
def open_catalog(path: Path) -> Iterator[Catalog]:
    """Open the catalog, made empty where there is none.

    Raises `KubedebError`: REPOSITORY_STORAGE when the disk is full or read-only, REPOSITORY when the file is damaged.
    """
    try:
        # Without an isolation level the module begins no transaction of its own.
        connection = sqlite3.connect(path, timeout=10, isolation_level=None)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            _prepare(connection, path)
            yield Catalog(connection)
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        raise KubedebError(
            "cannot write the repository's catalog", details=f"{path}: {error}",
            hint="Make room or mend the rights, then run the same command again.", code=ExitCode.REPOSITORY_STORAGE,
        ) from error  # fmt: skip
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    elif version != SCHEMA_VERSION:
        raise _damaged(path, f"its schema is {version}, this kubedeb knows {SCHEMA_VERSION}")
    connection.execute(TRUSTED)


def _damaged(path: Path, why: str) -> KubedebError:
    return KubedebError(
        "the repository's catalog cannot be read", details=f"{path}: {why}",
        hint="What is published is not touched by this. Move the file away and publish again: the catalog is read back\n"
        "from the published tree; packages that were added and not published must be added again.",
        code=ExitCode.REPOSITORY,
    )  # fmt: skip
