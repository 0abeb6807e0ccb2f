"""gc deletes what nothing needs and nothing else: whoever holds it, whenever it is killed, in a folder or a bucket."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import killing
from debs import write_deb
from kubedeb.errors import ExitCode
from repo.gc import Collected, gc
from repo.live import read_live
from repo.store import FolderStore
from repositories import VERSIONS, Made

NEWEST, MIDDLE, OLDEST = VERSIONS
LATER = 30 * 24 * 3600


def collect(made: Made, *, dry_run: bool = False, after: int = LATER) -> Collected:
    return gc(made.opened, lambda _: None, dry_run=dry_run, now=time.time() + after)


def gone(done: Collected) -> list[str]:
    return [one.member.version for one in done.packages if not one.holders]


def pool(made: Made) -> set[str]:
    return {path.name for path in (made.public / "pool").rglob("*.deb")}


@pytest.fixture
def pruned(published: Made) -> Made:
    """All three published once; then two leave; only the last generation can be rolled back to, and one before."""
    assert published.repo("init", "--origin", "kubedeb", "--keep-generations", "2") == 0
    assert published.repo("remove", "-s", "bookworm", "--publish", f"etcd-server={OLDEST}") == 0
    assert published.repo("remove", "-s", "bookworm", "--publish", f"etcd-server={MIDDLE}") == 0
    return published


def test_generations_drafts_and_holds_keep_packages(pruned: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = pool(pruned)
    # Clients may still read every generation of the last week.
    assert gone(collect(pruned, after=0)) == []
    assert pool(pruned) == before
    dry = collect(pruned, dry_run=True)
    assert gone(dry) == [OLDEST]
    assert [one.holders for one in dry.packages if one.member.version == MIDDLE] == [("generation bookworm 3",)]
    assert pool(pruned) == before
    digest = hashlib.sha256(next(path for path in pruned.packages if OLDEST in path.name).read_bytes()).hexdigest()
    (tmp_path / "list").write_text(f"{digest}  etcd\n")
    assert pruned.repo("hold", "add") != 0
    assert hold(pruned, "add", "kit", str(tmp_path / "list")) == 0
    kept = collect(pruned)
    assert [(one.member.version, one.holders) for one in kept.packages if one.member.version == OLDEST] == [
        (OLDEST, ("hold kit",))
    ]
    assert pool(pruned) == before
    client = pruned.client()
    assert client.update().clean
    assert client.versions() == [NEWEST]
    assert hold(pruned, "remove", "kit") == 0
    assert pruned.repo("add", "-s", "bookworm", next(path for path in pruned.packages if OLDEST in path.name)) == 0
    assert [one.holders for one in collect(pruned).packages if one.member.version == OLDEST] == [("draft of bookworm",)]
    assert pruned.repo("remove", "-s", "bookworm", f"etcd-server={OLDEST}") == 0
    done = collect(pruned)
    assert gone(done) == [OLDEST]
    assert len(pool(pruned)) == 2
    assert (collect(pruned).objects, client.update().clean, pruned.repo("verify")) == ((), True, 0)
    # The memory of what a version was outlives its bytes.
    assert pruned.repo("add", "-s", "bookworm", write_deb(tmp_path / "x", "etcd-server", OLDEST, salt="!")) == ExitCode.PACKAGE
    assert pruned.repo("add", "-s", "bookworm", "--publish", *pruned.packages) == 0
    assert pruned.repo("verify") == 0
    capsys.readouterr()


def hold(made: Made, *arguments: str) -> int:
    from kubedeb.cli import run

    command, *rest = arguments
    return run(["repo", "hold", command, "--repository", str(made.root), *rest])


def test_what_was_said_goes_with_its_package(pruned: Made, tmp_path: Path) -> None:
    one = write_deb(tmp_path / "in", "hello", "1.0")
    (tmp_path / "in" / "hello_1.0_amd64.cdx.json").write_text("{}")
    assert pruned.repo("add", "-s", "bookworm", "--publish", one) == 0
    assert pruned.repo("remove", "-s", "bookworm", "--publish", "hello") == 0
    for version in ("1", "2", "3"):
        assert pruned.repo("add", "-s", "bookworm", "--publish", write_deb(tmp_path / "in", "other", version)) == 0
    assert list(pruned.public.rglob("hello_1.0_amd64.cdx.json"))
    collect(pruned)
    assert [path.name for path in pruned.public.rglob("hello*")] == []
    assert list((pruned.public / "pool").glob("*/*/other*"))
    assert all(any(folder.iterdir()) for folder in (pruned.public / "pool").rglob("*") if folder.is_dir())


def test_a_suite_keeps_its_newest_versions_and_its_draft(published: Made, tmp_path: Path) -> None:
    assert published.repo("init", "--origin", "kubedeb", "--keep", "1") == 0
    digest = hashlib.sha256(next(path for path in published.packages if OLDEST in path.name).read_bytes()).hexdigest()
    (tmp_path / "list").write_text(digest)
    assert hold(published, "add", "kit", str(tmp_path / "list")) == 0
    assert published.repo("add", "-s", "bookworm", write_deb(tmp_path / "in", "waits", "1")) == 0
    dry = collect(published, dry_run=True)
    assert [(suite, member.version) for suite, member in dry.leaving] == [("bookworm", MIDDLE)]
    client = published.client()
    assert client.update().clean
    assert client.versions() == list(VERSIONS)
    assert collect(published, after=0).leaving == dry.leaving
    assert client.update().clean
    assert client.versions() == [NEWEST, OLDEST]
    assert published.repo("publish", "bookworm") == 0
    assert client.update().clean
    assert client.versions("waits") == ["1"]


def test_killed_anywhere_gc_loses_nothing(pruned: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    total = len(collect(pruned, dry_run=True).objects)
    assert total > 3
    client = pruned.client()
    assert client.update().clean
    for number in range(total):
        real = FolderStore.delete

        def first(self: FolderStore, names: list[str], real: Callable[..., None] = real) -> None:
            real(self, names[:1])
            raise KeyboardInterrupt

        monkeypatch.setattr(FolderStore, "delete", first)
        with pytest.raises(KeyboardInterrupt):
            collect(pruned)
        monkeypatch.undo()
        left = collect(pruned, dry_run=True)
        assert len(left.objects) == total - number - 1
        assert client.update().clean
    assert pruned.repo("verify") == 0
    assert pruned.repo("publish", "bookworm") == 0


def test_what_cannot_be_read_deletes_nothing(pruned: Made, capsys: pytest.CaptureFixture[str]) -> None:
    before = pool(pruned)
    (pruned.public / "holds").mkdir()
    (pruned.public / "holds" / "kit").write_text("nonsense\n")
    assert pruned.repo("gc") == ExitCode.REPOSITORY
    assert "hold kit is damaged" in capsys.readouterr().err
    (pruned.public / "holds" / "kit").unlink()
    for path in (pruned.public / "snapshots" / "chunks").iterdir():
        path.write_bytes(b"")
    assert pruned.repo("gc") == ExitCode.REPOSITORY
    assert pool(pruned) == before


def test_the_command_says_what_it_did(pruned: Made, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert pruned.repo("gc", "--dry-run", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["dry_run"], document["objects"], document["leaving"]) == (True, [], [])
    assert all(one["holders"] for one in document["packages"])
    assert len(document["packages"]) == 2
    assert pruned.repo("gc") == 0
    assert "0 files deleted" in capsys.readouterr().out


def kill_everywhere(pruned: Made, sample: int | None) -> None:
    """Kill `gc` at system calls that write: clients see what they saw, and the next gc leaves what one alone had left."""
    identity = json.loads((pruned.root / "repository.json").read_text())
    identity["suites"][0]["options"]["retention"] = 0
    (pruned.root / "repository.json").write_text(json.dumps(identity))

    def names(made: Made) -> set[str]:
        return {path.relative_to(made.public).as_posix() for path in made.public.rglob("*") if path.is_file()}

    # Quick generations are dated ahead of the clock; gc must find the same state each time.
    live = read_live(pruned.opened, "bookworm")
    assert live is not None
    time.sleep(max(0.0, live.date + 1 - time.time()))
    before, alone = names(pruned), pruned.copy("alone")
    everywhere = killing.points("gc", alone, ())
    after = names(alone)
    assert len(before - after) > 5
    for number, (call, when) in enumerate(killing.chosen(everywhere, sample, always="unlink")):
        made = pruned.copy(str(number))
        killing.kill("gc", made, (), call, when)
        assert after <= names(made) <= before
        client = made.client()
        assert client.update().clean
        assert client.versions() == [NEWEST]
        assert made.repo("verify") == 0
        assert made.repo("gc") == 0
        assert names(made) == after
        with closing(sqlite3.connect(made.root / "chunks.sqlite")) as pieces:
            assert pieces.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert made.repo("add", "-s", "bookworm", "--publish", *made.packages) == 0
        assert made.repo("verify") == 0
        shutil.rmtree(made.root)


@pytest.mark.turn("kills of import, mirror and gc")
def test_a_kill_anywhere_loses_nothing(pruned: Made) -> None:
    kill_everywhere(pruned, 4)


@pytest.mark.long
def test_a_kill_everywhere_loses_nothing(pruned: Made) -> None:
    kill_everywhere(pruned, None)
