"""The journal of a run: intent before each act, outcome after it, in one SQLite file that survives a kill and a power cut.

It says what was tried. What is so is read from the world: docs/semantics.md, transition Z.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from kubedeb.errors import ExitCode, KubedebError
from upgrade_plans.executor.program import Position
from upgrade_plans.models.plan import Act
from upgrade_plans.models.state import Direction, Line, Progress

VERSION = 1
SCHEMA = """
CREATE TABLE run (
  id TEXT PRIMARY KEY, cluster TEXT NOT NULL, cluster_id TEXT NOT NULL, plan_sha256 TEXT NOT NULL, created REAL NOT NULL,
  status TEXT NOT NULL, reason TEXT NOT NULL, direction TEXT NOT NULL, step INTEGER NOT NULL, act INTEGER NOT NULL,
  token INTEGER NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL, ended REAL);
CREATE TABLE acts (
  direction TEXT NOT NULL, step INTEGER NOT NULL, act INTEGER NOT NULL, node TEXT NOT NULL, name TEXT NOT NULL,
  state TEXT NOT NULL, issued REAL, ended REAL, detail TEXT NOT NULL, PRIMARY KEY (direction, step, act, node));
CREATE TABLE backups (
  step INTEGER PRIMARY KEY, node TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
  revision INTEGER NOT NULL, line TEXT NOT NULL, copy TEXT NOT NULL, saved REAL NOT NULL, proven REAL, keys INTEGER);
CREATE TABLE events (seq INTEGER PRIMARY KEY, at REAL NOT NULL, token INTEGER NOT NULL, what TEXT NOT NULL, data TEXT NOT NULL);
"""


class RunStatus(StrEnum):
    """What a run is doing."""

    RUNNING = "running"
    """An executor works on it, or died while it did."""
    STOPPED = "stopped"
    """It can be resumed or, where the way back is open, rolled back."""
    DONE = "done"
    ROLLED_BACK = "rolled-back"


TRANSITIONS: Mapping[RunStatus, frozenset[RunStatus]] = {
    RunStatus.RUNNING: frozenset(RunStatus),
    RunStatus.STOPPED: frozenset({RunStatus.RUNNING}),
    RunStatus.DONE: frozenset(),
    RunStatus.ROLLED_BACK: frozenset(),
}
"""From each status the ones that may follow; RUNNING follows itself when an executor takes over from a dead one."""

ACT_TRANSITIONS: Mapping[Progress | None, frozenset[Progress]] = {
    None: frozenset({Progress.ISSUED, Progress.DONE}),
    Progress.ISSUED: frozenset({Progress.UNKNOWN, Progress.DONE}),
    Progress.UNKNOWN: frozenset({Progress.ISSUED, Progress.DONE}),
    Progress.DONE: frozenset(),
    Progress.STOPPED: frozenset(),
}
"""From each state of an act on a node (None: nothing yet) the ones that may follow. STOPPED is the model's, not ours."""


@dataclass(frozen=True)
class Run:
    """A run's row; `created` and `ended` in seconds since the epoch."""

    id: str
    cluster: str
    cluster_id: str
    plan_sha256: str
    created: float
    status: RunStatus
    reason: str
    position: Position
    token: int
    pid: int
    host: str
    ended: float | None


@dataclass(frozen=True)
class Taken:
    """An act on a node as the journal knows it."""

    direction: Direction
    step: int
    act: int
    node: str
    name: Act
    state: Progress
    issued: float | None
    ended: float | None
    detail: str


@dataclass(frozen=True)
class Backup:
    """A backup of the store: where it lies on the node and at the operator's, and when it was proven, if it was.

    `line` is the cluster version's line when it was saved; `keys` how many keys were compared.
    """

    step: int
    node: str
    path: str
    size: int
    sha256: str
    revision: int
    line: Line
    copy: str
    saved: float
    proven: float | None = None
    keys: int | None = None


