"""Snapshots, promotion, rollback and release sets, as real apt sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aptclient import AptClient
from debs import write_deb
from kubedeb.cli import run
from kubedeb.errors import ExitCode
from repo.audit import read_log, read_store
from repo.store import FolderStore
from repositories import VERSIONS, Made

NEWEST, MIDDLE, OLDEST = VERSIONS


def command(made: Made, *words: str) -> int:
    """Run a command that has a subcommand."""
    first, second, *rest = words
    return run(["repo", first, second, "--repository", str(made.root), *rest])


@pytest.fixture
def two(published: Made) -> Made:
    """`bookworm` serves all three versions, `production` the oldest alone."""
    assert published.repo("init", "--origin", "kubedeb", "--suite", "production") == 0
    assert published.repo("publish", "production", "bookworm@1", "--reason", "the beginning") == 0
    return published


def sees(client: AptClient) -> list[str]:
    answer = client.update()
    assert answer.clean, answer.text
    return client.versions()


def test_a_snapshot_stays_where_it_is_for_ever(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(published, "snapshot", "create", "2026-11", "bookworm", "--reason", "release") == 0
    assert published.repo("remove", "-s", "bookworm", "--publish", f"etcd-server={NEWEST}") == 0
    client = published.client("old", suite="snapshots/2026-11")
    assert sees(client) == list(VERSIONS)
    assert client.download("etcd-server", NEWEST).clean
    assert sees(published.client()) == [MIDDLE, OLDEST]
    capsys.readouterr()
    assert command(published, "snapshot", "diff", "2026-11", "bookworm", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert ([one["version"] for one in document["removed"]], document["added"]) == ([NEWEST], [])
    assert command(published, "snapshot", "list", "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["name"], listed["suite"], listed["generation"], listed["reason"]) == ("2026-11", "bookworm", 2, "release")
    # A name is given once; the same again completes what is missing.
    assert command(published, "snapshot", "create", "2026-11", "bookworm") == ExitCode.REPOSITORY
    assert command(published, "snapshot", "create", "2026-11", "bookworm@2") == 0
    assert published.repo("gc") == 0
    assert sees(client) == list(VERSIONS)
    assert client.download("etcd-server", NEWEST).clean
    assert published.repo("publish", "bookworm", "2026-11") == 0
    assert sees(published.client()) == list(VERSIONS)
    assert (published.repo("verify"), published.repo("fsck")) == (0, 0)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "bookworm", "x" * 65])
def test_what_cannot_name_a_snapshot(published: Made, name: str) -> None:
    assert command(published, "snapshot", "create", name, "bookworm") == ExitCode.USAGE


def test_promotion_shows_asks_and_notes(two: Made, capsys: pytest.CaptureFixture[str]) -> None:
    client = two.client("production", suite="production")
    assert sees(client) == [OLDEST]
    capsys.readouterr()
    assert two.repo("promote", "bookworm", "production") == ExitCode.USAGE
    said = capsys.readouterr()
    assert f"+ etcd-server {NEWEST} amd64" in said.out
    assert "--yes" in said.err
    assert sees(client) == [OLDEST]
    assert two.repo("promote", "bookworm", "production", "--yes", "--reason", "tested") == 0
    assert sees(client) == list(VERSIONS)
    assert two.repo("promote", "bookworm", "production") == 0
    assert "nothing to do" in capsys.readouterr().out
    records = read_log(two.opened, ["production"])
    assert [(one.action, one.source, one.reason, one.before_generation, one.generation) for one in records] == [
        ("publish", "bookworm@1", "the beginning", 0, 1), ("promote", "bookworm", "tested", 1, 2),
    ]  # fmt: skip
    assert all("@" in one.who and one.at > 0 for one in records)
    assert read_store(two.opened, ["production"]) == records
    assert two.repo("log", "--store") == 0
    assert "tested" in capsys.readouterr().out


def test_a_rollback_is_a_new_generation_and_says_what_hosts_need(two: Made, capsys: pytest.CaptureFixture[str]) -> None:
    client = two.client()
    assert sees(client) == list(VERSIONS)
    before = (two.public / "dists/bookworm/InRelease").stat().st_mtime
    capsys.readouterr()
    assert two.repo("rollback", "bookworm", "--yes", "--json", "--reason", "3.5 loses data") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["generation"], document["packages"]) == (3, 1)
    assert document["hosts"]["command"].endswith(f"--allow-downgrades etcd-server={OLDEST}")
    assert (two.public / "dists/bookworm/InRelease").stat().st_mtime > before
    assert sees(client) == [OLDEST]
    # Apt takes the preferences that were printed: with them it would go down.
    preferences = two.folder / "preferences"
    preferences.write_text(document["hosts"]["preferences"])
    status = two.folder / "status"
    status.write_text(
        f"Package: etcd-server\nStatus: install ok installed\nArchitecture: amd64\nVersion: {NEWEST}\n"
        "Maintainer: x <x@localhost>\nDescription: x\n\n"
    )
    options: tuple[str, ...] = (f'Dir::State::status "{status}";',)
    assert "Inst etcd-server" not in two.client(options=options).run("apt-get", "-s", "dist-upgrade").text
    options = (*options, f'Dir::Etc::preferences "{preferences}";')
    down = two.client(options=options).run("apt-get", "-s", "--allow-downgrades", "dist-upgrade").text
    assert f"Inst etcd-server [{NEWEST}] ({OLDEST}" in down
    assert two.repo("rollback", "bookworm", "--to", "2", "--yes") == 0
    assert sees(client) == list(VERSIONS)
    assert two.repo("rollback", "bookworm", "--to", "9", "--yes") == ExitCode.REPOSITORY
    assert two.repo("rollback", "production", "--yes") == ExitCode.REPOSITORY


def test_a_set_goes_live_together_or_not_at_all(two: Made, tmp_path: Path) -> None:
    one, other = write_deb(tmp_path / "in", "helm", "2.8"), write_deb(tmp_path / "other", "helm", "2.8", salt="!")
    assert two.repo("add", "-s", "bookworm", one) == 0
    clients = [two.client(suite, suite=suite) for suite in ("bookworm", "production")]
    assert [sees(client) for client in clients] == [list(VERSIONS), [OLDEST]]
    assert two.repo("release-set", "bookworm", "production=bookworm@2", "--reason", "together") == 0
    for client in clients:
        assert client.update().clean
    assert [client.versions() for client in clients] == [list(VERSIONS), list(VERSIONS)]
    assert [client.versions("helm") for client in clients] == [["2.8"], []]
    record = read_log(two.opened, ["production"])[-1]
    assert (record.action, record.together, record.reason) == ("release-set", ("bookworm", "production"), "together")
    # The second one is refused: the first one stays as it was too.
    assert two.repo("add", "-s", "bookworm", write_deb(tmp_path / "in", "calico", "3.1")) == 0
    (two.public / "snapshots" / "broken").write_text("")
    assert two.repo("release-set", "bookworm", "production=nothing") == ExitCode.REPOSITORY
    assert two.repo("release-set", "bookworm", "bookworm") == ExitCode.USAGE
    assert clients[0].update().clean
    assert clients[0].versions("calico") == []
    assert two.repo("add", "-s", "production", other) == ExitCode.PACKAGE


@pytest.mark.parametrize(("renames", "complete"), [(0, False), (1, True)])
def test_the_next_run_completes_a_set_or_forgets_it(
    two: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int, complete: bool
) -> None:
    clients = [two.client(suite, suite=suite) for suite in ("bookworm", "production")]
    assert [sees(client) for client in clients] == [list(VERSIONS), [OLDEST]]
    assert two.repo("add", "-s", "bookworm", write_deb(tmp_path / "in", "helm", "2.8")) == 0
    real, seen = FolderStore.swap, []

    def ends(self: FolderStore, name: str, data: bytes, tag: str | None, *, mtime: int) -> None:
        seen.append(name)
        if len(seen) > renames:
            raise KeyboardInterrupt
        real(self, name, data, tag, mtime=mtime)

    monkeypatch.setattr(FolderStore, "swap", ends)
    assert two.repo("release-set", "bookworm", "production=bookworm@2", "--reason", "together") != 0
    monkeypatch.undo()
    # Whoever writes next does it, whatever it came for.
    assert two.repo("gc") == 0
    for client in clients:
        assert client.update().clean
    assert (clients[0].versions("helm"), clients[1].versions()) == ((["2.8"], list(VERSIONS)) if complete else ([], [OLDEST]))
    assert [one.suite for one in read_log(two.opened) if one.together] == (["bookworm", "production"] if complete else [])
    assert not (two.root / "journal.json").exists()
    assert two.repo("verify") == 0
    assert two.repo("publish", "bookworm") == 0
    assert clients[0].update().clean
    assert clients[0].versions("helm") == ["2.8"]
