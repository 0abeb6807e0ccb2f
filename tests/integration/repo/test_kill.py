"""Killed at any system call that writes, a move leaves the old or the new state, and the next run completes it."""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

import killing
from kubedeb.errors import ExitCode
from repo.keys import short_name_prefix
from repositories import VERSIONS, Made
from testseed import seed

NEWEST, MIDDLE, OLDEST = VERSIONS
ONE, ALL = [OLDEST], list(VERSIONS)


PARTS = 3
"""In so many tests a move is killed everywhere: each takes some minutes."""


@dataclass(frozen=True)
class Move:
    """Something that writes: how a copy of the template is made ready, the command, what clients of a suite see.

    The command run again must complete it, and must do no more than that when it is complete.
    """

    prepare: Callable[[Made], None]
    command: tuple[str, ...]
    suite: str
    before: list[str]
    after: list[str]
    samples: int
    """How many points CI kills it at, besides the renames around the moment of going live."""


def with_production(made: Made) -> None:
    assert made.repo("init", "--origin", "kubedeb", "--suite", "production") == 0
    assert made.repo("publish", "bookworm") == 0
    assert made.repo("publish", "production", "bookworm@1") == 0


def with_rubbish(made: Made) -> None:
    """Let three generations go by of which nobody needs the indices any more, and packages that nothing needs."""
    assert made.repo("init", "--origin", "kubedeb", "--keep-generations", "2") == 0
    assert made.repo("publish", "bookworm") == 0
    assert made.repo("remove", "-s", "bookworm", "--publish", f"etcd-server={NEWEST}") == 0
    assert made.repo("remove", "-s", "bookworm", "--publish", f"etcd-server={MIDDLE}") == 0
    path = made.root / "repository.json"
    identity = json.loads(path.read_text())
    identity["suites"][0]["options"]["retention"] = 0
    path.write_text(json.dumps(identity))
    # Generations are a second apart at least, so the newest may be dated ahead of the clock, and its elders are not old yet.
    ahead = (made.public / "dists/bookworm/InRelease").stat().st_mtime - time.time()
    time.sleep(max(0.0, min(ahead, 10.0) + 0.1))


MOVES = {
    "publish": Move(lambda _: None, ("publish", "bookworm"), "bookworm", ONE, ALL, 5),
    "promote": Move(with_production, ("promote", "bookworm", "production", "--yes"), "production", ONE, ALL, 3),
    "rollback": Move(with_production, ("rollback", "bookworm", "--to", "1", "--yes"), "bookworm", ALL, ONE, 3),
    "gc": Move(with_rubbish, ("gc",), "bookworm", ONE, ONE, 4),
}


def tree(made: Made) -> set[str]:
    return {str(path.relative_to(made.public)) for path in made.public.rglob("*") if path.is_file()}


def check(made: Made, move: Move) -> list[str]:
    """Return what a client sees after the kill, having seen that it and the next run are content."""
    client = made.client("waiting", suite=move.suite)
    answer = client.update()
    assert answer.clean, answer.text
    seen = client.versions()
    assert seen in (move.before, move.after)
    assert all(client.download("etcd-server", version).clean for version in seen)
    assert made.repo(*move.command) == 0
    assert made.repo("verify") == 0
    answer = client.update()
    assert answer.clean, answer.text
    assert client.versions() == move.after
    assert not (made.root / "staging").exists()
    assert not (made.root / "journal.json").exists()
    with closing(sqlite3.connect(made.root / "chunks.sqlite")) as pieces:
        assert pieces.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert made.agent_is_gone()
    assert list(Path(tempfile.gettempdir()).glob(f"{short_name_prefix(made.root / 'gnupg')}*")) == []
    return seen


def ready(copied: Callable[[str], Made], move: Move, name: str) -> Made:
    made = copied(name)
    move.prepare(made)
    return made


def kill_at(made: Made, move: Move, call: str, number: int) -> tuple[bool, list[str]]:
    """Kill a move at the `number`th time that it makes a call; return whether it came to that, and what a client sees."""
    assert made.client("waiting", suite=move.suite).update().clean
    first, *rest = move.command
    killed = killing.kill(first, made, rest, call, number)
    return killed, check(made, move)


def points(made: Made, move: Move) -> list[tuple[str, int]]:
    """Return every point at which a move can be killed: strace counts each call for itself."""
    first, *rest = move.command
    found = killing.points(first, made, rest)
    assert {"unlink", "mkdir", "write"} <= {call for call, _ in found}
    return found


@pytest.mark.parametrize("name", MOVES)
def test_a_kill_at_any_point_leaves_the_old_or_the_new(copied: Callable[[str], Made], name: str) -> None:
    move = MOVES[name]
    whole = ready(copied, move, "counted")
    everywhere = points(whole, move)
    chosen = random.Random(f"{seed()} {name}").sample(everywhere, move.samples)  # noqa: S311 - reproducible on purpose
    # Before and after the moment of going live is always among them.
    renames = [point for point in everywhere if point[0] == "rename"] if move.before != move.after else []
    seen = set()
    for call, number in dict.fromkeys([*chosen, *renames[:1], *renames[-1:]]):
        made = ready(copied, move, f"{call}-{number}")
        seen.add(tuple(kill_at(made, move, call, number)[1]))
        if name == "gc":
            assert tree(made) == tree(whole)
    assert seen == {tuple(move.before), tuple(move.after)}


@pytest.mark.long
def test_there_are_three_hundred_points(copied: Callable[[str], Made]) -> None:
    assert sum(len(points(ready(copied, move, name), move)) for name, move in MOVES.items()) >= 300


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", MOVES)
def test_a_kill_at_every_point(copied: Callable[[str], Made], name: str, part: int) -> None:
    move = MOVES[name]
    whole = ready(copied, move, "counted")
    everywhere, kills = points(whole, move)[part::PARTS], 0
    for call, number in everywhere:
        made = ready(copied, move, f"{call}-{number}")
        kills += kill_at(made, move, call, number)[0]
        if name == "gc":
            assert tree(made) == tree(whole)
    assert kills > 0.95 * len(everywhere)


@pytest.mark.parametrize("when", [1, 2, 5, 20])
def test_a_child_that_is_killed_publishes_nothing_half(copied: Callable[[str], Made], when: int) -> None:
    made, move = copied("child"), MOVES["publish"]
    assert made.client("waiting").update().clean
    # With -f each child counts for itself: gpg, gpgv, sqv or apt dies at its own `when`th write, or python does.
    first, *rest = move.command
    done = killing.strace_all(first, made, rest, "-e", "trace=write", "-e", f"inject=write:signal=SIGKILL:when={when}")
    assert done.returncode in (0, -9, 137, ExitCode.KEY, ExitCode.CLIENT, ExitCode.REPOSITORY), done.stderr.decode()
    check(made, move)