class Journal:
    """An open journal. Every method raises `KubedebError` (JOURNAL) when the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise _broken(path, "there is no such file")
        with self._guarded():
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=10)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA synchronous = FULL")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            damage = [row[0] for row in self._connection.execute("PRAGMA quick_check") if row[0] != "ok"]
        if damage or version != VERSION:
            self.close()
            raise _broken(path, "\n".join(damage) or f"it is of format {version}, this kubedeb knows {VERSION}")

    @classmethod
    def create(cls, path: Path, run: Run) -> None:
        """Make a new journal with one run in it."""
        try:
            connection = sqlite3.connect(path, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
                connection.execute(
                    "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (run.id, run.cluster, run.cluster_id, run.plan_sha256, run.created, run.status, run.reason,
                     run.position.direction, run.position.step, run.position.act, run.token, run.pid, run.host, run.ended),
                )  # fmt: skip
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise _broken(path, str(error)) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def run(self) -> Run:
        """Return the run."""
        with self._guarded():
            row = dict(self._connection.execute("SELECT * FROM run").fetchone())
        position = Position(Direction(row.pop("direction")), row.pop("step"), row.pop("act"))
        return Run(**{**row, "status": RunStatus(row["status"]), "position": position})

    def turn(self, status: RunStatus, reason: str, now: float) -> None:
        """Change the run's status. Raises `ValueError` for a transition that is not in the table."""
        was = self.run().status
        if status not in TRANSITIONS[was]:
            raise ValueError(f"a run that is {was} cannot become {status}")
        ended = None if status is RunStatus.RUNNING else now
        with self._writing("status", now, status=status, reason=reason):
            self._connection.execute("UPDATE run SET status = ?, reason = ?, ended = ?", (status, reason, ended))

    def take_over(self, token: int, pid: int, host: str, now: float) -> None:
        """Say that an executor begins to work on the run; what was issued by the last one is unknown."""
        self.turn(RunStatus.RUNNING, "", now)
        with self._writing("take-over", now, token=token, pid=pid, host=host):
            self._connection.execute("UPDATE run SET token = ?, pid = ?, host = ?", (token, pid, host))
            self._connection.execute("UPDATE acts SET state = ? WHERE state = ?", (Progress.UNKNOWN, Progress.ISSUED))

    def move(self, position: Position, now: float) -> None:
        """Go to another position of the program."""
        with self._writing("move", now, direction=position.direction, step=position.step, act=position.act):
            self._connection.execute(
                "UPDATE run SET direction = ?, step = ?, act = ?", (position.direction, position.step, position.act)
            )

    def acts(self, position: Position | None = None) -> tuple[Taken, ...]:
        """Return the acts at a position, else all, in the order they were first issued."""
        where, values = ("", ()) if position is None else (
            "WHERE direction = ? AND step = ? AND act = ?", (position.direction, position.step, position.act)
        )  # fmt: skip
        with self._guarded():
            rows = self._connection.execute(f"SELECT * FROM acts {where} ORDER BY rowid", values).fetchall()  # noqa: S608 - constant
        return tuple(_taken(row) for row in rows)

    def record(self, position: Position, name: Act, states: Mapping[str, Progress], now: float, detail: str = "") -> None:
        """Record new states of an act by node, at once. Raises `ValueError` for a transition that is not in the table."""
        before = {taken.node: taken for taken in self.acts(position)}
        for node, state in states.items():
            was = before[node].state if node in before else None
            if state not in ACT_TRANSITIONS[was]:
                raise ValueError(f"{name} on {node} is {was}: it cannot become {state}")
        with self._writing("act", now, name=name, states=states, step=position.step, detail=detail):
            for node, state in states.items():
                issued = now if state is Progress.ISSUED else before[node].issued if node in before else None
                ended = None if state is Progress.ISSUED else now
                self._connection.execute(
                    "INSERT OR REPLACE INTO acts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (position.direction, position.step, position.act, node, name, state, issued, ended, detail),
                )

    def backups(self) -> tuple[Backup, ...]:
        """Return the backups, the newest last."""
        with self._guarded():
            rows = [dict(row) for row in self._connection.execute("SELECT * FROM backups ORDER BY saved, step")]
        return tuple(Backup(**{**row, "line": tuple(json.loads(row["line"]))}) for row in rows)

    def keep(self, backup: Backup, now: float) -> None:
        """Record a backup; one of the same step is replaced."""
        with self._writing("backup", now, step=backup.step, path=backup.path, sha256=backup.sha256, proven=backup.proven):
            self._connection.execute(
                "INSERT OR REPLACE INTO backups VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (backup.step, backup.node, backup.path, backup.size, backup.sha256, backup.revision, json.dumps(backup.line),
                 backup.copy, backup.saved, backup.proven, backup.keys),
            )  # fmt: skip

    def events(self) -> tuple[dict[str, Any], ...]:
        """Return everything that was ever recorded, in its order."""
        with self._guarded():
            rows = self._connection.execute("SELECT * FROM events ORDER BY seq").fetchall()
        return tuple({**dict(row), "data": json.loads(row["data"])} for row in rows)

    @contextmanager
    def _writing(self, what: str, now: float, **data: object) -> Iterator[None]:
        """Write what the block writes and an event, both or neither, on the disk when this returns."""
        with self._guarded():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute(
                    "INSERT INTO events (at, token, what, data) VALUES (?, (SELECT token FROM run), ?, ?)",
                    (now, what, json.dumps(data, default=dict)),
                )
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _broken(self.path, str(error)) from error


def _taken(row: sqlite3.Row) -> Taken:
    return Taken(Direction(row["direction"]), row["step"], row["act"], row["node"], Act(row["name"]), Progress(row["state"]),
                 row["issued"], row["ended"], row["detail"])  # fmt: skip


def _broken(path: Path, why: str) -> KubedebError:
    return KubedebError(
        f"the journal {path} cannot be read or written", details=why, code=ExitCode.JOURNAL,
        hint="Make room or mend the rights, then `kubedeb resume`. If it is damaged, read the cluster again (kubedeb inspect)\n"
             "and plan from what is there: a plan may begin at any half-done state.",
    )  # fmt: skip
