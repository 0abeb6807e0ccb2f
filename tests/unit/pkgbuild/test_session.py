"""What dead runs left is swept when nobody else works in the store, and by nobody before."""

from __future__ import annotations

from pathlib import Path

from pkgbuild.session import is_dead, locked_within, session, sweep

LEFT = [
    "builds/.0123456789ab.x/result.json", "tmp/.apt-x/sources.list", "tmp/.base-y/root.tar", ".check-z/x.deb", ".farm-z/x.deb",
    "bases/.root.tar.zst.q.part", "checked/.d.json.q.part", "bases/locks/.d.json.q.part", "layers/locks/.d.json.q.part",
    "locks/run-dead",
]  # fmt: skip
KEPT = [
    "builds/0123456789ab/result.json", "bases/bookworm-amd64.json", "bases/locks/d.json", "logs/x.log", "checked/d.json",
    "locks/store", "locks/0123456789ab.lock", "roots-0/base-x/etc/.somebodys.part",
]  # fmt: skip


def fill(store: Path) -> None:
    for name in LEFT + KEPT:
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_text("x")


def files(store: Path) -> set[str]:
    return {path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file()}


def test_sweep_removes_what_only_a_live_run_needs(tmp_path: Path) -> None:
    fill(tmp_path)
    sweep(tmp_path)
    assert files(tmp_path) == set(KEPT)


def test_the_first_session_sweeps_and_a_second_one_leaves_all_alone(tmp_path: Path) -> None:
    fill(tmp_path)
    with session(tmp_path) as first:
        assert files(tmp_path) == {*KEPT, f"locks/{first.name}"}
        (tmp_path / "builds/.new").mkdir()
        with session(tmp_path) as second:
            assert (tmp_path / "builds/.new").exists()
            assert not is_dead(first)
            assert not is_dead(second)
        assert is_dead(second)
    with session(tmp_path):
        assert not (tmp_path / "builds/.new").exists()


def test_a_run_whose_file_nobody_locks_is_dead(tmp_path: Path) -> None:
    (tmp_path / "run-x").touch()
    assert is_dead(tmp_path / "run-x")


def test_who_waits_says_so_once_and_stops_when_told(tmp_path: Path) -> None:
    said: list[str] = []
    with (tmp_path / "lock").open("wb") as one, (tmp_path / "lock").open("wb") as two:
        assert locked_within(one, lambda: said.append("one"), lambda: False, seconds=1)
        assert not locked_within(two, lambda: said.append("two"), lambda: False, seconds=0.1)
        assert not locked_within(two, lambda: said.append("two"), lambda: True, seconds=60)
        assert said == ["two", "two"]
        one.close()
        assert locked_within(two, lambda: said.append("three"), lambda: False, seconds=1)
    assert said == ["two", "two"]
