from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repo.audit import Record, backwards, note, read_log
from repo.models import Identity
from repo.place import Layout, Repository


def record(suite: str, generation: int, reason: str = "") -> Record:
    return Record(suite, generation, "b", generation - 1, "a", 1, 0, "publish", "", reason, "ann@host", 1)


def repository(folder: Path) -> Repository:
    layout = Layout(folder)
    layout.public.mkdir()
    layout.staging.mkdir()
    return Repository(layout, Identity("Example", "Example", "http://apt", "F" * 40, ()))


@given(st.lists(st.binary(max_size=30)).map(b"\n".join), st.integers(1, 40))
def test_lines_come_from_the_last_to_the_first(tmp_path_factory: pytest.TempPathFactory, data: bytes, block: int) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    path.write_bytes(data)
    assert list(backwards(path, block)) == data.split(b"\n")[::-1]


def test_a_set_is_written_down_once_though_its_writer_was_killed_between(tmp_path: Path) -> None:
    made = repository(tmp_path)
    older, first, second = record("a", 1), record("a", 2, "x" * 20_000), record("b", 1)
    note(made, [older])
    note(made, [first])
    with (tmp_path / "audit.jsonl").open("a") as log:
        log.write('{"suite": "b", "gener')
    note(made, [first, second])
    note(made, [first, second])
    assert read_log(made) == [older, first, second]


def test_of_a_long_log_the_end_is_read(tmp_path: Path) -> None:
    made = repository(tmp_path)
    note(made, [record("a", 1)])
    log = tmp_path / "audit.jsonl"
    # What stands before others is not looked for.
    log.write_text(log.read_text() + log.read_text().replace('"a"', '"c"') * 100)
    note(made, [record("a", 1)])
    assert [one.suite for one in read_log(made)] == ["a", *"c" * 100, "a"]
