"""`kubedeb repo remove`: out of the draft, out of the suite with the next publish; what is unknown changes nothing."""

from __future__ import annotations

import json
import subprocess

import pytest

from debs import write_deb
from kubedeb.errors import ExitCode
from repositories import VERSIONS, Made

NEWEST, MIDDLE, OLDEST = VERSIONS


def states(made: Made, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    capsys.readouterr()
    assert made.repo("list", "--json") == 0
    return {row["version"]: row["state"] for row in json.loads(capsys.readouterr().out)}


def test_a_version_leaves_with_the_next_publish(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert published.repo("remove", "--suite", "bookworm", f"etcd-server={MIDDLE}") == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"etcd-server {MIDDLE} amd64 leaves bookworm with the next publish",
        "not yet published: kubedeb repo publish bookworm",
    ]
    assert states(published, capsys) == {NEWEST: "published", MIDDLE: "leaving", OLDEST: "published"}
    client = published.client()
    assert client.update().clean
    assert client.versions() == list(VERSIONS)
    assert published.repo("publish", "bookworm") == 0
    assert "(0 added, 1 removed)" in capsys.readouterr().out
    assert client.update().clean
    assert client.versions() == [NEWEST, OLDEST]
    assert published.repo("verify") == 0


def test_everything_can_leave_and_the_pins_stay(published: Made) -> None:
    before = (published.public / "kubedeb.pref").read_text()
    assert published.repo("remove", "--suite", "bookworm", "--publish", "etcd-server") == 0
    client = published.client()
    assert client.update().clean
    assert client.versions() == []
    # Where it is still installed, Debian's own must not take its place.
    assert (published.public / "kubedeb.pref").read_text() == before
    assert published.repo("add", "--suite", "bookworm", "--publish", *published.packages) == 0
    assert client.update().clean
    assert client.versions() == list(VERSIONS)


def test_what_only_waits_in_the_draft_is_forgotten(drafted: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert drafted.repo("remove", "--suite", "bookworm", "--json", f"etcd-server={NEWEST}") == 0
    done = json.loads(capsys.readouterr().out)
    assert ([item["version"] for item in done["withdrawn"]], done["leaving"]) == ([NEWEST], [])
    assert states(drafted, capsys) == {MIDDLE: "draft", OLDEST: "published"}
    # It was never published: it may come back with other bytes.
    other = write_deb(drafted.folder / "other", "etcd-server", NEWEST, salt="!")
    assert drafted.repo("add", "--suite", "bookworm", "--publish", other) == 0
    digest = subprocess.check_output(["sha256sum", other], text=True).split()[0]
    assert drafted.repo("show", f"etcd-server={NEWEST}") == 0
    assert digest in capsys.readouterr().out


def test_a_removal_is_taken_back_by_adding_again(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert published.repo("remove", "--suite", "bookworm", "etcd-server") == 0
    assert set(states(published, capsys).values()) == {"leaving"}
    assert published.repo("remove", "--suite", "bookworm", "etcd-server") == 0
    assert f"etcd-server {OLDEST} amd64 leaves bookworm with the next publish" in capsys.readouterr().out
    assert published.repo("add", "--suite", "bookworm", "--publish", *published.packages) == 0
    assert "nothing to do: bookworm serves this already" in capsys.readouterr().out
    assert set(states(published, capsys).values()) == {"published"}


@pytest.mark.parametrize(
    ("wanted", "messages"),
    [
        ("etcd-sever", ["there is no package 'etcd-sever' in bookworm", "did you mean 'etcd-server'?"]),
        ("etcd-server=3.6", ["version '3.6' of etcd-server is not in bookworm", MIDDLE]),
        ("=1", ["'=1' is not a package as dpkg writes a dependency"]),
        ("etcd-* (>> 4)", ["nothing in bookworm is 'etcd-* (>> 4)'"]),
    ],
)
def test_what_is_unknown_changes_nothing(
    published: Made, wanted: str, messages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert published.repo("remove", "--suite", "bookworm", "--publish", f"etcd-server={MIDDLE}", wanted) == ExitCode.PACKAGE
    said = capsys.readouterr().err
    assert all(message in said for message in [*messages, "Nothing was removed."]), said
    assert set(states(published, capsys).values()) == {"published"}
    assert published.repo("remove", "--suite", "sid", "etcd-server") == ExitCode.REPOSITORY


def test_a_query_chooses_what_leaves(published: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert published.repo("remove", "--suite", "bookworm", f"etcd-* (<< {NEWEST}), etcd-server:amd64") == 0
    assert states(published, capsys) == {NEWEST: "published", MIDDLE: "leaving", OLDEST: "leaving"}
    assert published.repo("list", "etcd-server (>> 3.4~) | nothing", "--json") == 0
    assert [row["version"] for row in json.loads(capsys.readouterr().out)] == [MIDDLE, NEWEST]
    assert published.repo("show", "etcd-*=3.4*", "--json") == 0
    assert [row["Version"] for row in json.loads(capsys.readouterr().out)] == [MIDDLE]
    assert published.repo("search", "ETCD", "tests", "--json") == 0
    assert {row["summary"] for row in json.loads(capsys.readouterr().out)} == {"etcd-server for tests"}
    assert published.repo("search", "etcd", "nothing", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert published.repo("list", "a b") == ExitCode.USAGE
    assert published.repo("show", "nothing-*") == ExitCode.PACKAGE
    assert "nothing in the repository is 'nothing-*'" in capsys.readouterr().err


def test_suites_are_apart(published: Made) -> None:
    assert published.repo("init", "--origin", "kubedeb", "--suite", "trixie") == 0
    assert published.repo("add", "--suite", "trixie", "--publish", *published.packages) == 0
    assert published.repo("remove", "--suite", "trixie", "--publish", "etcd-server") == 0
    client = published.client()
    assert client.update().clean
    assert client.versions() == list(VERSIONS)
    # It was published from here: other bytes are still refused.
    other = write_deb(published.folder / "other", "etcd-server", NEWEST, salt="!")
    assert published.repo("add", "--suite", "trixie", other) == ExitCode.PACKAGE
