import sqlite3
from pathlib import Path

import pytest

from kubedeb.errors import KubedebError
from repo.pieces import open_pieces

CHUNKS = [f"{number:064x}" for number in range(200)]


def fill(path: Path) -> None:
    with open_pieces(path) as pieces:
        pieces.complete("main/Packages", CHUNKS, [".gz"], lambda chunk: chunk.encode() * 40)


def test_what_is_kept_comes_back_in_order(tmp_path: Path) -> None:
    fill(tmp_path / "chunks.sqlite")
    with open_pieces(tmp_path / "chunks.sqlite") as pieces:
        assert list(pieces.read("main/Packages", CHUNKS[::-1], "")) == [chunk.encode() * 40 for chunk in CHUNKS[::-1]]


def test_a_killed_writer_leaves_a_journal_that_is_a_file(tmp_path: Path) -> None:
    # In memory it would be lost with the writer, and the file be damaged: https://sqlite.org/pragma.html#pragma_journal_mode
    with open_pieces(tmp_path / "chunks.sqlite") as pieces:
        assert pieces.connection.execute("PRAGMA journal_mode").fetchone() == ("persist",)


def test_damage_that_shows_later_is_told_and_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "chunks.sqlite"
    fill(path)
    data = bytearray(path.read_bytes())
    data[16384 * 2 :] = b"\xff" * (len(data) - 16384 * 2)
    path.write_bytes(data)
    with pytest.raises(KubedebError, match="is removed"), open_pieces(path) as pieces:
        list(pieces.read("main/Packages", CHUNKS, ".gz"))
    assert not path.exists()
    fill(path)
    with open_pieces(path) as pieces:
        assert isinstance(pieces.connection, sqlite3.Connection)
        assert len(list(pieces.read("main/Packages", CHUNKS, ".gz"))) == len(CHUNKS)
