"""The journal: its transitions, what it keeps, and what it says when its file is damaged."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import pytest

from kubedeb.errors import ExitCode, KubedebError
from upgrade_plans.executor.journal import ACT_TRANSITIONS, TRANSITIONS, Backup, Journal, Run, RunStatus
from upgrade_plans.executor.program import Position
from upgrade_plans.models.plan import Act
from upgrade_plans.models.state import Direction, Progress

RUN = Run("r", "c", "id", "sha", 1.0, RunStatus.STOPPED, "made", Position(), 0, 1, "host", None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Journal.create(tmp_path / "journal.sqlite", RUN)
    return tmp_path / "journal.sqlite"


def test_what_is_written_is_read_by_the_next_executor(path: Path) -> None:
    position = Position(Direction.FORWARD, 2, 1)
    backup = Backup(0, "n1", "/b", 9, "f" * 64, 7, (3, 4), "/copy", 2.0)
    journal = Journal(path)
    assert journal.run() == RUN
    journal.take_over(3, 42, "elsewhere", 2.0)
    journal.move(position, 3.0)
    journal.record(position, Act.INSTALL, {"n1": Progress.ISSUED, "n2": Progress.DONE}, 4.0)
    journal.keep(backup, 5.0)
    journal.close()
    journal = Journal(path)
    run = journal.run()
    assert (run.position, run.token, run.pid, run.status) == (position, 3, 42, RunStatus.RUNNING)
    assert {taken.node: (taken.state, taken.issued) for taken in journal.acts(position)} == {
        "n1": (Progress.ISSUED, 4.0), "n2": (Progress.DONE, None),
    }  # fmt: skip
    assert journal.backups() == (backup,)
    assert [event["what"] for event in journal.events()] == ["status", "take-over", "move", "act", "backup"]
    journal.take_over(4, 43, "here", 6.0)
    assert {taken.node: taken.state for taken in journal.acts()} == {"n1": Progress.UNKNOWN, "n2": Progress.DONE}
    journal.close()


@pytest.mark.parametrize(("was", "to"), list(product(RunStatus, RunStatus)))
def test_run_transitions(tmp_path: Path, was: RunStatus, to: RunStatus) -> None:
    Journal.create(tmp_path / "j", Run(**{**vars(RUN), "status": was}))
    journal = Journal(tmp_path / "j")
    if to in TRANSITIONS[was]:
        journal.turn(to, "why", 2.0)
        assert journal.run().status is to
    else:
        with pytest.raises(ValueError, match="cannot become"):
            journal.turn(to, "why", 2.0)
        assert journal.run().status is was
    journal.close()


@pytest.mark.parametrize(("was", "to"), list(product(ACT_TRANSITIONS, Progress)))
def test_act_transitions(path: Path, was: Progress | None, to: Progress) -> None:
    journal, position = Journal(path), Position()
    for state in {Progress.UNKNOWN: [Progress.ISSUED, Progress.UNKNOWN]}.get(was, [was] if was else []):  # type: ignore[arg-type]
        if state is not Progress.STOPPED:
            journal.record(position, Act.INSTALL, {"n": state}, 1.0)
    if was is not Progress.STOPPED and to in ACT_TRANSITIONS[was]:
        journal.record(position, Act.INSTALL, {"n": to}, 2.0)
        assert journal.acts(position)[0].state is to
    elif was is not Progress.STOPPED:
        with pytest.raises(ValueError, match="cannot become"):
            journal.record(position, Act.INSTALL, {"n": to}, 2.0)
    journal.close()


def test_a_missing_file_is_a_journal_error(tmp_path: Path) -> None:
    with pytest.raises(KubedebError) as error:
        Journal(tmp_path / "none")
    assert error.value.code is ExitCode.JOURNAL


@pytest.mark.parametrize("damage", ["text", "page", "empty"])
def test_a_damaged_file_is_a_journal_error(path: Path, damage: str) -> None:
    data = path.read_bytes()
    whole = {
        "text": b"not a database, but long enough to look at" * 100,
        "page": data[:4096] + os.urandom(len(data) - 4096),
        "empty": b"",
    }
    path.write_bytes(whole[damage])
    with pytest.raises(KubedebError) as error:
        Journal(path).events()
    assert error.value.code is ExitCode.JOURNAL
    assert "kubedeb inspect" in error.value.hint


def test_a_full_disk_is_a_journal_error_and_the_intent_is_not_written(path: Path) -> None:
    journal = Journal(path)
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    written = 0

    def fill() -> None:
        nonlocal written
        while True:
            journal.record(Position(step=written), Act.SAVE, {"n": Progress.ISSUED}, 1.0, "x" * 1000)
            written += 1

    with pytest.raises(KubedebError) as error:
        fill()
    assert error.value.code is ExitCode.JOURNAL
    assert "full" in error.value.details
    assert len(journal.acts()) == written
    journal.close()
