import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repo import snapshots
from repo.models import Package
from repo.snapshots import Rows, Snapshot, apply, cut, difference, named, parse_rows, rows_of, rows_text, snapshot_of

TEXT = st.text(max_size=4)
# Few names, so that they meet; of four one begins a chunk.
NAMES = st.sampled_from([f"p{number}" for number in range(40)])
ROWS = st.builds(Package, NAMES, st.sampled_from("12"), st.sampled_from(["amd64", "all"]), st.sampled_from("ab"),
                 st.just(1), st.just("Package: p\n"))  # fmt: skip
SETS = st.frozensets(ROWS, max_size=60)


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshots, "NAMES", 4)
        yield


def row(name: str, version: str = "1", sha256: str = "a") -> Package:
    return Package(name, version, "amd64", sha256, 1, "Package: p\n")


@given(st.lists(st.builds(Package, TEXT, TEXT, TEXT, TEXT, st.integers(0, 9), TEXT), max_size=6))
def test_a_chunk_and_a_snapshot_read_back(rows: list[Package]) -> None:
    assert parse_rows(rows_text(rows)) == tuple(rows)
    # The digest of a chunk that was published must not change.
    lines = ",\n".join(json.dumps(list(row)) for row in rows)
    assert rows_text(rows) == f"[\n{lines}\n]\n".encode()
    snapshot, _ = snapshot_of(rows)
    assert Snapshot.parse(snapshot.text()) == snapshot
    assert snapshot_of(reversed(rows))[0].id == snapshot.id


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 2}', '{"format": 2, "chunks": [["a"]]}'])
def test_refuses_what_is_no_snapshot(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own messages are among them
        Snapshot.parse(text)


@pytest.mark.parametrize("data", [b"", b"[1]", b'[["a"]]', b"{}x"])
def test_refuses_what_is_no_chunk(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_rows(data)


@given(SETS, SETS, SETS)
def test_a_change_of_chunks_is_the_change_of_the_whole(
    base: frozenset[Package], leaving: frozenset[Package], added: frozenset[Package]
) -> None:
    before, chunks = snapshot_of(base)
    read: list[str] = []

    def load(digest: str) -> Rows:
        read.append(digest)
        return chunks[digest]

    keys = {row.key for row in leaving}
    wanted = {row for row in base if row.key not in keys} | added
    applied = apply(before, load, keys, added)
    assert applied.snapshot == snapshot_of(wanted)[0]
    everything = {**chunks, **applied.new}
    assert set(rows_of(everything.__getitem__, applied.snapshot)) == wanted
    assert set(applied.added) == {row.member for row in wanted} - {row.member for row in base}
    assert set(applied.removed) == {row.member for row in base} - {row.member for row in wanted}
    assert not applied.new.keys() & {chunk.sha256 for chunk in before.chunks}
    assert difference(before, applied.snapshot, everything.__getitem__) == (
        tuple(sorted(applied.added)), tuple(sorted(applied.removed)),
    )  # fmt: skip
    assert len(read) <= 2 * len({row.name for row in leaving | added})


def test_one_package_more_is_one_chunk_more() -> None:
    rows = [row(f"p{number:03}") for number in range(200)]
    before, chunks = snapshot_of(rows)
    assert len(before.chunks) > 20
    applied = apply(before, chunks.__getitem__, set(), [row("p100", "2")])
    assert len(applied.new) == 1
    assert sum(chunk in before.chunks for chunk in applied.snapshot.chunks) == len(before.chunks) - 1
    assert applied.snapshot.count == 201


def test_all_versions_of_a_name_are_in_one_chunk() -> None:
    rows = sorted(row(f"p{number:03}", version) for number in range(50) for version in "123")
    assert all(len([one for one in cut(rows) if any(r.name == name for r in one)]) == 1 for name in {r.name for r in rows})
    snapshot, chunks = snapshot_of(rows)
    assert [found.version for found in named(snapshot, chunks.__getitem__, "p007")] == ["1", "2", "3"]
    assert named(snapshot, chunks.__getitem__, "q") == named(Snapshot(), chunks.__getitem__, "p007") == ()


def test_a_removal_takes_every_content_of_the_version() -> None:
    base, chunks = snapshot_of([row("p", "1", "a"), row("p", "1", "b"), row("p", "2")])
    applied = apply(base, chunks.__getitem__, {("p", "1", "amd64")}, [])
    assert [member.version for member in applied.removed] == ["1", "1"]
    assert list(rows_of(applied.new.__getitem__, applied.snapshot)) == [row("p", "2")]
